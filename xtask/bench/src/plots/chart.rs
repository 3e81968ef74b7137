//! Lines over two logarithmic axes: several panels beside and below each other in one SVG.
//!
//! The background and all colours are fixed, so it looks the same wherever it is shown.

use super::rows::escaped;
use std::fmt::Write;

/// Several panels, two in a row.
pub struct Figure {
    /// The title of the picture.
    pub title: String,
    /// In reading order.
    pub panels: Vec<Panel>,
}

/// One pair of axes.
pub struct Panel {
    /// The measured quantity, with its unit.
    pub title: &'static str,
    /// The quantity on the x axis, with its unit.
    pub x: &'static str,
    /// The labels of the x axis, ascending.
    pub ticks: Vec<(f64, String)>,
    /// Vertical marks with their text.
    pub marks: Vec<(f64, &'static str)>,
    /// In drawing order.
    pub lines: Vec<Line>,
}

/// One line.
pub struct Line {
    /// Its name.
    pub label: &'static str,
    /// Ascending by x; values of 0 or less cannot be drawn on these axes and are left out.
    pub points: Vec<(f64, f64)>,
    /// Whether it was measured.
    pub kind: Kind,
}

/// The origin of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Measured: a point for each value.
    Measured,
    /// The design's promise: dashed.
    Promised,
}

