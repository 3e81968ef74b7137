//! One write over hops: members in a line over loopback QUIC, each with its own driver, data in memory.

use crate::{
    data,
    figures::Figures,
    report::{Report, percentile},
    scale::Scale,
};
use anyhow::{Result, ensure};
use datafan_conn_quic::{BindError, Config, QuicConnector};
use datafan_core::{
    engine::{self, LinkState},
    store::{Store, StoreReader},
};
use datafan_driver::{BlockOn, Handle, TimedOut, start};
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
    let runtime = runtime()?;
    for (name, hops) in [("one_hop", 1), ("three_hops", 3)] {
        let (mut middle, mut slow) = (Vec::new(), Vec::new());
        for _ in 0..scale.runs {
            // No member behind the reader: on few cores, forwarding would delay the next write.
            let times = times(&runtime, hops, scale.writes)?;
            middle.push(percentile(&times, 50));
            slow.push(percentile(&times, 99));
        }
        report.row(format!("write_{name}_p50"), "ms", &middle);
        report.row(format!("write_{name}_p99"), "ms", &slow);
    }
    Ok(())
}

/// The same for one hop, as figures.
///
/// # Errors
/// If a member fails.
pub fn one_hop(writes: u32) -> Result<Figures> {
    let times = times(&runtime()?, 1, writes)?;
    let mut figures = Figures::default();
    figures.add("p50_ms", percentile(&times, 50));
    figures.add("p99_ms", percentile(&times, 99));
    Ok(figures)
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Milliseconds of each write over this many hops.
fn times(runtime: &Runtime, hops: u32, writes: u32) -> Result<Vec<f64>> {
    let line = line(runtime, hops + 1)?;
    let times = write_times(&line[0], &line[line.len() - 1], writes)?;
    line.iter().try_for_each(|member| member.stop().block_on())?;
    Ok(times)
}

/// Milliseconds of each write.
fn write_times(from: &Member, to: &Member, writes: u32) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for n in 0..u64::from(writes) {
        let began = Instant::now();
        let done = from.put(data::key(n), data::value(n)).block_on()?;
        soon(to, to.wait_for(from.id(), done.timestamp))?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(times)
}

/// Members of one mesh, each linked to the previous one.
fn line(runtime: &Runtime, members: u32) -> Result<Vec<Member>> {
    let mut line: Vec<(Member, String)> = Vec::new();
    for number in 0..members {
        let next = member(runtime, data::config(number)?, MemStore::new())?;
        let founder = line.first().map_or(&next.0, |(founder, _)| founder);
        founder.admit(next.0.id(), format!("member-{number}").parse()?).block_on()?;
        if let Some((before, address)) = line.last() {
            next.0.connect(address.as_str(), Some(before.id())).block_on()?;
            soon(&next.0, next.0.wait_links(1))?;
        }
        line.push(next);
    }
    // The last one knows the shard of the first one once it has a commit of it.
    let done = line[0].0.put("ready", "yes").block_on()?;
    for (number, (member, _)) in line.iter().enumerate() {
        soon(member, member.wait_for(line[0].0.id(), done.timestamp))?;
        let ends = usize::from(number == 0) + usize::from(number + 1 == line.len());
        soon(member, member.wait_links(2 - ends))?;
        let links =
            member.status().block_on()?.links.iter().filter(|link| link.state == LinkState::Up).count();
        ensure!(links == 2 - ends, "member {number} of a line has {links} links");
    }
    Ok(line.into_iter().map(|(member, _)| member).collect())
}

/// A member and its address.
///
/// # Errors
/// If it does not start.
pub fn member<S: Store + 'static>(
    runtime: &Runtime,
    config: engine::Config,
    store: S,
) -> Result<(Handle<S::Reader>, String)> {
    let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    let quic = Config::new(config.member.clone(), listen, runtime.handle().clone());
    let mut address = String::new();
    let seed = u64::from(config.member.id().0[0]);
    let handle = start(config, seed, store, |inbox| {
        let (connector, bound) = QuicConnector::bind(quic, inbox)?;
        address = bound[0].to_string();
        Ok::<_, BindError>(connector)
    })?;
    Ok((handle, address))
}

/// Waits for `done`, at most a minute.
///
/// # Errors
/// If the time passes.
pub fn soon<R, E>(member: &Handle<R>, future: impl Future<Output = Result<(), E>>) -> Result<()>
where
    R: StoreReader,
    E: From<TimedOut> + std::error::Error + Send + Sync + 'static,
{
    Ok(member.timeout(Duration::from_secs(60), future).block_on()?)
}
