//! Beside chitchat, in one process: a write until all have it, the cost of idle members, and the join of a
//! new one.
//!
//! chitchat signs nothing and stores nothing, and its members know each other in advance; each node gossips
//! with three random others, at its default interval of a second and at 50 ms. datafan's members have six
//! links each.

use crate::{
    child,
    report::{Better, Report, Row},
    scale::Scale,
    side::{Peers, values},
};
use anyhow::Result;

/// Spreading and idling at both intervals, then joining.
///
/// # Errors
/// If something does not arrive.
pub fn measure(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    spread(peers, scale, report, ("chitchat_1s", 1_000))?;
    join(peers, scale, report)?;
    spread(peers, scale, report, ("chitchat_50ms", 50))
}

fn spread(
    peers: &Peers,
    scale: &Scale,
    report: &mut Report,
    (peer, interval_ms): (&'static str, u64),
) -> Result<()> {
    let (members, interval) = (scale.members.to_string(), interval_ms.to_string());
    let writes = scale.spread_writes.to_string();
    report.progress(&format!("{members} members beside {peer}"));
    let own = ["spread", &members, &writes];
    // A write takes seconds there.
    let fewer = (scale.spread_writes / 5).max(2).to_string();
    let pairs = peers.beside(scale.runs, &own, &["spread", &members, &interval, &fewer])?;
    for (figure, name, unit) in [
        ("p50_ms", "write_to_all_members_p50", "ms"),
        ("p99_ms", "write_to_all_members_p99", "ms"),
        ("idle_bytes", "idle_bytes", "bytes/member/s"),
        ("idle_cpu_ms", "idle_cpu", "ms/member/s"),
    ] {
        report.add(Row::beside(name, unit, peer, Better::Less, &values(&pairs, figure, figure)?));
    }
    Ok(())
}

/// The peer has the same number of keys on a tenth of the nodes, because each of its nodes takes part with
/// everything it holds, and a hundred of them would wait for this machine's processors.
fn join(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    let (shards, keys) = (scale.shards.to_string(), scale.shard_keys.to_string());
    let (nodes, more) = ((scale.shards / 10).to_string(), (scale.shard_keys * 10).to_string());
    let mut pairs = Vec::new();
    for run in 0..scale.runs {
        report.progress(&format!("joining, run {run}"));
        let own = child::own(&["join", &shards, &keys])?;
        pairs.push((own, peers.measured(&["join", &nodes, "1000", &more])?));
    }
    let times = values(&pairs, "wall_s", "wall_s")?;
    report.add(Row::beside("join_memory", "s", "chitchat_1s", Better::Less, &times));
    let bytes = values(&pairs, "bytes", "bytes")?;
    report.add(Row::beside("join_bytes", "bytes", "chitchat_1s", Better::Less, &bytes));
    Ok(())
}
