//! The complete report as one page.

use super::{chart::svg, text::text, words::escaped};
use crate::outcome::Outcome;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse}td{padding:.15em 1em .15em 0;vertical-align:top}td:first-child{color:#777}\
.bad{color:#b00}pre{background:#f6f6f6;padding:1em;overflow:auto}";

/// The page. `command` reproduces the run.
pub fn html(outcome: &Outcome, command: &str) -> String {
    let title = escaped(&format!("{}, seed {}", outcome.scenario, outcome.seed));
    let mut out =
        format!("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n");
    let _ = writeln!(out, "<style>{STYLE}</style>\n<h1>{title}</h1>\n<table>");
    for line in text(outcome).lines() {
        let (name, what) = line.split_at_checked(9).unwrap_or((line, ""));
        let class = if what.contains("FAILED") { " class=\"bad\"" } else { "" };
        let _ = writeln!(out, "<tr><td>{}<td{class}>{}", escaped(name.trim()), escaped(what.trim()));
    }
    out.push_str("</table>\n");
    if let Some(failure) = &outcome.failure {
        let _ = writeln!(out, "<h2 class=\"bad\">{} does not hold</h2>", escaped(&failure.checker));
        let _ =
            writeln!(out, "<pre>{}\n\n{}</pre>", escaped(&failure.what), escaped(&failure.events.join("\n")));
    }
    let _ = writeln!(out, "<p>To reproduce it: <code>{}</code>\n{}", escaped(command), svg(outcome));
    out
}
