//! One run of `wrk` against a contender.

use super::contenders::Contender;
use super::support::servers::{LOAD, on, processor_time};

/// What `wrk` says.
#[derive(Clone, Copy)]
pub struct Run {
    /// Requests in a second.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// Processor time of the servers for one request, in microseconds.
    pub processor: f64,
}

impl Run {
    pub fn of(contender: &Contender, seconds: u64) -> Self {
        let before = processor_time(&contender.processes);
        let output = on(LOAD, "wrk")
            .args(["--threads", "1", "--connections", "32", "--latency"])
            .arg("--duration")
            .arg(format!("{seconds}s"))
            .arg("--script")
            .arg(&contender.load.script)
            .arg(format!("{}/me", contender.url))
            .output()
            .expect("wrk is installed");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
            "{}: {text}",
            contender.name
        );
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let used = processor_time(&contender.processes).saturating_sub(before);
        let requests = text
            .lines()
            .find_map(|line| line.trim().split_once(" requests in "))
            .and_then(|(count, _)| count.parse::<f64>().ok());
        Self {
            processor: used.as_secs_f64() * 1e6 / requests.unwrap(),
            rate: value("Requests/sec:").parse().unwrap(),
            p50: milliseconds(&value("50%")),
            p99: milliseconds(&value("99%")),
        }
    }
}

fn milliseconds(text: &str) -> f64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        other => panic!("{other}: no unit of time"),
    };
    digits.parse::<f64>().unwrap() * unit
}
