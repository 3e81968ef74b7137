//! datafan beside peers: a bar for each row, by how many times it is better or worse.

use super::{
    chart::short,
    rows::{Row, escaped},
};
use std::fmt::Write;

/// The picture's name.
pub const NAME: &str = "beside-peers";

/// The picture; `None` if no row has a peer.
pub fn svg(rows: &[Row]) -> Option<String> {
    let bars: Vec<(String, f64)> = rows.iter().filter_map(bar).collect();
    if bars.is_empty() {
        return None;
    }
    let logs = || bars.iter().map(|(_, ratio)| ratio.log10());
    let (low, high) = (logs().fold(-1.0, f64::min).floor(), logs().fold(1.0, f64::max).ceil());
    let x = |ratio: f64| LEFT + (WIDTH - LEFT - RIGHT) * (ratio.log10() - low) / (high - low);
    let bottom = TOP + BAR * bars.len() as f64;
    let height = bottom + 30.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">"
    );
    let title = "How many times better than a peer at the same work";
    let _ = writeln!(out, "\n<title>{title}</title>\n<style>{STYLE}</style>");
    let _ = writeln!(out, r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##);
    let _ = writeln!(out, r#"<text class="title" x="16" y="26">{title}</text>"#);
    let below = "blue: datafan is better; orange: the peer is; the axis is logarithmic";
    let _ = writeln!(out, r#"<text x="16" y="46">{below}</text>"#);
    for decade in low as i32..=high as i32 {
        let (ratio, class) = (10_f64.powi(decade), if decade == 0 { "one" } else { "grid" });
        let at = x(ratio);
        let _ =
            writeln!(out, r#"<line class="{class}" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/>"#);
        let label = short(ratio);
        let _ = writeln!(out, r#"<text class="middle" x="{at:.1}" y="{}">{label}</text>"#, bottom + 18.0);
    }
    for (index, (label, ratio)) in bars.iter().enumerate() {
        let top = TOP + BAR * index as f64;
        let (one, end) = (x(1.0), x(*ratio));
        let (from, width) = (one.min(end), (one - end).abs().max(1.0));
        let colour = if *ratio < 1.0 { "#d55e00" } else { "#0072b2" };
        let (baseline, thick) = (top + BAR - 6.0, BAR - 7.0);
        let _ =
            writeln!(out, r#"<text class="end" x="{}" y="{baseline}">{}</text>"#, LEFT - 8.0, escaped(label));
        let _ = writeln!(
            out,
            r#"<rect fill="{colour}" x="{from:.1}" y="{}" width="{width:.1}" height="{thick}"/>"#,
            top + 3.0
        );
        let at = one.max(end) + 5.0;
        let _ = writeln!(out, r#"<text x="{at:.1}" y="{baseline}">{}</text>"#, times(*ratio));
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn bar(row: &Row) -> Option<(String, f64)> {
    let ratio = row.ratio.filter(|ratio| *ratio > 0.0)?;
    Some((format!("{} / {}", row.name, row.peer.as_deref()?), ratio))
}

/// Formats three digits.
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.2}"),
    }
}

const WIDTH: f64 = 940.0;
const LEFT: f64 = 340.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 60.0;
const BAR: f64 = 19.0;
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#222}.title{font-size:17px;font-weight:600}\
.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#ddd}.one{stroke:#333;stroke-width:1.5}";
