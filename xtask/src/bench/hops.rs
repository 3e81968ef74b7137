//! One write over hops: members in a line over loopback QUIC, each with its own driver, data in memory.

use super::{
    Scale, data,
    report::{Report, percentile},
};
use anyhow::{Result, ensure};
use datafan_conn_quic::{BindError, Config, QuicConnector};
use datafan_core::engine::LinkState;
use datafan_driver::{Handle, TimedOut, Wait, start};
use datafan_store_mem::{MemReader, MemStore};
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

type Member = Handle<MemReader>;

/// From the call of `put` until the commit can be read at a peer, and three hops away.
///
/// # Errors
/// If a member fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (name, hops) in [("one_hop", 1), ("three_hops", 3)] {
        let (mut middle, mut slow) = (Vec::new(), Vec::new());
        for _ in 0..scale.runs {
            // Nobody behind the reader: on few cores the way on would delay the next write.
            let line = line(&runtime, hops + 1)?;
            let times = write_times(&line[0], &line[line.len() - 1], scale.writes)?;
            line.iter().try_for_each(|member| member.stop().wait())?;
            middle.push(percentile(&times, 50));
            slow.push(percentile(&times, 99));
        }
        report.row(format!("write_{name}_p50"), "ms", &middle);
        report.row(format!("write_{name}_p99"), "ms", &slow);
    }
    Ok(())
}

/// Milliseconds of each write.
fn write_times(from: &Member, to: &Member, writes: u32) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for n in 0..u64::from(writes) {
        let began = Instant::now();
        let done = from.put(data::key(n), data::value(n)).wait()?;
        soon(to, to.wait_for(from.id(), done.timestamp))?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(times)
}

/// Members of one mesh, each linked to the one before.
fn line(runtime: &Runtime, members: u32) -> Result<Vec<Member>> {
    let mut line: Vec<(Member, String)> = Vec::new();
    for number in 0..members {
        let next = member(runtime, number)?;
        let founder = line.first().map_or(&next.0, |(founder, _)| founder);
        founder.admit(next.0.id(), format!("member-{number}").parse()?).wait()?;
        if let Some((before, address)) = line.last() {
            next.0.connect(address.as_str(), Some(before.id())).wait()?;
            soon(&next.0, next.0.wait_links(1))?;
        }
        line.push(next);
    }
    // The last one knows the first one's shard once it has a commit of it.
    let done = line[0].0.put("ready", "yes").wait()?;
    for (number, (member, _)) in line.iter().enumerate() {
        soon(member, member.wait_for(line[0].0.id(), done.timestamp))?;
        let ends = usize::from(number == 0) + usize::from(number + 1 == line.len());
        soon(member, member.wait_links(2 - ends))?;
        let links = member.status().wait()?.links.iter().filter(|link| link.state == LinkState::Up).count();
        ensure!(links == 2 - ends, "member {number} of a line has {links} links");
    }
    Ok(line.into_iter().map(|(member, _)| member).collect())
}

/// A member and its address.
fn member(runtime: &Runtime, number: u32) -> Result<(Member, String)> {
    let config = data::config(number)?;
    let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    let quic = Config::new(config.member.clone(), listen, runtime.handle().clone());
    let mut address = String::new();
    let handle = start(config, u64::from(number), MemStore::new(), |inbox| {
        let (connector, bound) = QuicConnector::bind(quic, inbox)?;
        address = bound[0].to_string();
        Ok::<_, BindError>(connector)
    })?;
    Ok((handle, address))
}

fn soon<E>(member: &Member, future: impl Future<Output = Result<(), E>>) -> Result<()>
where
    E: From<TimedOut> + std::error::Error + Send + Sync + 'static,
{
    Ok(member.within(Duration::from_secs(60), future).wait()?)
}
