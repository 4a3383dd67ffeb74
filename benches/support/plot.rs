//! A picture of contenders: a bar for each.

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
/// What a column of figures needs.
const COLUMN: f64 = 66.0;

pub struct Chart<'a> {
    pub title: &'a str,
    /// The longest bar; what is longer is cut, and shows it.
    pub longest: f64,
    /// Headings of the figures at the right edge.
    pub columns: &'a [&'a str],
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub name: String,
    pub is_ours: bool,
    /// One is where the dashed line is.
    pub length: f64,
    /// What is written behind the bar.
    pub figure: String,
    /// One for each column.
    pub figures: Vec<String>,
}

/// The race, in multiples of the bare signature check.
pub fn bars(timings: &[Timing]) -> String {
    let raw = median_of(timings, RAW);
    let bar = |timing: &Timing| {
        let ratio = timing.median / raw;
        let digits = if ratio < 10.0 { 2 } else { 1 };
        Bar {
            name: timing.name.clone(),
            // Ours are named by what the request carries, and those of others by their crate.
            is_ours: timing.name.contains("seen") || timing.name.starts_with("refused"),
            length: ratio,
            figure: format!("{ratio:.digits$}"),
            figures: Vec::new(),
        }
    };
    Chart {
        title: "Time for one request, × the bare check of its signature",
        longest: 2.0,
        columns: &[],
        bars: timings.iter().map(bar).collect(),
    }
    .svg()
}

impl Chart<'_> {
    /// For light and dark pages alike.
    pub fn svg(&self) -> String {
        let height = TOP + ROW * self.bars.len() as f64 + 12.0;
        let title = escaped(self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
             <title>{title}</title>\n\
             <style>text {{ fill: #24292f }} .other {{ fill: #8c959f }} .ours {{ fill: #1f6feb }} \
             line {{ stroke: #8c959f }} @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} \
             .other {{ fill: #6e7681 }} .ours {{ fill: #4c8dff }} }}</style>\n\
             <text x=\"12\" y=\"22\" font-weight=\"600\">{title}</text>\n"
        );
        for (column, heading) in self.columns.iter().enumerate() {
            self.write_figure(&mut svg, column, 22.0, "400", heading);
        }
        for (row, bar) in self.bars.iter().enumerate() {
            self.write_bar(&mut svg, TOP + ROW * row as f64, bar);
        }
        let _ = writeln!(
            svg,
            "<line x1=\"{0:.1}\" y1=\"{1:.1}\" x2=\"{0:.1}\" y2=\"{2:.1}\" stroke-dasharray=\"3 3\"/>\n</svg>",
            LEFT + self.unit(),
            TOP - 4.0,
            height - 8.0,
        );
        svg
    }

    /// How long a bar of one is.
    fn unit(&self) -> f64 {
        let columns = COLUMN * self.columns.len() as f64;
        (WIDTH - LEFT - FIGURE - columns) / self.longest
    }

    fn write_bar(&self, svg: &mut String, top: f64, bar: &Bar) {
        let baseline = top + ROW * 0.68;
        let (class, weight) = if bar.is_ours {
            ("ours", "600")
        } else {
            ("other", "400")
        };
        let length = bar.length.min(self.longest) * self.unit();
        let end = LEFT + length;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\"/>",
            LEFT - 10.0,
            escaped(&bar.name),
            top + 4.0,
            ROW - 8.0,
        );
        if bar.length > self.longest {
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
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" font-weight=\"{weight}\">{}</text>",
            end + 8.0,
            escaped(&bar.figure),
        );
        for (column, figure) in bar.figures.iter().enumerate() {
            self.write_figure(svg, column, baseline, weight, figure);
        }
    }

    fn write_figure(&self, svg: &mut String, column: usize, y: f64, weight: &str, text: &str) {
        let columns_behind = (self.columns.len() - 1 - column) as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>",
            WIDTH - 12.0 - COLUMN * columns_behind,
            escaped(text),
        );
    }
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
