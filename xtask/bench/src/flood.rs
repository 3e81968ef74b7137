//! Memory of an owner that commits continuously while one of its links reads nothing.

use crate::{
    child, data,
    figures::{Figures, memory},
    hops::{member, soon},
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::{Context, Result};
use datafan_conn_quic::{Config, QuicConnector};
use datafan_core::{
    connector::{Connector, Event, Inbox},
    message::{Hello, Message},
    runs::RunId,
    store::Store,
    time::Timestamp,
};
use datafan_driver::{BlockOn, CommitError, Handle};
use datafan_store_mem::MemStore;
use datafan_store_redb::{Options, RedbStore};
use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// Threads that put, each one item after the other.
const WRITERS: u64 = 32;
const KEYS: u64 = 1_000;

/// In memory and on redb.
///
/// # Errors
/// If a member fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let (rate, seconds) = (scale.flood_rate.to_string(), scale.flood_seconds.to_string());
    for (name, subject) in [("memory", "flood"), ("redb", "flood-on-file")] {
        let (mut grown, mut puts, mut commits) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..scale.runs.min(3) {
            report.progress(&format!("a flood of commits, {name}, run {run}"));
            let directory = tempfile::tempdir()?;
            let path = directory.path().to_string_lossy();
            let figures = match subject {
                "flood" => child::own(&[subject, &rate, &seconds])?,
                _ => child::own(&[subject, &rate, &seconds, &path])?,
            };
            grown.push(figures.get("grown_bytes")? / f64::from(1 << 20));
            puts.push(figures.get("puts_per_s")?);
            commits.push(figures.get("commits_per_s")?);
        }
        report.add(Row::new(format!("flood_{name}_puts"), "puts/s", &puts));
        // Puts that wait together share one.
        report.add(Row::new(format!("flood_{name}_commits"), "commits/s", &commits));
        report.add(Row::new(format!("flood_{name}_grown"), "MiB", &grown).target(Target::at_most(64.0)));
    }
    Ok(())
}

/// An owner in memory.
///
/// # Errors
/// If a member fails.
pub fn in_memory(rate: u32, seconds: u32) -> Result<Figures> {
    flood(rate, seconds, MemStore::new())
}

/// An owner on redb.
///
/// # Errors
/// If a member fails.
pub fn on_file(rate: u32, seconds: u32, directory: &Path) -> Result<Figures> {
    flood(rate, seconds, RedbStore::open(directory.join("store.redb"), Options::default())?)
}

/// The owner, one that follows it and one whose link stalls are all in this process; the growth is that of
/// all three.
fn flood<S: Store + 'static>(rate: u32, seconds: u32, store: S) -> Result<Figures> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (owner, address) = member(&runtime, data::config(0)?, store)?;
    owner.admit(owner.id(), "owner".parse()?).block_on()?;
    let (follower, _) = member(&runtime, data::config(1)?, MemStore::new())?;
    owner.admit(follower.id(), "follower".parse()?).block_on()?;
    follower.connect(address.as_str(), Some(owner.id())).block_on()?;
    soon(&owner, owner.wait_links(1))?;
    let stalled = Stalled::at(&runtime, &owner, &address)?;
    soon(&owner, owner.wait_links(2))?;

    put_all(&owner, KEYS, u32::MAX)?;
    thread::sleep(SETTLES);
    let (before, began) = (memory("VmRSS")?, Instant::now());
    let committed = owner.stats().block_on()?.commits;
    let most = thread::scope(|scope| -> Result<u64> {
        let puts = scope.spawn(|| put_all(&owner, u64::from(rate) * u64::from(seconds), rate));
        let mut most = before;
        while !puts.is_finished() {
            most = most.max(memory("VmRSS")?);
            thread::sleep(Duration::from_millis(50));
        }
        puts.join().expect("a writer does not panic")?;
        Ok(most)
    })?;
    let taken = began.elapsed().as_secs_f64();
    let puts = f64::from(rate) * f64::from(seconds);
    let committed = owner.stats().block_on()?.commits - committed;
    let head = owner.put("last", "word").block_on()?;
    soon(&follower, follower.wait_for(owner.id(), head.timestamp))?;
    let links = owner.status().block_on()?.links.len();
    anyhow::ensure!(links == 2, "the stalled link is to stay: {links} links");
    drop(stalled);
    let mut figures = Figures::default();
    figures.add("grown_bytes", most.saturating_sub(before) as f64);
    figures.add("puts_per_s", puts / taken);
    figures.add("commits_per_s", committed as f64 / taken);
    Ok(figures)
}

/// Puts by [`WRITERS`] threads, over [`KEYS`] keys, at a limited rate per second.
fn put_all<R: datafan_core::store::StoreReader>(owner: &Handle<R>, puts: u64, rate: u32) -> Result<()> {
    let began = Instant::now();
    let write = |writer: u64| -> Result<(), CommitError> {
        for n in (writer..puts).step_by(WRITERS as usize) {
            let due = began + Duration::from_secs_f64(n as f64 / f64::from(rate));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            owner.put(data::key(n % KEYS), data::value(n)).block_on()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a writer does not panic"))
    })?;
    Ok(())
}

/// A member that greets, and then reads nothing from its link.
struct Stalled {
    _connector: QuicConnector,
}

/// Keeps everything that arrives, with its receipts, so that the connector reads no further.
struct Keeps {
    kept: Mutex<Vec<Event>>,
    up: mpsc::Sender<()>,
}

impl Inbox for Keeps {
    fn push(&self, event: Event) {
        if matches!(event, Event::LinkUp { .. }) {
            // Nobody waits for a second one.
            self.up.send(()).ok();
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Stalled {
    fn at<R: datafan_core::store::StoreReader>(
        runtime: &Runtime,
        owner: &Handle<R>,
        address: &str,
    ) -> Result<Self> {
        let config = data::config(2)?;
        owner.admit(config.member.id(), "stalled".parse()?).block_on()?;
        let (up, came) = mpsc::channel();
        let keeps = Arc::new(Keeps { kept: Mutex::default(), up });
        let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
        let quic = Config::new(config.member.clone(), listen, runtime.handle().clone());
        let (connector, _) = QuicConnector::bind(quic, keeps)?;
        connector.dial(address.into(), Some(owner.id()));
        came.recv_timeout(Duration::from_secs(60)).context("no link came up in time")?;
        let (mesh, name) = (config.mesh, config.name);
        let wall = Timestamp(data::wall_micros());
        let (run, addresses) = (RunId([7; 8]), Vec::new());
        let hello = Hello {
            mesh,
            name,
            roster: None,
            yours: Vec::new(),
            wall,
            run,
            age_micros: 0,
            addresses,
            below_minimum: true,
        };
        for message in [Message::Hello(hello.into()), Message::Welcome] {
            let sent = connector.send(owner.id(), message.frame());
            anyhow::ensure!(sent.is_ok(), "{sent:?}");
        }
        Ok(Self { _connector: connector })
    }
}

/// After this time, nothing from the start is in progress any more.
const SETTLES: Duration = Duration::from_secs(3);
