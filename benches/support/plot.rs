//! The race as a picture: a bar for each contender, in multiples of the bare signature check.

use std::fmt::Write;

use super::race::Timing;
use super::report::{RAW, median_of};

const WIDTH: f64 = 760.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;
/// Where the bars begin: the names stand left of it.
const LEFT: f64 = 320.0;
/// What a bar's figure needs right of it.
const FIGURE: f64 = 64.0;
/// The longest bar, in multiples of the bare check; what is longer is cut, and shows it.
const LONGEST: f64 = 2.0;

/// An SVG for light and dark pages alike.
pub fn bars(timings: &[Timing]) -> String {
    let raw = median_of(timings, RAW);
    let height = TOP + ROW * timings.len() as f64 + 12.0;
    let unit = (WIDTH - LEFT - FIGURE) / LONGEST;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>Time for one request, in multiples of the bare signature check</title>\n\
         <style>text {{ fill: #24292f }} .other {{ fill: #8c959f }} .ours {{ fill: #1f6feb }} \
         line {{ stroke: #8c959f }} @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} \
         .other {{ fill: #6e7681 }} .ours {{ fill: #4c8dff }} }}</style>\n\
         <text x=\"12\" y=\"22\" font-weight=\"600\">Time for one request, × the bare check of its \
         signature</text>\n"
    );
    for (row, timing) in timings.iter().enumerate() {
        let ratio = timing.median / raw;
        let top = TOP + ROW * row as f64;
        let baseline = top + ROW * 0.68;
        let class = if is_ours(&timing.name) {
            "ours"
        } else {
            "other"
        };
        let weight = if is_ours(&timing.name) { "600" } else { "400" };
        let length = ratio.min(LONGEST) * unit;
        let end = LEFT + length;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\"/>",
            LEFT - 10.0,
            escaped(&timing.name),
            top + 4.0,
            ROW - 8.0,
        );
        if ratio > LONGEST {
            // Two strokes across a bar that goes on.
            for shift in [24.0, 18.0] {
                let x = end - shift;
                let _ = writeln!(
                    svg,
                    "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke-width=\"2\" style=\"stroke: #fff\"/>",
                    x,
                    top + ROW - 4.0,
                    x + 6.0,
                    top + 4.0,
                );
            }
        }
        let digits = if ratio < 10.0 { 2 } else { 1 };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" font-weight=\"{weight}\">{ratio:.digits$}</text>",
            end + 8.0,
        );
    }
    // The bare check itself: what no verification can be faster than.
    let _ = writeln!(
        svg,
        "<line x1=\"{0:.1}\" y1=\"{1:.1}\" x2=\"{0:.1}\" y2=\"{2:.1}\" stroke-dasharray=\"3 3\"/>\n</svg>",
        LEFT + unit,
        TOP - 4.0,
        height - 8.0,
    );
    svg
}

/// Ours are named by what the request carries, and those of others by their crate.
fn is_ours(name: &str) -> bool {
    name.contains("seen") || name.starts_with("refused")
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
