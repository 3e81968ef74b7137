//! Readers see only what is on disk, and lose snapshots that they hold for too long.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Mesh, poll_once};
use datafan_core::time::Timestamp;
use std::pin::pin;

#[tokio::test]
async fn an_own_commit_is_seen_once_it_is_on_disk_and_not_before() {
    let (member, gate) = Mesh::default().founder().await;
    let me = member.id();
    let before = member.put("color", "red").await.unwrap().timestamp;
    let held = member.head(&me).unwrap().unwrap();
    let (mut all, mut own) = (member.changes(), member.changes_of(me));
    gate.shut_sync();
    let mut put = pin!(member.put("color", "blue"));
    assert!(poll_once(put.as_mut()).is_pending());
    gate.wait_for_sync();
    // The store has it now, but a crash would undo it.
    assert_eq!(&*member.get(&me, "color").unwrap().unwrap().value, b"red");
    assert_eq!(member.head(&me).unwrap().unwrap(), held);
    let mut wait = pin!(member.wait_for(me, Timestamp(before.0 + 1)));
    assert!(poll_once(wait.as_mut()).is_pending());
    assert!(poll_once(pin!(all.changed())).is_pending());
    assert!(poll_once(pin!(own.changed())).is_pending());
    gate.open_sync();
    wait.await.unwrap();
    assert_eq!(&*member.get(&me, "color").unwrap().unwrap().value, b"blue");
    own.changed().await.unwrap();
    all.changed().await.unwrap();
    assert!(put.await.unwrap().timestamp > before);
}

#[tokio::test]
async fn others_commits_wait_for_the_sync_of_their_turn_and_no_longer() {
    let mesh = Mesh::default();
    let (member, gate) = mesh.founder().await;
    let other = mesh.joiner(1);
    member.admit(other.id(), "other".parse().unwrap()).await.unwrap();
    other.connect(common::address(0), None).await.unwrap();
    let first = other.put("color", "red").await.unwrap().timestamp;
    member.wait_for(other.id(), first).await.unwrap();
    let own_before = member.put("own", "1").await.unwrap().timestamp;
    gate.shut_sync();
    let mut put = pin!(member.put("own", "2"));
    assert!(poll_once(put.as_mut()).is_pending());
    gate.wait_for_sync();
    // It reaches a member whose thread is busy with the disk.
    let second = other.put("color", "blue").await.unwrap().timestamp;
    let mut wait = pin!(member.wait_for(other.id(), second));
    assert!(poll_once(wait.as_mut()).is_pending());
    gate.open_sync();
    wait.await.unwrap();
    let shown = member.get(&other.id(), "color").unwrap().unwrap();
    assert_eq!((&*shown.value, shown.timestamp), (&b"blue"[..], second));
    assert!(put.await.unwrap().timestamp > own_before);
}
