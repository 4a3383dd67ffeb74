//! The measures over time, a panel for each.

use std::fmt::Write;

use crate::ledger::{Event, Ledger};
use crate::sample::{Line, Measure};
use crate::support::plot::escaped;
use crate::support::race::quantile;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 12.0;
/// Where the first panel begins: the names of the lines stand above it.
const TOP: f64 = 112.0;
const PANEL: f64 = 120.0;
/// Between two panels, for the headline of the lower one.
const GAP: f64 = 34.0;
/// Of more points only some are drawn: each stands for its neighbours.
const POINTS: usize = 180;
/// In a longer run the bands would be too thin to be seen.
const BANDS: f64 = 600.0;
/// For light and for dark pages.
const COLOURS: [(&str, &str); 9] = [
    ("#1f6feb", "#4c8dff"),
    ("#8250df", "#b083f0"),
    ("#1a7f37", "#57ab5a"),
    ("#cf222e", "#f47067"),
    ("#9a6700", "#daaa3f"),
    ("#0a7b83", "#39c5cf"),
    ("#bf3989", "#e275ad"),
    ("#57606a", "#adbac7"),
    ("#bc4c00", "#f0883e"),
];

/// An SVG for light and dark pages alike.
pub fn draw(lines: &[Line], ledger: &Ledger, seconds: f64) -> String {
    let height = TOP + (PANEL + GAP) * Measure::ALL.len() as f64;
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.name) {
            names.push(line.name);
        }
    }
    let has_bands = seconds <= BANDS;
    let mut svg = head(height, has_bands);
    for (index, name) in names.iter().enumerate() {
        let (x, y) = (12 + index % 4 * 186, 46 + index / 4 * 18);
        let class = class_of(&names, name);
        let _ = writeln!(
            svg,
            "<rect class=\"fill {class}\" x=\"{x}\" y=\"{}\" width=\"12\" height=\"4\"/>\
             <text x=\"{}\" y=\"{y}\">{}</text>",
            y - 6,
            x + 17,
            escaped(name)
        );
    }
    let scale = (WIDTH - LEFT - RIGHT) / seconds;
    for (index, measure) in Measure::ALL.into_iter().enumerate() {
        let top = TOP + (PANEL + GAP) * index as f64;
        let own = lines.iter().filter(|line| line.measure == measure);
        let own: Vec<&Line> = own.collect();
        if has_bands {
            bands(&mut svg, ledger, scale, top);
        }
        panel(&mut svg, measure, &own, &names, scale, top);
    }
    let minutes = format!("{:.0} min", seconds / 60.0);
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{minutes}</text>\n</svg>",
        WIDTH - RIGHT,
        height - 18.0
    );
    svg
}

fn head(height: f64, has_bands: bool) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title>A soak: memory, descriptors, threads, tasks and times of answers</title>\n<style>\
         text {{ fill: #24292f }} .axis {{ stroke: #8c959f }} polyline {{ fill: none; stroke-width: 1.3 }} \
         .away {{ fill: #cf222e; opacity: .16 }} .redis {{ fill: #9a6700; opacity: .2 }} \
         .other {{ fill: #57606a; opacity: .14 }}"
    );
    for (index, (light, _)) in COLOURS.iter().enumerate() {
        let _ = write!(
            svg,
            " .c{index} {{ stroke: {light} }} .fill.c{index} {{ fill: {light} }}"
        );
    }
    svg.push_str(
        " @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .axis { stroke: #6e7681 }",
    );
    for (index, (_, dark)) in COLOURS.iter().enumerate() {
        let _ = write!(
            svg,
            " .c{index} {{ stroke: {dark} }} .fill.c{index} {{ fill: {dark} }}"
        );
    }
    let legend = if has_bands {
        "Bands: red, Authgear is away; yellow, Redis is; grey, floods, and the clock is ahead"
    } else {
        "Each minute Authgear is away three times and Redis once, keys change, and tokens are forged"
    };
    let _ = writeln!(
        svg,
        " }}</style>\n<text x=\"12\" y=\"22\"><tspan font-weight=\"600\">A soak.</tspan> {legend}</text>"
    );
    svg
}

fn class_of(names: &[&str], name: &str) -> String {
    let at = names.iter().position(|other| *other == name);
    format!("c{}", at.unwrap_or_default() % COLOURS.len())
}

/// What happened meanwhile.
fn bands(svg: &mut String, ledger: &Ledger, scale: f64, top: f64) {
    for Event {
        name, began, ended, ..
    } in ledger.events()
    {
        let class = match name {
            "Redis is away" => "redis",
            "floods" | "clock ahead" => "other",
            name if name.starts_with("Authgear") => "away",
            // A moment.
            _ => continue,
        };
        let from = ledger.seconds(began);
        let until = ended.map_or(from, |ended| ledger.seconds(ended));
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{PANEL}\"/>",
            LEFT + from * scale,
            (until - from) * scale
        );
    }
}

fn panel(
    svg: &mut String,
    measure: Measure,
    lines: &[&Line],
    names: &[&str],
    scale: f64,
    top: f64,
) {
    let values = lines.iter().flat_map(|line| &line.points);
    let most = values.fold(0.0_f64, |most, (_, value)| most.max(*value));
    // Times differ by a thousand: each factor of ten is as high as another.
    let is_time = matches!(measure, Measure::P50 | Measure::P99);
    let (least, most) = if is_time {
        (-1.0, most.max(1.0).log10().ceil())
    } else {
        (0.0, most.max(1.0) * 1.1)
    };
    let height = |value: f64| {
        let value = if is_time {
            value.max(0.1).log10()
        } else {
            value
        };
        top + PANEL * (1.0 - (value - least) / (most - least))
    };
    let shown = |value: f64| if is_time { 10_f64.powf(value) } else { value };
    let bottom = top + PANEL;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"600\">{}</text>\n\
         <text x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>\n\
         <text x=\"{x}\" y=\"{bottom:.1}\" text-anchor=\"end\">{}</text>\n\
         <path class=\"axis\" fill=\"none\" d=\"M{LEFT} {top:.1}V{bottom:.1}H{}\"/>",
        top - 7.0,
        measure.name(),
        top + 9.0,
        shown(most),
        shown(least),
        WIDTH - RIGHT,
        x = LEFT - 6.0,
    );
    for line in lines {
        let class = class_of(names, line.name);
        let _ = write!(svg, "<polyline class=\"{class}\" points=\"");
        for (time, value) in thinned(line) {
            let _ = write!(svg, "{:.1},{:.1} ", LEFT + time * scale, height(value));
        }
        svg.push_str("\"/>\n");
    }
}

/// The median of neighbours, if that is what the line is about, and else the highest.
fn thinned(line: &Line) -> Vec<(f64, f64)> {
    let share = if line.measure == Measure::P50 {
        0.5
    } else {
        1.0
    };
    let one = |points: &[(f64, f64)]| {
        let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        (points[0].0, quantile(&mut values, share))
    };
    let length = line.points.len().div_ceil(POINTS).max(1);
    line.points.chunks(length).map(one).collect()
}
