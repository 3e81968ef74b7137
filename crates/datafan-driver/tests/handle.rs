//! One member and its handle: writes, waiting, and ways to stop.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Mesh, id, poll_once};
use datafan_core::{
    engine::{CommandError, OwnState, WriteError},
    item::{Key, KeyError},
    limits::{COMMIT_BYTES_MAX, VALUE_BYTES_MAX},
    store::StoreError,
    time::Timestamp,
};
use datafan_driver::{BlockOn, CommitError, RunState, StopReason, WaitError, Write, Written};
use datafan_store_mem::MemDisk;
use std::{pin::pin, time::Duration};

#[tokio::test]
async fn what_was_put_can_be_read_at_once() {
    let (member, _) = Mesh::default().founder().await;
    let done = member.put("color", "red").await.unwrap();
    let item = member.get(&member.id(), "color").unwrap().unwrap();
    assert_eq!((&*item.value, item.timestamp, done.changed), (&b"red"[..], done.timestamp, 1));
    assert_eq!(member.put("color", "red").await.unwrap(), datafan_driver::Committed { changed: 0, ..done });
    member.put_json("point", &(1, 2)).await.unwrap();
    assert_eq!(member.get_json::<(u8, u8)>(&member.id(), "point").unwrap(), Some((1, 2)));
    assert!(member.get_json::<String>(&member.id(), "point").is_err());
    member.put_with_ttl("brief", "x", Duration::from_secs(3_600)).await.unwrap();
    assert!(member.get(&member.id(), "brief").unwrap().unwrap().expiry.is_some());
    assert_eq!(member.delete("color").await.unwrap().changed, 1);
    assert!(member.get(&member.id(), "color").unwrap().is_none());
}

#[test]
fn no_runtime_is_needed() {
    let (member, _) = Mesh::default().founder().block_on();
    let done = member.put("color", "red").block_on().unwrap();
    member.wait_for(member.id(), done.timestamp).block_on().unwrap();
    member.stop().block_on().unwrap();
}

#[tokio::test]
async fn many_writers_share_commits() {
    let (member, gate) = Mesh::default().founder().await;
    gate.shut();
    let before = gate.n_commits();
    let mut writers: Vec<_> = (0..64).map(|n| Box::pin(member.put(format!("key-{n}"), "value"))).collect();
    writers.iter_mut().for_each(|writer| assert!(poll_once(writer.as_mut()).is_pending()));
    gate.open();
    for writer in writers {
        writer.await.unwrap();
    }
    // The first may have been written alone; the others waited together.
    let commits = gate.n_commits() - before;
    assert!(commits <= 4, "{commits} commits of the store for 64 writers");
    assert_eq!(member.snapshot().unwrap().items_of(&member.id()).count(), 64);
}

#[tokio::test]
async fn a_dropped_write_goes_on_once_it_is_queued() {
    let (member, _) = Mesh::default().founder().await;
    drop(member.put("never", "polled"));
    {
        let mut queued = pin!(member.put("queued", "value"));
        let _ = poll_once(queued.as_mut());
    }
    member.put("later", "value").await.unwrap();
    assert!(member.get(&member.id(), "queued").unwrap().is_some());
    assert!(member.get(&member.id(), "never").unwrap().is_none());
}

#[tokio::test]
async fn a_full_queue_makes_writers_wait_outside() {
    let (member, gate) = Mesh::default().founder().await;
    gate.shut();
    let large = |n: usize| {
        let key = |part: usize| Key::new(format!("{n}/{part}")).unwrap();
        let value = vec![7; VALUE_BYTES_MAX - 64];
        (0..COMMIT_BYTES_MAX / VALUE_BYTES_MAX)
            .map(|part| Write::Put { key: key(part), value: value.as_slice().into(), expiry: None })
            .collect()
    };
    let mut writers: Vec<_> = (0..20).map(|n| Box::pin(member.commit(large(n)))).collect();
    writers.iter_mut().for_each(|writer| assert!(poll_once(writer.as_mut()).is_pending()));
    // The last one found no room, so it has no effect.
    drop(writers.pop());
    // Commands that can end the wait do not use that queue.
    let mut connect = pin!(member.connect("nowhere", None));
    assert!(poll_once(connect.as_mut()).is_pending());
    gate.open();
    connect.await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let snapshot = member.snapshot().unwrap();
    assert!(snapshot.get(&member.id(), "18/0").unwrap().is_some());
    assert!(snapshot.get(&member.id(), "19/0").unwrap().is_none());
}

#[tokio::test]
async fn errors_say_that_nothing_was_written() {
    let (member, _) = Mesh::default().founder().await;
    let error = member.put("", "value").await.unwrap_err();
    assert!(matches!(error, CommitError::Key(KeyError::Empty)));
    let error = member.put("big", vec![0; VALUE_BYTES_MAX + 1]).await.unwrap_err();
    assert!(matches!(error, CommitError::Refused(CommandError::Write(WriteError::ValueTooLong { .. }))));
    assert!(error.written() == Written::No && !error.is_retryable());
    let too_many = (0..=4_096).map(|n| Write::Delete { key: Key::new(n.to_string()).unwrap() }).collect();
    let error = member.commit(too_many).await.unwrap_err();
    let too_many = CommandError::from(WriteError::TooManyWrites { writes: 4_097 });
    assert!(matches!(error, CommitError::Refused(error) if error == too_many));
    member.put("later", "value").await.unwrap();
}

