//! Beside iroh-docs over loopback QUIC: from the call that writes until a linked peer can read the value;
//! data in memory on both sides.
//!
//! iroh-docs reports an entry before it has fetched its value. The figure to beat is that of the entry.

use crate::{
    report::{Better, Report, Row, Target},
    scale::Scale,
    side::{Peers, values},
};
use anyhow::Result;

/// Median and 99th percentile.
///
/// # Errors
/// If a write does not arrive.
pub fn measure(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    let writes = scale.writes.to_string();
    report.progress("a write to a peer over loopback QUIC");
    let pairs = peers.beside(scale.runs, &["hop", &writes], &["live", &writes])?;
    let entry = values(&pairs, "p50_ms", "entry_p50_ms")?;
    let row = Row::beside("write_one_hop_p50", "ms", "iroh-docs", Better::Less, &entry);
    report.add(row.target(Target::better()));
    for (name, own, theirs) in [
        ("write_one_hop_p99", "p99_ms", "entry_p99_ms"),
        ("write_one_hop_with_value_p50", "p50_ms", "value_p50_ms"),
        ("write_one_hop_with_value_p99", "p99_ms", "value_p99_ms"),
    ] {
        report.add(Row::beside(name, "ms", "iroh-docs", Better::Less, &values(&pairs, own, theirs)?));
    }
    Ok(())
}
