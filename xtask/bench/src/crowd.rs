//! Many members in one process, each with its own driver and thread, connected by channels; data in memory.

use crate::{
    child,
    cpu::Stopwatch,
    data,
    figures::Figures,
    report::{Report, Row, Target, percentile},
    scale::Scale,
};
use anyhow::{Result, ensure};
use datafan_conn_chan::ChanMesh;
use datafan_driver::{BlockOn, Handle, start};
use datafan_store_mem::{MemReader, MemStore};
use std::{
    convert::Infallible,
    thread,
    time::{Duration, Instant},
};

type Member = Handle<MemReader>;

/// The time until all have a write, and the cost of all members while nothing is written.
///
/// # Errors
/// If a write does not arrive.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let members = scale.members.to_string();
    let (mut middle, mut slow, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..scale.runs {
        report.progress(&format!("{members} members, run {run}"));
        let figures = child::own(&["spread", &members, &scale.spread_writes.to_string()])?;
        middle.push(figures.get("p50_ms")?);
        slow.push(figures.get("p99_ms")?);
        bytes.push(figures.get("idle_bytes")?);
    }
    report.row(format!("write_to_{members}_members_p50"), "ms", &middle);
    let row = Row::new(format!("write_to_{members}_members_p99"), "ms", &slow);
    report.add(row.target(Target::at_most(50.0)));
    report.row(format!("idle_{members}_members"), "bytes/member/s", &bytes);
    Ok(())
}

/// The time from the call of `put` at one of `members` members with six links each until all others can read
/// it; before that, bytes and processor time per member and second without writes.
///
/// # Errors
/// If a write does not arrive.
pub fn spread(members: u32, writes: u32) -> Result<Figures> {
    let crowd = crowd(members)?;
    let mut figures = Figures::default();
    idle(&crowd, &mut figures)?;
    let mut times = Vec::new();
    for n in 0..u64::from(writes) {
        // Not synchronised with anybody's rounds.
        thread::sleep(Duration::from_millis(n * 37 % 50));
        let writer = &crowd[n as usize % crowd.len()];
        let began = Instant::now();
        let done = writer.put(format!("bench-{n}"), data::value(n)).block_on()?;
        for member in &crowd {
            member.timeout(PATIENCE, member.wait_for(writer.id(), done.timestamp)).block_on()?;
        }
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    figures.add("p50_ms", percentile(&times, 50));
    figures.add("p99_ms", percentile(&times, 99));
    crowd.iter().try_for_each(|member| member.stop().block_on())?;
    Ok(figures)
}

fn idle(crowd: &[Member], figures: &mut Figures) -> Result<()> {
    let sent = || -> Result<u64> { crowd.iter().map(|member| Ok(member.traffic().block_on()?.sent)).sum() };
    thread::sleep(REST);
    let (before, watch) = (sent()?, Stopwatch::start_process());
    thread::sleep(IDLE);
    let per = crowd.len() as f64 * watch.elapsed().as_secs_f64();
    figures.add("idle_cpu_ms", watch.worked().as_secs_f64() * 1_000.0 / per);
    figures.add("idle_bytes", (sent()? - before) as f64 / per);
    Ok(())
}

/// Members that all know each other. Each has links to those 1, 7 and 31 places further around the circle.
fn crowd(members: u32) -> Result<Vec<Member>> {
    let switch = ChanMesh::new();
    let crowd: Vec<Member> = (0..members).map(|number| member(&switch, number)).collect::<Result<_>>()?;
    for (number, member) in crowd.iter().enumerate() {
        crowd[0].admit(member.id(), format!("member-{number}").parse()?).block_on()?;
    }
    let mut steps: Vec<usize> = [1, 7, 31].into_iter().filter(|step| 2 * step < crowd.len()).collect();
    steps.dedup();
    ensure!(!steps.is_empty(), "too few members");
    for (number, member) in crowd.iter().enumerate() {
        for step in &steps {
            let peer = (number + step) % crowd.len();
            member.connect(address(peer), Some(crowd[peer].id())).block_on()?;
        }
    }
    for member in &crowd {
        member.timeout(PATIENCE, member.wait_links(2 * steps.len())).block_on()?;
    }
    // All have written once, and all know it.
    for member in &crowd {
        let done = member.put("ready", "yes").block_on()?;
        for other in &crowd {
            other.timeout(PATIENCE, other.wait_for(member.id(), done.timestamp)).block_on()?;
        }
    }
    Ok(crowd)
}

fn member(switch: &ChanMesh, number: u32) -> Result<Member> {
    let config = data::config(number)?;
    let id = config.member.id();
    let connect = |inbox| Ok::<_, Infallible>(switch.connector(id, &address(number as usize), inbox));
    Ok(start(config, u64::from(number), MemStore::new(), connect)?)
}

fn address(number: usize) -> String {
    format!("member-{number}")
}

/// Activity after the start ends.
const REST: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
