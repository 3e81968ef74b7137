//! Convergence over time and the topology, in one SVG.

use super::{mesh, text::span, words::escaped};
use crate::outcome::Outcome;
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const CHART: f64 = 320.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 50.0;
/// Width and height of the drawing of the mesh.
const MESH: f64 = 700.0;
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:17px;font-weight:600}\
.axis{stroke:#999;stroke-width:1}.curve{fill:none;stroke:#0a7;stroke-width:2}.faults{fill:#c33;opacity:.08}\
.link{stroke:#9ab;stroke-width:.8}.down{stroke:#c33;stroke-dasharray:3 3}.member{fill:#0a7}\
.name{font-size:10px;text-anchor:middle}.end{text-anchor:end}";

/// The complete picture.
pub fn svg(outcome: &Outcome) -> String {
    let height = TOP + CHART + 90.0 + MESH;
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">"#
    );
    let _ = writeln!(out, "<style>{STYLE}</style>");
    let _ = writeln!(out, r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##);
    let title = format!(
        "{}, seed {}: {} members, {}",
        outcome.scenario, outcome.seed, outcome.members, outcome.topology
    );
    let _ = writeln!(out, r#"<text class="title" x="{LEFT}" y="28">{}</text>"#, escaped(&title));
    out.push_str(&curve(outcome));
    let (left, below) = ((WIDTH - MESH) / 2.0, TOP + CHART + 80.0);
    let what = "members, each with the items that it owns; links that are down at the end are dashed";
    let middle = WIDTH / 2.0;
    let _ = writeln!(out, r#"<text text-anchor="middle" x="{middle}" y="{}">{what}</text>"#, below - 20.0);
    let _ = writeln!(out, r#"<g transform="translate({left} {below})">"#);
    out.push_str(&mesh::drawing(&outcome.picture, MESH));
    out.push_str("</g>\n</svg>\n");
    out
}

/// The share of converged pairs over time; the time of faults is shaded.
fn curve(outcome: &Outcome) -> String {
    let end = outcome.virtual_micros.max(1) as f64;
    let x = |micros: u64| LEFT + (WIDTH - LEFT - 30.0) * micros as f64 / end;
    let y = |share: f64| TOP + CHART * (1.0 - share);
    let mut out = String::new();
    let (from, to) = (x(outcome.faults.0), x(outcome.faults.1));
    let width = (to - from).max(0.0);
    let _ = writeln!(
        out,
        r#"<rect class="faults" x="{from:.1}" y="{TOP}" width="{width:.1}" height="{CHART}"/>"#
    );
    for percent in [0, 50, 100] {
        let (at, label) = (y(f64::from(percent) / 100.0), LEFT - 8.0);
        let right = WIDTH - 30.0;
        let _ = writeln!(out, r#"<line class="axis" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#);
        let _ = writeln!(out, r#"<text class="end" x="{label}" y="{:.1}">{percent} %</text>"#, at + 4.0);
    }
    let points = outcome.progress.samples.iter().map(|(time, pairs, there)| {
        let share = *there as f64 / (*pairs).max(1) as f64;
        format!("{:.1},{:.1}", x(*time), y(share))
    });
    let points = points.collect::<Vec<_>>().join(" ");
    let _ = writeln!(out, r#"<polyline class="curve" points="{points}"/>"#);
    let below = TOP + CHART + 20.0;
    let _ = writeln!(out, r#"<text x="{LEFT}" y="{below}">0</text>"#);
    let (right, last) = (WIDTH - 30.0, span(outcome.virtual_micros));
    let _ = writeln!(out, r#"<text class="end" x="{right}" y="{below}">{last} virtual</text>"#);
    let middle = WIDTH / 2.0;
    let _ = writeln!(
        out,
        r#"<text text-anchor="middle" x="{middle}" y="{below}">converged pairs of member and owner; faults shaded</text>"#
    );
    out
}
