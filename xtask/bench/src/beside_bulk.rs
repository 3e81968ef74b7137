//! Pushes beside bulk: two members over loopback QUIC, data in memory. One writes small values at a fixed
//! rate. Measures the time from the call of `put` until the other can read the value, while a first copy of a
//! third member's large shard uses the same link in the same direction, and again after the copy.

use crate::{
    child, data,
    figures::Figures,
    hops,
    report::{Report, Row, Target, percentile},
    scale::Scale,
};
use anyhow::{Context, Result, ensure};
use datafan_core::{engine::Write, id::MemberId, time::Timestamp};
use datafan_driver::{BlockOn, Handle};
use datafan_store_mem::{MemReader, MemStore};
use datafan_testkit::workload;
use std::time::{Duration, Instant};
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

type Member = Handle<MemReader>;

/// Median and 99th percentile, with and without the copy.
///
/// # Errors
/// If a member fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let (items, writes) = (scale.bulk_items.to_string(), scale.writes.to_string());
    let mut runs = Vec::new();
    for run in 0..scale.runs {
        report.progress(&format!("pushes beside a copy of {items} KiB, run {run}"));
        runs.push(child::own(&["beside-bulk", &items, &writes])?);
    }
    let all = |name: &str| runs.iter().map(|run| run.get(name)).collect::<Result<Vec<_>>>();
    for (place, n) in [("alone", 50), ("alone", 99), ("beside_copy", 50), ("beside_copy", 99)] {
        let name = format!("push_{place}_p{n}");
        let row = Row::new(&name, "ms", &all(&format!("{name}_ms"))?);
        let is_aim = place == "beside_copy" && n == 50;
        report.add(if is_aim { row.target(Target::at_most(P50_MS_MAX)) } else { row });
    }
    let pairs = all("push_beside_copy_p50_ms")?.into_iter().zip(all("push_alone_p50_ms")?);
    let over: Vec<f64> = pairs.map(|(beside, alone)| beside / alone).collect();
    report.row("push_beside_copy_over_alone_p50", "times", &over);
    report.row("copy_beside_pushes", "MB/s", &all("copy_mb_per_s")?);
    Ok(())
}

/// One run: copies `items` items of [`VALUE_BYTES`], then times as many as `writes` pushes alone.
///
/// # Errors
/// If a member fails, or the copy ends before enough was written beside it.
pub fn pushes(items: u64, writes: u32) -> Result<Figures> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (from, address) = hops::member(&runtime, data::config(0)?, MemStore::new())?;
    let (to, _) = hops::member(&runtime, data::config(1)?, MemStore::new())?;
    let (owner, _) = hops::member(&runtime, data::config(2)?, MemStore::new())?;
    for (number, member) in [&from, &to, &owner].into_iter().enumerate() {
        from.admit(member.id(), format!("member-{number}").parse()?).block_on()?;
    }
    owner.connect(address.as_str(), Some(from.id())).block_on()?;
    hops::soon(&owner, owner.wait_links(1))?;
    let large = filled(&owner, items)?;
    hops::soon(&from, from.wait_for(large.0, large.1))?;
    owner.stop().block_on()?;
    drop(owner);
    let ready = from.put("ready", "yes").block_on()?;

    to.connect(address.as_str(), Some(from.id())).block_on()?;
    hops::soon(&to, to.wait_links(1))?;
    let began = Instant::now();
    hops::soon(&to, to.wait_for(from.id(), ready.timestamp))?;
    let beside = paced(&from, &to, until_copied(&to, large))?;
    let copied = began.elapsed();
    ensure!(beside.len() >= PUSHES_MIN, "the copy was over after {} pushes", beside.len());
    let alone = paced(&from, &to, async { tokio::time::sleep(PAUSE * writes).await })?;

    let mut figures = Figures::default();
    for (place, times) in [("alone", &alone), ("beside_copy", &beside)] {
        figures.add(&format!("push_{place}_p50_ms"), percentile(times, 50));
        figures.add(&format!("push_{place}_p99_ms"), percentile(times, 99));
        figures.add(&format!("push_{place}_max_ms"), percentile(times, 100));
        figures.add(&format!("push_{place}_count"), times.len() as f64);
    }
    let megabytes = (items * (data::KEY_BYTES + VALUE_BYTES)) as f64 / 1e6;
    figures.add("copy_s", copied.as_secs_f64());
    figures.add("copy_mb_per_s", megabytes / copied.as_secs_f64());
    to.stop().block_on()?;
    from.stop().block_on()?;
    Ok(figures)
}

/// Commits `items` items; returns their owner and last timestamp.
fn filled(owner: &Member, items: u64) -> Result<(MemberId, Timestamp)> {
    let mut last = Timestamp::ZERO;
    for first in (0..items).step_by(data::COMMIT_WRITES as usize) {
        let writes = (first..items.min(first + data::COMMIT_WRITES)).map(large_write).collect();
        last = owner.commit(writes).block_on()?.timestamp;
    }
    Ok((owner.id(), last))
}

fn large_write(n: u64) -> Write {
    let key = workload::key(n);
    let value: Vec<u8> = data::value(n).into_iter().cycle().take(VALUE_BYTES as usize).collect();
    Write::Put { key, value: value.into(), expiry: None }
}

/// Returns when the member holds the shard or has stopped.
async fn until_copied(to: &Member, (owner, timestamp): (MemberId, Timestamp)) {
    // If it has stopped, the next push fails.
    drop(to.wait_for(owner, timestamp).await);
}

/// Milliseconds from the call of each put until it can be read at `to`: one every [`PAUSE`], however long the
/// earlier ones take, until `end`. Runs on its own thread, so that the work of the links does not delay the
/// clock.
fn paced(from: &Member, to: &Member, end: impl Future<Output = ()>) -> Result<Vec<f64>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let mut end = std::pin::pin!(end);
        let (mut ticks, mut pushes) = (interval(PAUSE), JoinSet::new());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for n in 0.. {
            tokio::select! {
                biased;
                () = &mut end => break,
                _ = ticks.tick() => drop(pushes.spawn(push(from.clone(), to.clone(), n))),
            }
        }
        let mut times = Vec::new();
        while let Some(time) = pushes.join_next().await {
            times.push(time.context("a push")??);
        }
        Ok(times)
    })
}

async fn push(from: Member, to: Member, n: u64) -> Result<f64> {
    let began = Instant::now();
    let done = from.put(data::key(n), data::value(n)).await?;
    to.wait_for(from.id(), done.timestamp).await?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// Bytes of a copied value.
const VALUE_BYTES: u64 = 1 << 10;
/// Pause between two puts.
const PAUSE: Duration = Duration::from_millis(5);
/// Minimum number of pushes for a meaningful result.
const PUSHES_MIN: usize = 20;
/// A push that takes longer is badly delayed.
const P50_MS_MAX: f64 = 20.0;
