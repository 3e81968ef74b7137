//! Several members in one process.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, Mesh, address, id};
use datafan_core::engine::{Disposition, Standing};
use std::time::Duration;

#[tokio::test]
async fn two_members_hold_each_others_data() {
    let mesh = Mesh::default();
    let (one, other) = pair(&mesh).await;
    let done = one.put("color", "red").await.unwrap();
    soon(&other, other.wait_for(one.id(), done.timestamp)).await;
    assert_eq!(&*other.get(&one.id(), "color").unwrap().unwrap().value, b"red");
    let done = other.put("color", "blue").await.unwrap();
    soon(&one, one.wait_for(other.id(), done.timestamp)).await;
    let snapshot = one.snapshot().unwrap();
    let both: Vec<_> = snapshot.get_all("color").map(|entry| entry.unwrap().owner).collect();
    assert_eq!(both.len(), 2);
    assert_eq!(snapshot.name_of(&other.id()).unwrap().unwrap().as_str(), "member-1");
    let done = one.delete("color").await.unwrap();
    soon(&other, other.wait_for(one.id(), done.timestamp)).await;
    assert!(other.get(&one.id(), "color").unwrap().is_none());
    let traffic = one.traffic().await.unwrap();
    assert!(traffic.sent > 0 && traffic.received > 0);
}

#[tokio::test]
async fn who_is_admitted_while_it_knocks_comes_in() {
    let mesh = Mesh::default();
    let (one, _) = mesh.founder().await;
    let other = mesh.joiner(1);
    // Before it connects: a write after the refusal is refused too.
    let mut waiting = std::pin::pin!(other.put("early", "value"));
    assert!(common::poll_once(waiting.as_mut()).is_pending());
    other.connect(address(0), None).await.unwrap();
    soon(&one, pending(&one)).await;
    one.admit(id(1), "member-1".parse().unwrap()).await.unwrap();
    let done = soon(&other, waiting).await;
    soon(&one, one.wait_for(other.id(), done.timestamp)).await;
    assert_eq!(other.status().await.unwrap().standing, Standing::Up);
}

#[tokio::test]
async fn a_link_that_goes_down_is_no_longer_counted() {
    let mesh = Mesh::default();
    let (one, other) = pair(&mesh).await;
    let mut changes = one.changes();
    other.stop().await.unwrap();
    let down = async {
        while one.status().await?.links.iter().any(|link| link.state == datafan_core::engine::LinkState::Up) {
        }
        Ok::<_, datafan_driver::WaitError>(())
    };
    soon(&one, down).await;
    let waits = one.timeout(Duration::from_millis(1), one.wait_links(1));
    assert!(waits.await.is_err());
    assert!(common::poll_once(std::pin::pin!(changes.changed())).is_pending(), "no head moved");
}

#[tokio::test]
async fn a_dropped_shard_moves_its_head_to_nothing() {
    let mesh = Mesh::default();
    let (one, other) = pair(&mesh).await;
    let done = other.put("color", "blue").await.unwrap();
    soon(&one, one.wait_for(other.id(), done.timestamp)).await;
    let mut changes = one.changes_of(other.id());
    one.revoke(other.id(), Disposition::Drop).await.unwrap();
    soon(&one, changes.changed()).await;
    assert!(one.get(&other.id(), "color").unwrap().is_none());
}

/// Two linked members; the first holds the authority key.
async fn pair(mesh: &Mesh) -> (Member, Member) {
    let (one, _) = mesh.founder().await;
    one.admit(id(1), "member-1".parse().unwrap()).await.unwrap();
    let other = mesh.joiner(1);
    other.connect(address(0), Some(id(0))).await.unwrap();
    soon(&other, other.wait_links(1)).await;
    soon(&one, one.wait_links(1)).await;
    (one, other)
}

async fn pending(member: &Member) -> Result<(), datafan_driver::WaitError> {
    while member.status().await?.pending.is_empty() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Waits with a timeout that a loaded machine does not reach.
async fn soon<T, E>(member: &Member, future: impl Future<Output = Result<T, E>>) -> T
where
    E: From<datafan_driver::TimedOut> + std::fmt::Debug,
{
    member.timeout(Duration::from_secs(20), future).await.unwrap()
}
