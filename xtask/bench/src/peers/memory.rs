//! Memory per item beyond key and value, in a process that holds nothing else.
//!
//! iroh-docs holds no values there: a hash and a length, two signatures. Its inserts are slow, so it is also
//! measured with fewer items, of which each bears a greater share of an empty process, and with many items
//! only once. The node of chitchat has no peers: a second copy of everything, which it keeps for watchers, is
//! not counted.

use crate::{
    report::{Better, Report, Row},
    scale::Scale,
    side::{Peers, values},
};
use anyhow::Result;

/// Beside both peers that hold items.
///
/// # Errors
/// If a child fails.
pub fn measure(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    let subjects = [
        ("chitchat", "gossip-memory", scale.items_many, scale.runs),
        ("iroh-docs", "documents-memory", scale.items, scale.runs),
        ("iroh-docs", "documents-memory", scale.items_many, 1),
    ];
    for (peer, subject, n, runs) in subjects {
        report.progress(&format!("memory of {n} items beside {peer}"));
        let items = n.to_string();
        let pairs = peers.beside(runs, &["memory", &items], &[subject, &items])?;
        let pairs = values(&pairs, "bytes_per_item", "bytes_per_item")?;
        let name = format!("memory_beyond_key_and_value_{n}");
        report.add(Row::beside(name, "bytes/item", peer, Better::Less, &pairs));
    }
    Ok(())
}
