//! What a start refuses, each with one clear line; and what it accepts.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, datafan, text};
use serde_json::json;
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    net::{TcpListener, UdpSocket},
    os::unix::net::UnixListener,
};

fn run(dir: &str, more: &[&str]) -> common::Done {
    datafan(&[&["run", "--data-dir", dir, "--listen", "127.0.0.1:0"], more].concat())
}

#[test]
fn a_directory_in_use() {
    let place = TestDir::new();
    let member = place.founder("a");
    run(&text(&member.dir), &[]).fails(1, "in use");
    member.put("still", "works");
}

#[test]
fn a_taken_port() {
    let place = TestDir::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = udp.local_addr().unwrap();
    datafan(&["run", "--data-dir", &text(&dir), "--listen", &taken.to_string()])
        .fails(1, &format!("UDP port {} of 127.0.0.1 is taken", taken.port()));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = tcp.local_addr().unwrap();
    run(&text(&dir), &["--api", &taken.to_string()])
        .fails(1, &format!("TCP port {} of 127.0.0.1 is taken", taken.port()));
    Member::run(&dir, &[]).put("k", "v");
}

#[test]
fn the_key_of_another_member() {
    let place = TestDir::new();
    for name in ["a", "b"] {
        assert_eq!(datafan(&["init", "--name", name, "--data-dir", &text(&place.path(name))]).code, 0);
    }
    fs::copy(place.path("b").join("member.key"), place.path("a").join("member.key")).unwrap();
    run(&text(&place.path("a")), &[]).fails(1, "wrong key file or wrong directory");
    fs::write(place.path("b").join("member.key"), "nonsense").unwrap();
    run(&text(&place.path("b")), &[]).fails(1, "member.key");
}

#[test]
fn the_authority_of_an_older_mesh() {
    let place = TestDir::new();
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&place.path("a"))]).code, 0);
    let dir = place.path("b");
    fs::create_dir(&dir).unwrap();
    fs::copy(place.path("a").join("authority.key"), dir.join("authority.key")).unwrap();
    datafan(&["init", "--name", "b", "--data-dir", &text(&dir)]).fails(1, "belongs to an existing mesh");
    assert!(!dir.join("member.key").exists(), "nothing was changed");
}

#[test]
fn a38_a_damaged_store() {
    let place = TestDir::new();
    let member = place.founder("a");
    let dir = member.dir.clone();
    assert_eq!(member.terminate(), 0);
    let mut store = File::options().write(true).open(dir.join("store.redb")).unwrap();
    store.seek(SeekFrom::Start(0)).unwrap();
    store.write_all(&[0x5a; 4_096]).unwrap();
    drop(store);
    run(&text(&dir), &[]).fails(1, "damaged");
}

#[test]
fn a38_a_newer_store() {
    let place = TestDir::new();
    let member = place.founder("a");
    let dir = member.dir.clone();
    assert_eq!(member.terminate(), 0);
    // docs/disk-format.md: in the table meta, number 0 is the format, big-endian.
    let meta = redb::TableDefinition::<u8, &[u8]>::new("meta");
    let store = redb::Database::open(dir.join("store.redb")).unwrap();
    let write = store.begin_write().unwrap();
    write.open_table(meta).unwrap().insert(0, &99_u32.to_be_bytes()[..]).unwrap();
    write.commit().unwrap();
    drop(store);
    run(&text(&dir), &[]).fails(1, "format 99, this build knows format 2");
}

#[test]
fn a38_a_newer_members_file() {
    let place = TestDir::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    fs::write(dir.join("member.json"), r#"{"format":99}"#).unwrap();
    run(&text(&dir), &[]).fails(1, "format 99, but this version knows only format 1");
}

#[test]
fn a_long_directory_and_a_stale_socket_do_not_matter() {
    let place = TestDir::new();
    let long = (0..8).fold(place.path("long"), |dir, _| dir.join("thirty-two-characters-of-a-name-"));
    fs::create_dir_all(&long).unwrap();
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&long)]).code, 0);
    let member = Member::run(&long, &[]);
    member.put("k", "v");
    member.kill();
    assert!(long.join("api.sock").exists(), "a killed member leaves its socket");
    let member = Member::run(&long, &[]);
    assert_eq!(member.ask(&["get", "k"]).out, "v");
}

#[test]
fn a_socket_of_somebody_else_is_replaced_only_when_nobody_answers() {
    let place = TestDir::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let other = UnixListener::bind(dir.join("api.sock")).unwrap();
    run(&text(&dir), &[]).fails(1, "another process answers on a socket at this path");
    drop(other);
    // Anything that is not a socket may be important, and stays.
    let (socket, away) = (dir.join("api.sock"), place.path("away"));
    fs::rename(&socket, &away).unwrap();
    fs::write(&socket, "notes").unwrap();
    run(&text(&dir), &[]).fails(1, "api.sock: a regular file exists at this path: move it away");
    assert_eq!(fs::read(&socket).unwrap(), b"notes");
    fs::rename(&away, &socket).unwrap();
    let member = Member::run(&dir, &[]);
    assert_eq!(member.ask(&["status", "--json"]).json()["state"], "up");
}

#[test]
fn the_interface_on_tcp_answers_this_machine_only() {
    let place = TestDir::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let member = Member::run(&dir, &["--api", "127.0.0.1:0"]);
    let api = common::string(&member.ports["api"]);
    assert_eq!(member.ask(&["status", "--json"]).json()["api"], json!(api));
    let get = |host: &str, more: &str| {
        let mut stream = std::net::TcpStream::connect(&api).unwrap();
        write!(stream, "GET /v1/status HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    assert!(get(&api, "").starts_with("HTTP/1.1 200 "));
    assert!(get("evil.example", "").starts_with("HTTP/1.1 403 "));
    assert!(get(&api, "Origin: http://evil.example\r\n").starts_with("HTTP/1.1 403 "));
}