#[tokio::test]
async fn a_change_is_noticed_once_and_never_missed() {
    let (member, _) = Mesh::default().founder().await;
    let (mut all, mut own) = (member.changes(), member.changes_of(member.id()));
    let mut other = member.changes_of(id(1));
    member.put("a", "1").await.unwrap();
    member.put("b", "2").await.unwrap();
    // Both happened before anybody waited.
    for changes in [&mut all, &mut own] {
        changes.changed().await.unwrap();
        assert!(poll_once(pin!(changes.changed())).is_pending(), "two commits, one change");
    }
    assert!(poll_once(pin!(other.changed())).is_pending());
    let mut waiting = pin!(own.changed());
    assert!(poll_once(waiting.as_mut()).is_pending());
    member.put("a", "3").await.unwrap();
    waiting.await.unwrap();
    all.clone().changed().await.unwrap();
    all.changed().await.unwrap();
}

#[tokio::test]
async fn a_limit_of_time_says_what_the_write_waits_for() {
    let lonely = Mesh::default().joiner(1);
    let error = lonely.timeout(Duration::from_millis(20), lonely.put("a", "1")).await.unwrap_err();
    let CommitError::TimedOut(timed_out) = &error else { panic!("{error}") };
    assert_eq!(timed_out.own, OwnState::Waiting);
    assert!(error.to_string().contains("a peer to confirm its own shard"), "{error}");
    assert!(error.written() == Written::Maybe && error.is_retryable());
    let waits = lonely.timeout(Duration::from_millis(1), lonely.wait_for(id(0), Timestamp(1)));
    assert!(matches!(waits.await, Err(WaitError::TimedOut(_))));
    // A clean stop knows that the write was never carried out.
    let mut waiting = pin!(lonely.put("b", "2"));
    assert!(poll_once(waiting.as_mut()).is_pending());
    lonely.stop().await.unwrap();
    assert_eq!(waiting.await.unwrap_err().written(), Written::No);
}

#[tokio::test]
async fn stopping_twice_is_stopping_once() {
    let disk = MemDisk::new();
    let (member, _) = Mesh::default().founder_on(&disk);
    let other = member.clone();
    assert_eq!(tokio::join!(member.stop(), other.stop()), (Ok(()), Ok(())));
    assert_eq!(other.stop().await, Ok(()));
    assert_eq!(member.run_state(), RunState::Stopped(StopReason::Asked));
    let error = member.put("late", "value").await.unwrap_err();
    assert!(matches!(error, CommitError::Stopped { reason: StopReason::Asked, written: Written::No }));
    assert!(!error.is_retryable());
    assert!(member.status().await.is_err() && member.snapshot().is_err());
    assert!(member.changes().changed().await.is_err());
    disk.open().expect("the store was closed");
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_member() {
    let (member, _) = Mesh::default().founder().await;
    let mut changes = member.changes();
    drop(member.clone());
    assert_eq!(member.run_state(), RunState::Running);
    drop(member);
    // Resolves at the end: nothing else moves the heads.
    assert!(matches!(changes.changed().await, Err(WaitError::Stopped { reason: StopReason::Asked })));
}

#[tokio::test]
async fn a_store_that_fails_stops_the_member() {
    let disk = MemDisk::new();
    let (member, _) = Mesh::default().founder_on(&disk);
    member.admit(member.id(), "founder".parse().unwrap()).await.unwrap();
    member.put("safe", "value").await.unwrap();
    disk.fail_after(0);
    let error = member.put("lost", "value").await.unwrap_err();
    assert!(matches!(
        &error,
        CommitError::Stopped { reason: StopReason::Store(StoreError::Failed { .. }), .. }
    ));
    assert_eq!(error.written(), Written::Maybe);
    assert!(matches!(member.run_state(), RunState::Stopped(StopReason::Store(_))));
    assert_eq!(member.put("late", "value").await.unwrap_err().written(), Written::No);
    assert!(member.stop().await.is_err());
    disk.heal();
    let (member, _) = Mesh::default().founder_on(&disk);
    assert!(member.get(&member.id(), "safe").unwrap().is_some());
    assert!(member.get(&member.id(), "lost").unwrap().is_none());
}

#[tokio::test]
async fn a_panic_is_an_end_like_others() {
    let (member, gate) = Mesh::default().founder().await;
    gate.panic();
    let error = member.put("a", "1").await.unwrap_err();
    let CommitError::Stopped { reason: StopReason::Panicked { what }, .. } = &error else {
        panic!("{error}")
    };
    assert!(what.contains("on purpose") && error.written() == Written::Maybe);
    assert!(member.stop().await.is_err());
}

#[tokio::test]
async fn a57_what_a_member_cannot_do_without_stops_it_with_its_reason() {
    let (member, _) = Mesh::default().founder().await;
    let reason = StopReason::Worker { what: "the listener has ended".into() };
    member.fail(reason.clone());
    assert_eq!(member.stopped().await, reason);
    assert_eq!(member.stop().await, Err(reason));
}