impl Figure {
    /// The complete picture.
    pub fn svg(&self) -> String {
        let rows = self.panels.len().div_ceil(2);
        let heights: Vec<f64> =
            self.panels.chunks(2).map(|row| row.iter().map(Panel::height).fold(0.0, f64::max)).collect();
        let (width, height) = (2.0 * PANEL, TITLE + heights.iter().sum::<f64>() + 8.0);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">"
        );
        let _ = writeln!(out, "\n<title>{}</title>\n<style>{STYLE}</style>", escaped(&self.title));
        let _ = writeln!(out, r##"<rect width="{width}" height="{height}" fill="#fff"/>"##);
        let _ = writeln!(out, r#"<text class="title" x="16" y="26">{}</text>"#, escaped(&self.title));
        for row in 0..rows {
            let top = TITLE + heights[..row].iter().sum::<f64>();
            for (column, panel) in self.panels[2 * row..].iter().take(2).enumerate() {
                let _ = writeln!(out, r#"<g transform="translate({} {top})">"#, column as f64 * PANEL);
                panel.draw(&mut out);
                out.push_str("</g>\n");
            }
        }
        out.push_str("</svg>\n");
        out
    }
}

impl Panel {
    fn height(&self) -> f64 {
        TOP + PLOT + 46.0 + LEGEND * self.lines.len() as f64 + 10.0
    }

    fn draw(&self, out: &mut String) {
        let axes = Axes::of(self);
        let _ = writeln!(out, r#"<text class="panel" x="{LEFT}" y="18">{}</text>"#, escaped(self.title));
        axes.draw(self, out);
        for (index, line) in self.lines.iter().enumerate() {
            let look = Look::of(index, line.kind);
            let points: Vec<(f64, f64)> = line.drawn().map(|(x, y)| (axes.x(x), axes.y(y))).collect();
            look.line(&points, out);
            let y = TOP + PLOT + 56.0 + LEGEND * index as f64;
            look.line(&[(LEFT, y - 4.0), (LEFT + 13.0, y - 4.0), (LEFT + 26.0, y - 4.0)], out);
            let _ = writeln!(out, r#"<text x="{}" y="{y}">{}</text>"#, LEFT + 34.0, escaped(line.label));
        }
    }
}

impl Line {
    fn drawn(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0)
    }
}

/// The range of the axes, as logarithms.
struct Axes {
    x: [f64; 2],
    y: [f64; 2],
}

impl Axes {
    fn of(panel: &Panel) -> Self {
        let all = || panel.lines.iter().flat_map(Line::drawn);
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            let ends =
                values.fold([f64::MAX, f64::MIN], |[least, most], value| [least.min(value), most.max(value)]);
            if ends[0] > ends[1] { [1.0, 10.0] } else { ends }
        };
        let x = ends(&mut all().map(|(x, _)| x));
        let [least, most] = ends(&mut all().map(|(_, y)| y));
        let (mut low, mut high) = (step_below(least * 0.97), step_above(most * 1.03));
        // At least a decade, so that a flat curve looks flat.
        while high < low * 10.0 {
            high = step_above(high * 1.01);
            if high < low * 10.0 {
                low = step_below(low * 0.99);
            }
        }
        let room = ((x[1] / x[0]).log10() * 0.04).max(0.02);
        Self { x: [x[0].log10() - room, x[1].log10() + room], y: [low.log10(), high.log10()] }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (PANEL - LEFT - RIGHT) * (value.log10() - self.x[0]) / (self.x[1] - self.x[0])
    }

    fn y(&self, value: f64) -> f64 {
        TOP + PLOT * (1.0 - (value.log10() - self.y[0]) / (self.y[1] - self.y[0]))
    }

    fn draw(&self, panel: &Panel, out: &mut String) {
        let (right, bottom) = (PANEL - RIGHT, TOP + PLOT);
        for value in self.steps() {
            let y = self.y(value);
            let _ = writeln!(out, r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/>"#);
            let _ = writeln!(
                out,
                r#"<text class="end" x="{}" y="{:.1}">{}</text>"#,
                LEFT - 7.0,
                y + 4.0,
                short(value)
            );
        }
        for (value, label) in &panel.ticks {
            let x = self.x(*value);
            let _ = writeln!(out, r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom}"/>"#);
            let _ = writeln!(out, r#"<text class="middle" x="{x:.1}" y="{}">{label}</text>"#, bottom + 17.0);
        }
        for (value, what) in &panel.marks {
            let x = self.x(*value);
            let _ = writeln!(out, r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom}"/>"#);
            let _ = writeln!(
                out,
                r#"<text class="mark-text" x="{:.1}" y="{}">{what}</text>"#,
                x - 5.0,
                TOP + 12.0
            );
        }
        let (middle, below) = (f64::midpoint(LEFT, right), bottom + 35.0);
        let _ = writeln!(out, r#"<text class="middle" x="{middle}" y="{below}">{}</text>"#, escaped(panel.x));
        let _ = writeln!(out, r#"<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>"#);
    }

    /// The labelled values: decades, with 2 and 5 in between if there is room.
    fn steps(&self) -> Vec<f64> {
        let [low, high] = self.y;
        let parts: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = low.floor() as i32..=high.ceil() as i32;
        let all = decades.flat_map(|decade| parts.iter().map(move |part| part * 10_f64.powi(decade)));
        all.filter(|value| (low - 1e-9..=high + 1e-9).contains(&value.log10())).collect()
    }
}

/// The next of 1, 2, 5 times a power of ten at or below.
fn step_below(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|part| part * decade).find(|step| *step <= value).unwrap_or(decade)
}

/// The next one at or above.
fn step_above(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|part| part * decade).find(|step| *step >= value).unwrap_or(10.0 * decade)
}

/// A number as an axis shows it.
pub fn short(value: f64) -> String {
    let (part, suffix) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let digits = format!("{part:.4}");
    format!("{}{suffix}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Colour, dashes and marker of a line.
struct Look {
    colour: &'static str,
    marker: Option<usize>,
}

impl Look {
    fn of(index: usize, kind: Kind) -> Self {
        match kind {
            Kind::Measured => Self { colour: COLOURS[index % COLOURS.len()], marker: Some(index) },
            Kind::Promised => Self { colour: "#777", marker: None },
        }
    }

    fn line(&self, points: &[(f64, f64)], out: &mut String) {
        let (colour, dashes) =
            (self.colour, if self.marker.is_none() { r#" stroke-dasharray="6 4""# } else { "" });
        let class = if points.iter().all(|(_, y)| *y > TOP + PLOT + 40.0) { "key" } else { "curve" };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _ = writeln!(out, r#"<polyline class="{class}" stroke="{colour}"{dashes} points="{path}"/>"#);
        let Some(marker) = self.marker else { return };
        let marked = if class == "key" { &points[1..2] } else { points };
        for (x, y) in marked {
            let _ = writeln!(
                out,
                r#"<path fill="{colour}" d="M{x:.1} {y:.1}{}"/>"#,
                MARKERS[marker % MARKERS.len()]
            );
        }
    }
}

const PANEL: f64 = 470.0;
const PLOT: f64 = 230.0;
const TITLE: f64 = 40.0;
const TOP: f64 = 30.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const LEGEND: f64 = 18.0;
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#222}.title{font-size:17px;font-weight:600}\
.panel{font-size:13px;font-weight:600}.end{text-anchor:end}.middle{text-anchor:middle}\
.axis{fill:none;stroke:#555}.grid{stroke:#ddd}.mark{stroke:#a33;stroke-dasharray:2 3}\
.mark-text{fill:#a33;text-anchor:end}.curve,.key{fill:none;stroke-width:2}";
/// Distinguishable with colour blindness too (Okabe, Ito, Color universal design, 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#000"];
/// Circle, square, triangle, diamond, around the current point of the path.
const MARKERS: [&str; 4] = [
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "m-3.5 -3.5h7v7h-7z",
    "m0 -4.8l4.5 8h-9z",
    "m0 -5l5 5l-5 5l-5 -5z",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_begin_and_end_at_labels() {
        assert_eq!(
            [step_below(34.0), step_above(34.0), step_below(1.0), step_above(900.0)],
            [20.0, 50.0, 1.0, 1_000.0]
        );
        assert_eq!([0.05, 5.0, 20_000.0, 1e6].map(short), ["0.05", "5", "20k", "1M"]);
    }

    #[test]
    fn what_is_flat_looks_flat() {
        let line = Line { label: "a", points: vec![(10.0, 34.0), (100.0, 34.1)], kind: Kind::Measured };
        let panel = Panel { title: "", x: "", ticks: Vec::new(), marks: Vec::new(), lines: vec![line] };
        let axes = Axes::of(&panel);
        assert!(axes.y[1] - axes.y[0] >= 1.0 && (axes.y(34.0) - axes.y(34.1)).abs() < 1.0);
    }
}
