//! The outcome for people.

use super::words::hex;
use crate::{outcome::Outcome, run::Standing, scenario::Scenario};
use std::fmt::Write;

/// One progress line.
pub fn progress(standing: &Standing) -> String {
    let percent = (standing.there * 1_000).checked_div(standing.pairs).unwrap_or(0);
    format!(
        "{:<7} {:>9} virtual, {:>3}.{} % converged, {} deliveries",
        standing.phase,
        span(standing.time.0),
        percent / 10,
        percent % 10,
        grouped(standing.deliveries)
    )
}

/// The whole outcome.
pub fn text(outcome: &Outcome) -> String {
    let mut out = String::new();
    let holds = if outcome.holds() { "equal, all checks hold" } else { "FAILED" };
    let Outcome { scenario, seed, members, topology, counts, converged, deliveries, .. } = outcome;
    line(&mut out, "result", &format!("{holds}: {scenario}, seed {seed}, {members} members, {topology}"));
    let speed = outcome.virtual_micros as f64 / outcome.busy_micros() as f64;
    line(
        &mut out,
        "time",
        &format!(
            "{} virtual ({} rounds) in {} real, {} of one processor: {speed:.1} times real time",
            span(outcome.virtual_micros),
            outcome.rounds(),
            span(outcome.real_micros),
            span(outcome.busy_micros())
        ),
    );
    let faults = (outcome.faults.1.saturating_sub(outcome.faults.0), counts.actions);
    line(&mut out, "faults", &format!("{} actions in {}", faults.1, span(faults.0)));
    let reached = |micros: Option<u64>| match micros {
        Some(micros) => {
            format!("{} ({:.1} rounds)", span(micros), micros as f64 / outcome.round_micros as f64)
        }
        None => "never".into(),
    };
    let (p50, p99, all) = (reached(converged.p50), reached(converged.p99), reached(converged.all));
    line(&mut out, "equal", &format!("half of the pairs after {p50}, 99 % {p99}, all {all}"));
    line(
        &mut out,
        "delivery",
        &format!(
            "p50 {}, p99 {}, longest {}",
            span(deliveries.per_mille(500)),
            span(deliveries.per_mille(990)),
            span(deliveries.most())
        ),
    );
    line(
        &mut out,
        "work",
        &format!(
            "{} commits, {} deliveries ({} per second of a processor), {} signatures checked",
            grouped(counts.commits),
            grouped(counts.deliveries),
            grouped(outcome.deliveries_per_second()),
            grouped(counts.signatures)
        ),
    );
    traffic(&mut out, outcome);
    if let Some(memory) = outcome.memory {
        let pairs = (*members * (members + 1)) as u64;
        line(
            &mut out,
            "memory",
            &format!("{} at most, {} per member and owner", bytes(memory), bytes(memory / pairs)),
        );
    }
    line(&mut out, "refused", &format!("{} refusals, {} alarms", grouped(counts.refusals), counts.alarms));
    let checks: Vec<String> = outcome
        .checks
        .iter()
        .map(|(name, found)| format!("{} {name}", if found.is_none() { "ok" } else { "FAILED" }))
        .collect();
    line(&mut out, "checks", &checks.join(", "));
    line(&mut out, "digest", &hex(&outcome.trace_digest.0));
    out
}

fn traffic(out: &mut String, outcome: &Outcome) {
    let counts = &outcome.counts;
    let per_member = counts.bytes / outcome.members as u64;
    let per_link = counts.bytes.checked_div(counts.links).unwrap_or(0);
    line(
        out,
        "traffic",
        &format!(
            "{} messages, {}: {} per member, {} per link",
            grouped(counts.messages),
            bytes(counts.bytes),
            bytes(per_member),
            bytes(per_link)
        ),
    );
    let (redundancy, (longest, mean)) = (outcome.redundancy_per_mille(), counts.hops);
    line(
        out,
        "spread",
        &format!(
            "{}.{:02} redundant copies per delivery; shortest paths {}.{} links on average, at most \
             {longest}",
            redundancy / 1_000,
            redundancy % 1_000 / 10,
            mean / 1_000,
            mean % 1_000 / 100
        ),
    );
}

/// The failure, and the command that reproduces it.
pub fn failure(outcome: &Outcome, scenario: &Scenario, source: &str, revision: &str) -> Option<String> {
    let failure = outcome.failure.as_ref()?;
    let mut out = String::new();
    let at = span(failure.at);
    let _ = writeln!(out, "{} does not hold at {at}: {}", failure.checker, failure.what);
    let _ = writeln!(out, "scenario {source}, seed {}, revision {revision}", outcome.seed);
    let _ = writeln!(out, "the last events (virtual microseconds):");
    for event in &failure.events {
        let _ = writeln!(out, "  {event}");
    }
    let _ = writeln!(out, "to reproduce it:");
    let _ = writeln!(
        out,
        "  cargo xtask simulate --scenario {source} --members {} --topology {} --seed {}",
        scenario.members, scenario.topology, outcome.seed
    );
    Some(out)
}

fn line(out: &mut String, name: &str, what: &str) {
    let _ = writeln!(out, "{name:<9} {what}");
}

/// A duration for people.
pub(super) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        1_000_000..120_000_000 => format!("{:.1} s", micros as f64 / 1e6),
        _ => format!("{} min {} s", micros / 60_000_000, micros / 1_000_000 % 60),
    }
}

/// A size for people.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A number with thousands separators.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([grouped(7), grouped(1_234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!([span(7), span(1_500), span(61_000_000)], ["7 us", "1.5 ms", "61.0 s"]);
        assert_eq!([bytes(9_999), bytes(12_345)], ["9999 B", "12.3 KB"]);
    }
}
