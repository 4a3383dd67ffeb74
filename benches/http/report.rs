//! The results of all runs.

use serde_json::{Value, json};

use super::contenders::{Contender, Kind};
use super::run::Run;
use super::support::plot::{Bar, Chart};
use super::support::race::quantile;
use super::support::report::write;

/// Medians of all rounds.
pub struct Row {
    name: &'static str,
    is_ours: bool,
    /// Requests in a second.
    rate: f64,
    /// Of the bare server's requests in a second.
    share: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Microseconds.
    processor: f64,
}

/// The first contender is the bare one.
pub fn rows(contenders: &[Contender], runs: &[Vec<Run>]) -> Vec<Row> {
    let row = |(contender, own): (&Contender, &Vec<Run>)| {
        let median =
            |pick: fn(&Run) -> f64| quantile(&mut own.iter().map(pick).collect::<Vec<_>>(), 0.5);
        // By the ratios of each round: what slows a round down slows all who run in it.
        let rounds = own.iter().zip(&runs[0]);
        let mut shares: Vec<f64> = rounds.map(|(own, bare)| own.rate / bare.rate).collect();
        Row {
            name: contender.name,
            is_ours: contender.kind == Kind::Ours,
            rate: median(|run| run.rate),
            share: quantile(&mut shares, 0.5),
            p50: median(|run| run.p50),
            p99: median(|run| run.p99),
            processor: median(|run| run.processor),
        }
    };
    contenders.iter().zip(runs).map(row).collect()
}

pub fn print(rows: &[Row]) {
    println!(
        "{:<38}{:>12}{:>10}{:>10}{:>10}{:>13}",
        "medians", "requests/s", "of bare", "p50 ms", "p99 ms", "CPU µs each"
    );
    for row in rows {
        println!(
            "{:<38}{:>12.0}{:>10.3}{:>10.3}{:>10.3}{:>13.2}",
            row.name, row.rate, row.share, row.p50, row.p99, row.processor,
        );
    }
}

/// # Panics
/// When the file cannot be written.
pub fn save(path: &str, rows: &[Row]) {
    let row = |row: &Row| {
        json!({
            "name": row.name.trim(),
            "requests_per_second": row.rate,
            "of_bare": row.share,
            "p50_milliseconds": row.p50,
            "p99_milliseconds": row.p99,
            "processor_microseconds": row.processor,
        })
    };
    let rows: Vec<Value> = rows.iter().map(row).collect();
    write(path, &format!("{:#}\n", json!(rows)));
}

pub fn svg(rows: &[Row]) -> String {
    let bar = |row: &Row| Bar {
        name: row.name.trim().to_owned(),
        is_ours: row.is_ours,
        length: row.share,
        figure: format!("{:.2}", row.share),
        figures: vec![format!("{:.1}", row.p99), format!("{:.0}", row.processor)],
    };
    Chart {
        title: "Requests in a second over HTTP, × bare axum",
        longest: 1.1,
        columns: &["p99, ms", "CPU, µs"],
        bars: rows.iter().map(bar).collect(),
    }
    .svg()
}
