//! Processor time of an idle member, beside bare QUIC that exchanges the same messages over the same number
//! of links.
//!
//! The measured side is alone in its process; the other ends of its links are in another one.

use crate::{
    child,
    cpu::Stopwatch,
    data,
    figures::Figures,
    hops::{member, soon},
    join,
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::{Context, Result, ensure};
use datafan_driver::{BlockOn, Handle};
use datafan_store_mem::{MemReader, MemStore};
use datafan_store_redb::{Options, RedbStore};
use std::{
    io::{BufRead, BufReader, stdin},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::Duration,
};
use tokio::runtime::Builder;

/// Links of the measured member.
const LINKS: u32 = 6;

/// An idle member that holds the items of many owners.
///
/// # Errors
/// If a member fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let (shards, keys) = (scale.shards.to_string(), scale.shard_keys.to_string());
    let seconds = scale.idle_seconds.to_string();
    let (mut own, mut bare, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..scale.runs {
        report.progress(&format!("an idle member and bare QUIC, run {run}"));
        let directory = tempfile::tempdir()?;
        let path = directory.path().to_string_lossy();
        let member = beside(&["idle-peers", &shards, &keys, &path], &["idle-member", &shards, &seconds])?;
        let quic = beside(&["bare-peers"], &["bare-member", &seconds])?;
        own.push(member * 1_000.0);
        bare.push(quic * 1_000.0);
        times.push(member / quic);
    }
    report.add(Row::new("idle_cpu_member", "ms/s", &own));
    report.add(Row::new("idle_cpu_bare_quic", "ms/s", &bare));
    report.add(Row::new("idle_cpu_over_bare_quic", "times", &times).target(Target::at_most(1.3)));
    Ok(())
}

/// Processor seconds per second of `measured`, which is linked to the `peers`.
fn beside(peers: &[&str], measured: &[&str]) -> Result<f64> {
    let mut peers = Peers::start(peers)?;
    let addresses = peers.addresses()?;
    let arguments: Vec<&str> = measured.iter().copied().chain(addresses.split_whitespace()).collect();
    child::own(&arguments)?.get("cpu_per_s")
}

/// A process with the other ends. It ends when its standard input is closed.
struct Peers(Child);

impl Peers {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = child::this_program()?;
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    fn addresses(&mut self) -> Result<String> {
        let out = self.0.stdout.as_mut().context("its standard output is piped")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the peers did not start");
        Ok(line)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It has nothing left to do.
        drop(self.0.wait());
    }
}

/// Prints the addresses of [`LINKS`] members that hold `shards` shards, and runs until its standard input
/// ends.
///
/// # Errors
/// If one of them fails.
pub fn peers(shards: u32, keys: u64, directory: &Path) -> Result<()> {
    let file = directory.join("holder.redb");
    join::held(shards, keys, LINKS, &file)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut config = data::config(0)?;
    config.new_mesh = false;
    let (holder, first) = member(&runtime, config, RedbStore::open(&file, Options::default())?)?;
    let mut addresses = vec![first];
    let mut others: Vec<Handle<MemReader>> = Vec::new();
    for number in 1..LINKS {
        let (other, address) = member(&runtime, data::config(shards + number)?, MemStore::new())?;
        other.connect(addresses[0].as_str(), Some(holder.id())).block_on()?;
        addresses.push(address);
        others.push(other);
    }
    for other in &others {
        gets_all(other, shards)?;
    }
    println!("{}", addresses.join(" "));
    ends();
    Ok(())
}

/// Links to all of them, waits until it holds everything and is idle, and measures then.
///
/// # Errors
/// If a link does not come up.
pub fn idle(shards: u32, seconds: u32, addresses: &[String]) -> Result<Figures> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (member, _) = member(&runtime, data::config(shards)?, MemStore::new())?;
    for address in addresses {
        member.connect(address.as_str(), None).block_on()?;
    }
    soon(&member, member.wait_links(addresses.len()))?;
    gets_all(&member, shards)?;
    thread::sleep(SETTLES);
    let before = member.stats().block_on()?;
    let figures = measured(seconds)?;
    let after = member.stats().block_on()?;
    ensure!(after.applied == before.applied, "it is not idle");
    let rounds = (after.rounds - before.rounds) as f64;
    let messages = (after.messages_sent - before.messages_sent) as f64;
    ensure!(
        messages <= rounds * 1.5 * f64::from(LINKS),
        "{messages} messages in {rounds} rounds: it is not idle"
    );
    Ok(figures)
}

/// Processor seconds per second from now on.
pub(super) fn measured(seconds: u32) -> Result<Figures> {
    let watch = Stopwatch::start_process();
    thread::sleep(Duration::from_secs(seconds.into()));
    let mut figures = Figures::default();
    figures.add("cpu_per_s", watch.worked().as_secs_f64() / watch.elapsed().as_secs_f64());
    Ok(figures)
}

/// Waits for the end of the standard input.
pub(super) fn ends() {
    // Nobody writes there.
    drop(stdin().lock().read_line(&mut String::new()));
}

fn gets_all(member: &Handle<MemReader>, shards: u32) -> Result<()> {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    // The roster is a shard too.
    while member.status().block_on()?.shards.len() <= shards as usize {
        ensure!(std::time::Instant::now() < end, "a member did not get all shards");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// After links and copies, rounds take this long to become idle.
pub(super) const SETTLES: Duration = Duration::from_secs(5);
