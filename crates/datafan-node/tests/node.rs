//! Members over QUIC and redb, each with its own directory.

#![cfg(all(feature = "redb", feature = "quic"))]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use datafan_core::identity::Identity;
use datafan_node::{
    Bootstrap, BootstrapError, Builder, Home, KeyFileError, Node, NodeError,
    driver::{RunState, StopReason, TimedOut},
};
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

#[tokio::test]
async fn two_members_meet_and_hold_each_others_data() {
    let directory = tempfile::tempdir().unwrap();
    let one = founder(&directory).start().await.unwrap();
    let mesh = one.mesh();
    let joins = Bootstrap::Join { mesh, name: "beta".parse().unwrap() };
    let other = on_loopback(directory.path().join("beta")).bootstrap(joins);
    let other = other.connect(one.local_addrs()[0].to_string(), Some(one.id())).start().await.unwrap();
    one.admit(other.id(), "beta".parse().unwrap()).await.unwrap();
    soon(&other, other.wait_links(1)).await;
    let done = soon(&one, one.put("color", "red")).await;
    soon(&other, other.wait_for(one.id(), done.timestamp)).await;
    assert_eq!(&*other.get(&one.id(), "color").unwrap().unwrap().value, b"red");
    let done = soon(&other, other.put("color", "blue")).await;
    soon(&one, one.wait_for(other.id(), done.timestamp)).await;
    assert_eq!(one.snapshot().unwrap().get_all("color").count(), 2);
    other.stop().await.unwrap();
    one.stop().await.unwrap();
}

#[tokio::test]
async fn a_member_comes_back_with_its_data_and_finds_its_peers() {
    let directory = tempfile::tempdir().unwrap();
    let one = founder(&directory).start().await.unwrap();
    let joins = Bootstrap::Join { mesh: one.mesh(), name: "beta".parse().unwrap() };
    let other = on_loopback(directory.path().join("beta")).bootstrap(joins);
    let other = other.connect(one.local_addrs()[0].to_string(), None).start().await.unwrap();
    one.admit(other.id(), "beta".parse().unwrap()).await.unwrap();
    // It may have been refused before.
    soon(&other, other.wait_links(1)).await;
    soon(&other, other.put("color", "blue")).await;
    other.stop().await.unwrap();
    let done = one.put("color", "red").await.unwrap();
    // No address is given: it remembers them.
    let other = on_loopback(directory.path().join("beta")).start().await.unwrap();
    assert_eq!(&*other.get(&other.id(), "color").unwrap().unwrap().value, b"blue");
    soon(&other, other.wait_for(one.id(), done.timestamp)).await;
    soon(&other, other.put("color", "green")).await;
}

#[tokio::test]
async fn a_directory_has_one_member_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = founder(&directory).start().await.unwrap();
    let second = on_loopback(alpha(&directory)).start().await;
    let error = second.unwrap_err();
    assert!(matches!(error, NodeError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("alpha is in use"), "{error}");
    first.put("still", "works").await.unwrap();
    first.stop().await.unwrap();
    let again = on_loopback(alpha(&directory)).start().await.unwrap();
    assert!(again.get(&again.id(), "still").unwrap().is_some());
}

#[tokio::test]
async fn a_taken_port_is_named_and_leaves_the_store_closed() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let begins = Bootstrap::NewMesh { name: "alpha".parse().unwrap() };
    let started = Node::builder(alpha(&directory)).bootstrap(begins).listen(port).start().await;
    let error = started.unwrap_err().to_string();
    assert!(error.contains(&port.port().to_string()) && error.contains("taken"), "{error}");
    founder(&directory).start().await.unwrap();
}

#[tokio::test]
async fn what_is_missing_or_wrong_in_a_directory_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let error = on_loopback(alpha(&directory)).start().await.unwrap_err();
    assert!(matches!(error, NodeError::NotAMember { .. }), "{error}");
    let home = begun(&directory);
    assert!(matches!(home.bootstrap(new_mesh()), Err(BootstrapError::Already { .. })));
    let key = fs::read_to_string(home.member_key_path()).unwrap();
    fs::write(home.member_key_path(), key.replace("member", "authority")).unwrap();
    let error = on_loopback(home.path()).start().await.unwrap_err();
    assert!(matches!(error, NodeError::Key(KeyFileError::OtherKind { .. })), "{error}");
    fs::remove_file(home.member_key_path()).unwrap();
    let error = on_loopback(home.path()).start().await.unwrap_err();
    assert!(error.to_string().contains("member.key is missing"), "{error}");
}

#[tokio::test]
async fn a_key_of_another_member_does_not_open_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let home = begun(&directory);
    let other = Home::new(directory.path().join("other"));
    other.bootstrap(new_mesh()).unwrap();
    fs::copy(other.member_key_path(), home.member_key_path()).unwrap();
    let error = on_loopback(home.path()).start().await.unwrap_err();
    assert!(error.to_string().contains("wrong key file or wrong directory"), "{error}");
    fs::copy(other.authority_key_path(), home.authority_key_path()).unwrap();
    let error = on_loopback(home.path()).start().await.unwrap_err();
    assert!(error.to_string().contains("authority"), "{error}");
}

#[test]
fn an_interrupted_beginning_goes_on_with_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let home = begun(&directory);
    let (member, authority) = (home.member_key().unwrap(), home.authority_key().unwrap());
    fs::remove_file(home.membership_path()).unwrap();
    home.bootstrap(new_mesh()).unwrap();
    let id = |key: Option<Identity>| key.unwrap().id();
    assert_eq!(id(home.member_key().unwrap()), id(member));
    assert_eq!(id(home.authority_key().unwrap()), id(authority));
}

#[tokio::test]
async fn a_disk_that_fails_stops_the_member_and_a_restart_has_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let faults = datafan_store_redb::Faults::new();
    let member = founder(&directory).faults(faults.clone()).start().await.unwrap();
    member.put("safe", "value").await.unwrap();
    faults.cut();
    member.kill();
    let error = member.put("lost", "value").await.unwrap_err();
    assert!(error.to_string().contains("stopped"), "{error}");
    assert!(matches!(member.run_state(), RunState::Stopped(StopReason::Store(_))));
    assert!(member.stop().await.is_err());
    let again = on_loopback(alpha(&directory)).start().await.unwrap();
    assert!(again.get(&again.id(), "safe").unwrap().is_some());
    assert!(again.get(&again.id(), "lost").unwrap().is_none());
}

fn alpha(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("alpha")
}

fn new_mesh() -> Bootstrap {
    Bootstrap::NewMesh { name: "alpha".parse().unwrap() }
}

fn founder(directory: &TempDir) -> Builder {
    on_loopback(alpha(directory)).bootstrap(new_mesh())
}

fn begun(directory: &TempDir) -> Home {
    let home = Home::new(alpha(directory));
    home.bootstrap(new_mesh()).unwrap();
    home
}

fn on_loopback(path: impl AsRef<Path>) -> Builder {
    Node::builder(path.as_ref()).listen("127.0.0.1:0".parse().unwrap())
}

/// Waits with a timeout that a loaded machine does not reach.
async fn soon<T, E>(member: &Node, future: impl Future<Output = Result<T, E>>) -> T
where
    E: From<TimedOut> + std::fmt::Debug,
{
    member.timeout(Duration::from_secs(30), future).await.unwrap()
}
