//! A full disk, and one that becomes full: reads continue, writes say why they fail, and everything continues
//! when there is room.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Disk, Gate, Member, Mesh, address, id};
use datafan_core::engine::NotWritable;
use datafan_driver::{CommitError, Written};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[tokio::test]
async fn a59_a_member_short_of_room_reads_and_serves_and_takes_what_it_missed_later() {
    let (one, gate, other) = pair().await;
    let held = one.put("before", "1").await.unwrap();
    gate.set_disk(Disk::Short);
    let missed = other.put("missed", "2").await.unwrap();
    let error = one.put("refused", "3").await.unwrap_err();
    assert!(is_refused_for_room(&error), "{error}");
    assert!(error.to_string().contains("the disk is full (on purpose)"), "{error}");
    assert_eq!((error.written(), error.is_retryable()), (Written::No, true));
    assert_eq!(one.status().await.unwrap().disk_full.as_deref(), Some("on purpose"));
    // It serves the data that it has.
    soon(&other, other.wait_for(one.id(), held.timestamp)).await;
    // A round has passed and brought nothing.
    let rounds = one.stats().await.unwrap().refusals.get("disk_full").copied();
    assert!(one.get(&other.id(), "missed").unwrap().is_none(), "{rounds:?}");
    assert!(one.get(&one.id(), "before").unwrap().is_some());

    gate.set_disk(Disk::Roomy);
    soon(&one, one.wait_for(other.id(), missed.timestamp)).await;
    let done = soon(&one, one.put("refused", "3")).await;
    soon(&other, other.wait_for(one.id(), done.timestamp)).await;
    assert_eq!(one.status().await.unwrap().disk_full, None);
}

#[tokio::test]
async fn a59_a_member_whose_disk_gets_full_goes_on_where_it_is() {
    let (one, gate, other) = pair().await;
    one.put("before", "1").await.unwrap();
    // Reads continue from the first to the last moment.
    let stop = Arc::new(AtomicBool::new(false));
    let (reader, stopped) = (one.clone(), stop.clone());
    let reads = std::thread::spawn(move || {
        let mut n = 0;
        while !stopped.load(Ordering::Relaxed) {
            assert_eq!(&*reader.get(&reader.id(), "before").unwrap().unwrap().value, b"1");
            n += 1;
        }
        n
    });
    gate.set_disk(Disk::Full);
    let error = one.put("lost", "2").await.unwrap_err();
    assert!(matches!(error, CommitError::DiskFull { .. }), "{error}");
    assert_eq!((error.written(), error.is_retryable()), (Written::Maybe, true));
    let error = one.put("refused", "2").await.unwrap_err();
    assert!(is_refused_for_room(&error), "{error}");
    assert!(one.status().await.unwrap().disk_full.is_some());
    assert!(one.get(&one.id(), "lost").unwrap().is_none());

    gate.set_disk(Disk::HasRoomAgain);
    let done = loop {
        match soon_or(&one, one.put("after", "3")).await {
            Ok(done) => break done,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    // Only this member knows the address of the other one, from an earlier command.
    soon(&other, other.wait_for(one.id(), done.timestamp)).await;
    assert!(one.get(&one.id(), "lost").unwrap().is_none(), "what was not acknowledged was not there before");
    stop.store(true, Ordering::Relaxed);
    assert!(reads.join().unwrap() > 0);
    one.stop().await.unwrap();
}

#[tokio::test]
async fn a59_who_stops_a_member_as_its_disk_gets_full_hears_no_failure() {
    let (one, gate, _other) = pair().await;
    gate.set_disk(Disk::Full);
    assert!(one.put("lost", "2").await.is_err());
    one.stop().await.unwrap();
}

/// Whether a write was refused because the disk is full.
fn is_refused_for_room(error: &CommitError) -> bool {
    let CommitError::Refused(error) = error else { return false };
    matches!(error.not_writable(), Some(NotWritable::DiskFull { .. }))
}

/// Two linked members; the first one has dialled.
async fn pair() -> (Member, Arc<Gate>, Member) {
    let mesh = Mesh::default();
    let (one, gate) = mesh.founder().await;
    let other = mesh.joiner(1);
    one.admit(id(1), "member-1".parse().unwrap()).await.unwrap();
    one.connect(address(1), None).await.unwrap();
    soon(&other, other.put("first", "0")).await;
    let done = soon(&other, other.put("first", "1")).await;
    soon(&one, one.wait_for(other.id(), done.timestamp)).await;
    (one, gate, other)
}

async fn soon<T, E>(member: &Member, future: impl Future<Output = Result<T, E>>) -> T
where
    E: From<datafan_driver::TimedOut> + std::fmt::Debug,
{
    soon_or(member, future).await.unwrap()
}

async fn soon_or<T, E>(member: &Member, future: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    E: From<datafan_driver::TimedOut>,
{
    member.timeout(Duration::from_secs(60), future).await
}
