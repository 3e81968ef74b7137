//! The difference of two sets: datafan's reconciliation beside negentropy and riblt.
//!
//! Both sides have the same items in the same places. For datafan all messages count from the moment when the
//! head is known until the other side holds it, without values: they say which items differ, each with its
//! key, timestamp, expiry and lengths. A new item replaces the old one of its key, so old ones need not be
//! named: the peers know no keys.
//!
//! negentropy and riblt stop when the ids are known. The time is processor time of both sides: for datafan
//! until the last answer has arrived, and again with all items verified and stored, which the peers never do.

use crate::{
    report::{Better, Report, Row, Target},
    scale::Scale,
    side::{Peers, values},
};
use anyhow::Result;

/// For each number of changes, at each place.
///
/// # Errors
/// If a run did not finish.
pub fn measure(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    for peer in ["negentropy", "riblt"] {
        for place in ["newest", "random"] {
            scale
                .changed
                .iter()
                .try_for_each(|changed| sets(peers, scale, report, peer, (*changed, place)))?;
        }
    }
    Ok(())
}

fn sets(
    peers: &Peers,
    scale: &Scale,
    report: &mut Report,
    peer: &'static str,
    (changed, place): (u64, &str),
) -> Result<()> {
    report.progress(&format!("{changed} of {} items differ, {place}, beside {peer}", scale.items));
    let (items, n) = (scale.items.to_string(), changed.to_string());
    let own = ["reconciliation", &items, &n, place];
    let pairs = peers.beside(scale.runs, &own, &[peer, &items, &n, place])?;
    let name = |what: &str| format!("reconciliation_{changed}_{place}_{what}");
    // The figures to beat are those of negentropy.
    let aim = |row: Row| if peer == "negentropy" { row.target(Target::better()) } else { row };
    let bytes = values(&pairs, "bytes_beyond_values", "bytes")?;
    report.add(aim(Row::beside(name("bytes"), "bytes", peer, Better::Less, &bytes)));
    let cpu = in_ms(values(&pairs, "reconciliation_cpu_s", "cpu_s")?);
    report.add(aim(Row::beside(name("cpu"), "ms", peer, Better::Less, &cpu)));
    let all = in_ms(values(&pairs, "cpu_s", "cpu_s")?);
    report.add(Row::beside(name("cpu_with_items"), "ms", peer, Better::Less, &all));
    Ok(())
}

fn in_ms(seconds: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    seconds.into_iter().map(|(own, theirs)| (own * 1_000.0, theirs * 1_000.0)).collect()
}
