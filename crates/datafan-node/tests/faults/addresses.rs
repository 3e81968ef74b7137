//! A machine whose interface comes up late and whose address changes: the published addresses follow.

use super::common::{Member, PATIENCE, TestDir, api::Api, string};
use datafan_core::{
    engine::{ADDRESSES_KEY, decode_addresses},
    id::MemberId,
};
use datafan_node::Node;
use std::{
    path::Path,
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[test]
fn a60_published_addresses_follow_the_machine() {
    let (machine, other) = match joined() {
        Ok(joined) => joined,
        Err(missing) => return println!("skipped: {missing}"),
    };
    let place = TestDir::new();
    let a = machine.run(&place.path("a"), &["--init", "a"]);
    let port = a.address().rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(published(&a), [format!("127.0.0.1:{port}")], "no interface is up yet");

    // Up, but without a route to the internet.
    machine.ip(&["addr", "add", "198.18.7.1/24", "dev", "net0"]);
    machine.ip(&["link", "set", "net0", "up"]);
    publishes(&a, &format!("198.18.7.1:{port}"));
    let ticket = string(&a.ask(&["invite", "b", "--json"]).json()["ticket"]);
    let ticket = place.file("b.ticket", ticket);
    let b = other.run(&place.path("b"), &["--ticket", &ticket]);
    // A member that changes its address must know the address of the other one.
    let written = b.put("before", "the change");
    Api::open(&a.dir).unwrap().waits_for("b", written, PATIENCE);

    // Another address replaces it, with a route to the internet.
    machine.ip(&["addr", "del", "198.18.7.1/24", "dev", "net0"]);
    machine.ip(&["addr", "add", "198.18.7.2/24", "dev", "net0"]);
    machine.ip(&["route", "add", "default", "via", "198.18.7.254"]);
    publishes(&a, &format!("198.18.7.2:{port}"));
    let written = a.put("after", "the change");
    Api::open(&b.dir).unwrap().waits_for("a", written, 2 * PATIENCE);

    // A brief loss of the network does not withdraw an address.
    machine.ip(&["link", "set", "net0", "down"]);
    thread::sleep(Duration::from_secs(12));
    assert_eq!(published(&a), [format!("198.18.7.2:{port}")]);
    machine.ip(&["link", "set", "net0", "up"]);

    // A lost address is withdrawn, even the last one.
    machine.ip(&["addr", "del", "198.18.7.2/24", "dev", "net0"]);
    let until = Instant::now() + Duration::from_secs(60);
    while !published(&a).is_empty() {
        assert!(Instant::now() < until, "{:?}", published(&a));
        thread::sleep(Duration::from_millis(200));
    }
    a.ask(&["invite", "c"]).fails(1, "publishes no address");
    let id = a.id().parse().unwrap();
    let dir = a.dir.clone();
    assert_eq!((a.terminate(), b.terminate()), (0, 0));
    assert_eq!(in_shard(&dir, &id), [""; 0]);
}

/// Waits until a member publishes only this address, within the promised minute.
fn publishes(member: &Member, address: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while published(member) != [address] {
        assert!(Instant::now() < until, "{:?} is not {address}", published(member));
        thread::sleep(Duration::from_millis(200));
    }
}

/// The addresses in new tickets.
fn published(member: &Member) -> Vec<String> {
    let answer = Api::open(&member.dir).unwrap().get("/v1/addresses").unwrap().json();
    answer["addresses"].as_array().unwrap().iter().map(string).collect()
}

/// The published addresses of an owner, as held by the member of `dir`.
fn in_shard(dir: &Path, owner: &MemberId) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let node = Node::builder(dir).listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
        let item = node.snapshot().unwrap().with_system().get(owner, ADDRESSES_KEY).unwrap().unwrap();
        node.stop().await.unwrap();
        decode_addresses(&item.value).unwrap().iter().map(|address| address.to_string()).collect()
    })
}

/// Two machines with a cable between them; the interface of the first is down. The error says what this
/// machine lacks.
pub fn joined() -> Result<(Machine, Machine), String> {
    let (one, other) = (Machine::new("one")?, Machine::new("other")?);
    let cable = ["link", "add", "net0", "netns", &one.0, "type", "veth", "peer", "name", "net0"];
    run(&[&cable[..], &["netns", &other.0]].concat())
        .map_err(|error| format!("no virtual interfaces: {error}"))?;
    other.ip(&["addr", "add", "198.18.7.100/24", "dev", "net0"]);
    other.ip(&["link", "set", "net0", "up"]);
    Ok((one, other))
}

/// A network namespace, removed when dropped.
pub struct Machine(String);

impl Machine {
    fn new(name: &str) -> Result<Self, String> {
        let name = format!("datafan-{}-{name}", process::id());
        run(&["netns", "add", &name])
            .map_err(|error| format!("network namespaces need root and `ip`: {error}"))?;
        let machine = Self(name);
        machine.ip(&["link", "set", "lo", "up"]);
        Ok(machine)
    }

    /// Runs a member on every address of the machine.
    pub fn run(&self, dir: &Path, more: &[&str]) -> Member {
        let mut starter = Command::new("ip");
        starter.args(["netns", "exec", &self.0, env!("CARGO_BIN_EXE_datafan")]);
        Member::start_by(starter, "0.0.0.0:0", dir, more).ready()
    }

    pub fn ip(&self, args: &[&str]) {
        run(&[&["-n", &self.0], args].concat()).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // This removes the interfaces too.
        let _ = run(&["netns", "delete", &self.0]);
    }
}

fn run(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}
