//! Durable small puts: many concurrent writers share commits and their syncs; a single writer needs a commit
//! for each put.

use crate::{
    data,
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::Result;
use datafan_conn_chan::ChanMesh;
use datafan_driver::{BlockOn, CommitError, Handle, start};
use datafan_store_redb::{Options, RedbReader, RedbStore};
use std::{convert::Infallible, path::Path, thread, time::Instant};

const WRITERS: u32 = 64;

/// Rates of one and of many writers on redb, through the driver.
///
/// # Errors
/// If a member fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let (mut one, mut many, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.runs {
        let directory = tempfile::tempdir()?;
        let member = member(directory.path())?;
        let alone = rate(&member, 1, scale.puts * 4)?;
        let together = rate(&member, WRITERS, scale.puts)?;
        member.stop().block_on()?;
        one.push(alone);
        many.push(together);
        ratio.push(together / alone);
    }
    report.row("durable_puts_one_commit_each", "puts/s", &one);
    report.row(format!("durable_puts_{WRITERS}_writers"), "puts/s", &many);
    let row = Row::new(format!("durable_puts_{WRITERS}_writers_over_one_commit_each"), "times", &ratio);
    report.add(row.target(Target::at_least(10.0)));
    Ok(())
}

/// Puts per second of `writers` threads that put `puts` items each, one after the other.
fn rate(member: &Handle<RedbReader>, writers: u32, puts: u32) -> Result<f64> {
    let write = |writer: u32| -> Result<(), CommitError> {
        for n in 0..puts {
            let n = u64::from(writer) << 32 | u64::from(n);
            // Different keys for each number of writers: an unchanged value would not be written.
            member.put(format!("{writers}/{}", data::key(n)), data::value(n)).block_on()?;
        }
        Ok(())
    };
    let began = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || write(writer))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("a writer does not panic"));
        ended.collect::<Result<(), _>>()
    })?;
    Ok(f64::from(writers * puts) / began.elapsed().as_secs_f64())
}

/// A single member, with its store on a disk.
///
/// # Errors
/// If it does not start.
pub fn member(directory: &Path) -> Result<Handle<RedbReader>> {
    let config = data::config(0)?;
    let (id, name) = (config.member.id(), config.name.clone());
    let store = RedbStore::open(directory.join("store.redb"), Options::default())?;
    let handle =
        start(config, 0, store, |inbox| Ok::<_, Infallible>(ChanMesh::new().connector(id, "alone", inbox)))?;
    handle.admit(id, name).block_on()?;
    Ok(handle)
}
