//! Reads beside writes: one key at a time from redb, alone and beside writers that continuously wait for the
//! disk. A read that waited for a commit would take as long as its sync.

use crate::{
    data,
    report::{Report, percentile},
    scale::Scale,
    writers::member,
};
use anyhow::{Context, Result};
use datafan_driver::{BlockOn, CommitError, Handle};
use datafan_store_redb::RedbReader;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Instant,
};

const WRITERS: u64 = 8;
const KEYS: u64 = 10_000;

/// Times of a read, and of a put beside it.
///
/// # Errors
/// If a member fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let mut rows = [Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..scale.runs {
        let directory = tempfile::tempdir()?;
        let member = member(directory.path())?;
        for commit in data::commits(KEYS, data::COMMIT_WRITES) {
            member.commit(commit).block_on()?;
        }
        let alone = reads(&member, scale.reads)?;
        let ends = AtomicBool::new(false);
        let (beside, puts) = thread::scope(|scope| -> Result<(Vec<f64>, Vec<f64>)> {
            let (member, ends) = (&member, &ends);
            let writers: Vec<_> =
                (0..WRITERS).map(|n| scope.spawn(move || writes(member, n, ends))).collect();
            let beside = reads(member, scale.reads);
            ends.store(true, Relaxed);
            let puts = writers.into_iter().map(|writer| writer.join().expect("a writer does not panic"));
            let puts = puts.collect::<Result<Vec<_>, _>>()?;
            Ok((beside?, puts.concat()))
        })?;
        member.stop().block_on()?;
        let values = [(&alone, 50), (&alone, 99), (&beside, 50), (&beside, 99), (&puts, 50)];
        for (row, (times, percent)) in rows.iter_mut().zip(values) {
            row.push(percentile(times, percent));
        }
    }
    let names = [
        "read_alone_p50",
        "read_alone_p99",
        "read_beside_writers_p50",
        "read_beside_writers_p99",
        "put_beside_reads_p50",
    ];
    for (name, values) in names.into_iter().zip(&rows) {
        report.row(name, "us", values);
    }
    Ok(())
}

/// Microseconds of each of this many reads.
fn reads(member: &Handle<RedbReader>, n_reads: u32) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for n in 0..u64::from(n_reads) {
        let began = Instant::now();
        let item = member.get(&member.id(), &data::key(n * 7_919 % KEYS))?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
        item.context("a key is missing")?;
    }
    Ok(times)
}

/// Microseconds of each put until `ends`.
fn writes(member: &Handle<RedbReader>, writer: u64, ends: &AtomicBool) -> Result<Vec<f64>, CommitError> {
    let mut times = Vec::new();
    while !ends.load(Relaxed) {
        let n = writer << 32 | times.len() as u64;
        let began = Instant::now();
        member.put(format!("written/{}", data::key(n)), data::value(n)).block_on()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}
