//! What a run is read from: tables, and the same as JSON.

use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::sample::{Line, Measure};
use crate::support::race::quantile;

/// The first tenth of a line, the tenth in its middle and its last one, by their medians; and its
/// highest point.
fn figures(line: &Line) -> [f64; 4] {
    let values: Vec<f64> = line.points.iter().map(|(_, value)| *value).collect();
    let length = values.len().div_ceil(10);
    let median = |first: usize| quantile(&mut values[first..first + length].to_vec(), 0.5);
    let most = values.iter().copied().fold(0.0, f64::max);
    let last = values.len() - length;
    [median(0), median(last / 2), median(last), most]
}

pub fn print(lines: &[Line], ledger: &Ledger) {
    for measure in Measure::ALL {
        println!(
            "\n{:<36}{:>10}{:>10}{:>10}{:>10}",
            measure.name(),
            "start",
            "middle",
            "end",
            "most"
        );
        for line in lines.iter().filter(|line| line.measure == measure) {
            let [start, middle, end, most] = figures(line);
            let name = line.name;
            println!("  {name:<34}{start:>10.2}{middle:>10.2}{end:>10.2}{most:>10.2}");
        }
    }
    println!("\nrequests that were judged");
    for ((contender, sender), count) in ledger.counts() {
        println!("  {:<34}{count:>10}", format!("{contender}, {sender:?}"));
    }
    let (busy, excused) = ledger.busy();
    println!("\nthe machine answered late for {busy:.1?}, which excuses {excused} violations");
    let violations = ledger.violations();
    println!("\nviolations: {}", violations.values().sum::<u64>());
    for (what, count) in violations {
        println!("  {what}: {count}");
    }
}

pub fn json(lines: &[Line], ledger: &Ledger, seconds: f64) -> String {
    let lines = lines.iter().map(|line| {
        let [start, middle, end, most] = figures(line);
        json!({
            "measure": line.measure.name(),
            "name": line.name,
            "start": start,
            "middle": middle,
            "end": end,
            "most": most,
            "points": line.points,
        })
    });
    let events = ledger.events().into_iter().map(|event| {
        let [began, ended] = [Some(event.began), event.ended];
        json!({
            "name": event.name,
            "began": began.map(|moment| ledger.seconds(moment)),
            "ended": ended.map(|moment| ledger.seconds(moment)),
        })
    });
    let counts = ledger.counts().into_iter().map(|((contender, sender), count)| {
        json!({ "contender": contender, "sender": format!("{sender:?}"), "count": count })
    });
    let report = json!({
        "seconds": seconds,
        "machine_late_seconds": ledger.busy().0.as_secs_f64(),
        "excused_by_that": ledger.busy().1,
        "violations": ledger.violations(),
        "requests": counts.collect::<Vec<_>>(),
        "events": events.collect::<Vec<Value>>(),
        "lines": lines.collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}
