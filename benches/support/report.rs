//! What a race is read from: a table, and the same as JSON.

use std::path::Path;

use serde_json::{Value, json};

use super::race::{Scaling, Timing};

/// The names that ratios refer to.
pub const RAW: &str = "raw verify, key parsed once";
pub const BARE: &str = "bare router";

/// What the command line asks for. Whatever else `cargo bench` passes is looked over.
#[derive(Debug, Default)]
pub struct Arguments {
    /// Fewer rounds: a look, not a measurement.
    pub quick: bool,
    /// How long it is to take, where that is for the caller to say.
    pub minutes: Option<u64>,
    pub json: Option<String>,
    pub svg: Option<String>,
}

impl Arguments {
    pub fn read() -> Self {
        let mut arguments = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--minutes" => arguments.minutes = words.next().map(|n| n.parse().unwrap()),
                "--json" => arguments.json = words.next(),
                "--svg" => arguments.svg = words.next(),
                _ => {}
            }
        }
        arguments
    }
}

pub fn median_of(timings: &[Timing], name: &str) -> f64 {
    timings
        .iter()
        .find(|timing| timing.name == name)
        .map_or(f64::NAN, |timing| timing.median)
}

pub fn print(title: &str, timings: &[Timing]) {
    let (raw, bare) = (median_of(timings, RAW), median_of(timings, BARE));
    println!(
        "\n{title:<42}{:>9}{:>9}{:>9}{:>17}{:>8}",
        "ns", "× raw", "× bare", "quartiles", "memory"
    );
    for timing in timings {
        // There is no check without a request, and none is made or read for it.
        let of_raw = Some(timing.median / raw).filter(|ratio| ratio.is_finite());
        println!(
            "{:<42}{:>9.0}{:>9}{:>9.2}{:>8.0} {:>8.0}{:>8}",
            timing.name,
            timing.median,
            of_raw.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            timing.median / bare,
            timing.lower_quartile,
            timing.upper_quartile,
            if timing.is_cold { "cold" } else { "hot" },
        );
    }
}

pub fn print_scaling(scaling: &[Scaling]) {
    println!(
        "\n{:<42}{:>9}{:>9}{:>21}",
        "two threads, in calls of one", "×", "of bare", "of bare, undisturbed"
    );
    for team in scaling {
        println!(
            "{:<42}{:>9.3}{:>9.3}{:>21.3}",
            team.name, team.factor, team.of_first, team.of_first_undisturbed
        );
    }
}

/// Writes what was measured where the command line says.
///
/// # Panics
/// When the file cannot be written.
pub fn save(path: &str, calls: &[Timing], requests: &[Timing], scaling: &[Scaling]) {
    let scaling: Vec<Value> = scaling
        .iter()
        .map(|team| {
            json!({
                "name": team.name,
                "factor": team.factor,
                "of_bare": team.of_first,
                "of_bare_undisturbed": team.of_first_undisturbed,
            })
        })
        .collect();
    let report = json!({
        "call_alone": contenders(calls),
        "request_made_and_answer_read": contenders(requests),
        "two_threads": scaling,
    });
    write(path, &format!("{report:#}\n"));
}

fn contenders(timings: &[Timing]) -> Vec<Value> {
    let (raw, bare) = (median_of(timings, RAW), median_of(timings, BARE));
    timings
        .iter()
        .map(|timing| {
            json!({
                "name": timing.name,
                "memory": if timing.is_cold { "cold" } else { "hot" },
                "nanoseconds": timing.median,
                "quartiles": [timing.lower_quartile, timing.upper_quartile],
                "of_raw": timing.median / raw,
                "of_bare": timing.median / bare,
            })
        })
        .collect()
}

/// Writes a file, into a folder that need not be there.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &str, text: &str) {
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    println!("\nwritten: {path}");
}
