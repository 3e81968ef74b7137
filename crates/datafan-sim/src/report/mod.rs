//! Reports of an outcome: for people, for programs, as pictures.

mod chart;
mod dot;
mod html;
mod mesh;
mod text;
mod words;

pub use dot::dot;
pub use html::html;
pub use text::{failure, progress, text};

use crate::outcome::Outcome;
use serde_json::{Value, json};
use words::hex;

/// One JSON object, for programs.
pub fn json(outcome: &Outcome) -> Value {
    let found = |found: &Option<String>| match found {
        None => Value::Bool(true),
        Some(what) => Value::String(what.clone()),
    };
    let checks: serde_json::Map<String, Value> =
        outcome.checks.iter().map(|(name, what)| ((*name).to_owned(), found(what))).collect();
    let (counts, converged) = (&outcome.counts, &outcome.converged);
    json!({
        "scenario": outcome.scenario,
        "seed": outcome.seed,
        "members": outcome.members,
        "topology": outcome.topology,
        "equal": outcome.equal,
        "trace_digest": hex(&outcome.trace_digest.0),
        "virtual_seconds": seconds(outcome.virtual_micros),
        "real_seconds": seconds(outcome.real_micros),
        "busy_seconds": seconds(outcome.busy_micros()),
        "deliveries_per_second": outcome.deliveries_per_second(),
        "rounds": outcome.rounds(),
        "bytes": counts.bytes,
        "messages": counts.messages,
        "bytes_per_member": counts.bytes / outcome.members as u64,
        "bytes_per_link": counts.bytes.checked_div(counts.links),
        "hops": { "longest": counts.hops.0, "mean": counts.hops.1 as f64 / 1_000.0 },
        "redundancy": outcome.redundancy_per_mille() as f64 / 1_000.0,
        "commits": counts.commits,
        "deliveries": counts.deliveries,
        "delivery_ms": {
            "p50": outcome.deliveries.per_mille(500) as f64 / 1_000.0,
            "p99": outcome.deliveries.per_mille(990) as f64 / 1_000.0,
            "max": outcome.deliveries.most() as f64 / 1_000.0,
        },
        "converged_seconds": {
            "p50": converged.p50.map(seconds),
            "p99": converged.p99.map(seconds),
            "all": converged.all.map(seconds),
        },
        "signature_checks": counts.signatures,
        "refusals": counts.refusals,
        "alarms": counts.alarms,
        "memory": outcome.memory,
        "checks": checks,
        "failure": outcome.failure.as_ref().map(|failure| &failure.what),
    })
}

/// A picture of convergence over time and of the topology, in one SVG.
pub fn svg(outcome: &Outcome) -> String {
    chart::svg(outcome)
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
