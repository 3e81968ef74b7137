//! A51 with processes: two network namespaces with several members each, the line between them down for 20 s.

use super::{
    common::{Member, PATIENCE, TestDir, api::Api, string},
    kills::all_equal,
};
use std::{
    path::Path,
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long the line is down: longer than the idle timeout of a link.
const DOWN: Duration = Duration::from_secs(20);
/// One mesh at a time: two would overload a small machine.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a51_two_halves_of_four_processes_find_each_other_again() {
    halves_become_one(4);
}

#[test]
fn a51_two_halves_of_ten_processes_find_each_other_again() {
    halves_become_one(10);
}

fn halves_become_one(half: usize) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let network = match Network::new(half) {
        Ok(network) => network,
        Err(missing) => return println!("skipped: {missing}"),
    };
    let place = TestDir::new();
    let first = network.run(0, &place.path("m0"), &["--init", "m0"]);
    let mut members = vec![first];
    for n in 1..2 * half {
        let name = format!("m{n}");
        let ticket = string(&members[0].ask(&["invite", &name, "--json"]).json()["ticket"]);
        let ticket = place.file(&format!("{name}.ticket"), ticket);
        // They start alternately on both sides, so that links cross.
        members.push(network.run(n % 2, &place.path(&name), &["--ticket", &ticket]));
    }
    let side = |n: usize| n % 2;
    let written = write_all(&members, "together");
    wait_for(&members, &written, |_, _| true);

    network.cut();
    let since = Instant::now();
    let parted = write_all(&members, "parted");
    // Each side continues alone, and has enough links.
    wait_for(&members, &parted, |member, owner| side(member) == side(owner));
    thread::sleep(DOWN.saturating_sub(since.elapsed()));
    for (n, member) in members.iter().enumerate() {
        waits_until_parted(member, |name| side(number(name)) != side(n));
    }
    assert_ne!(members[0].roots(), members[1].roots());
    // It crosses like everything else that was written on one side.
    let gone = 2 * half - 1;
    let revoked = members[0].ask(&["revoke", &format!("m{gone}"), "--yes"]);
    assert_eq!(revoked.code, 0, "{}", revoked.err);

    network.heal();
    let healed = Instant::now();
    let left = &members[..gone];
    wait_for(left, &parted[..gone], |_, _| true);
    println!("{} members were one mesh again after {:.1} s", members.len(), healed.elapsed().as_secs_f64());
    for member in left {
        waits_until_revoked(member, gone);
    }
    all_equal(&left.iter().collect::<Vec<_>>());
}

/// Each writes one item; returns the timestamps.
fn write_all(members: &[Member], key: &str) -> Vec<u64> {
    let write = |member: &Member| {
        let answer = Api::open(&member.dir).unwrap().put(&[(key.into(), "v".into())]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["timestamp"].as_u64().unwrap()
    };
    members.iter().map(write).collect()
}

/// Waits until each member has what it must have of those owners.
fn wait_for(members: &[Member], written: &[u64], has: impl Fn(usize, usize) -> bool) {
    for (n, member) in members.iter().enumerate() {
        let mut api = Api::open(&member.dir).unwrap();
        for (owner, timestamp) in written.iter().enumerate().filter(|(owner, _)| has(n, *owner)) {
            api.waits_for(&format!("m{owner}"), *timestamp, 2 * PATIENCE);
        }
    }
}

/// Polls until no link leads to a member on the other side.
fn waits_until_parted(member: &Member, is_other: impl Fn(&str) -> bool) {
    waits(member, "/v1/status", |status| {
        let links = status["links"].as_array().unwrap();
        let up = links.iter().filter(|link| link["state"] == "up");
        up.filter_map(|link| link["name"].as_str()).all(|name| !is_other(name))
    });
}

fn waits_until_revoked(member: &Member, gone: usize) {
    let name = format!("m{gone}");
    waits(member, "/v1/members", |answer| {
        let members = answer["members"].as_array().unwrap();
        members.iter().any(|member| member["name"] == name.as_str() && member["state"] == "revoked")
    });
}

fn waits(member: &Member, path: &str, done: impl Fn(&serde_json::Value) -> bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = Api::open(&member.dir).unwrap().get(path).unwrap().json();
        if done(&answer) {
            return;
        }
        assert!(Instant::now() < until, "{}: {answer}", member.dir.display());
        // It takes processor time that the members need.
        thread::sleep(Duration::from_millis(200));
    }
}

fn number(name: &str) -> usize {
    name.trim_start_matches('m').parse().unwrap()
}

/// Two namespaces, connected by a pair of virtual interfaces. Removed when dropped.
struct Network([String; 2]);

impl Network {
    /// The error says what this machine lacks.
    fn new(half: usize) -> Result<Self, String> {
        run("nft", &["--version"]).map_err(|error| format!("no partition without nft: {error}"))?;
        let names = [0, 1].map(|side| format!("datafan-{}-{half}-{side}", process::id()));
        let network = Self(names);
        for name in &network.0 {
            run("ip", &["netns", "add", name])
                .map_err(|error| format!("network namespaces need root and `ip`: {error}"))?;
        }
        network.join().map_err(|error| format!("no virtual interfaces or rules: {error}"))?;
        Ok(network)
    }

    fn join(&self) -> Result<(), String> {
        let [here, there] = &self.0;
        let pair = ["link", "add", "line", "netns", here, "type", "veth", "peer", "name", "line"];
        run("ip", &[&pair[..], &["netns", there]].concat())?;
        for (side, name) in self.0.iter().enumerate() {
            let address = format!("{}/24", address(side));
            run("ip", &["-n", name, "addr", "add", &address, "dev", "line"])?;
            run("ip", &["-n", name, "link", "set", "lo", "up"])?;
            run("ip", &["-n", name, "link", "set", "line", "up"])?;
            self.rules(side, RULES)?;
        }
        Ok(())
    }

    fn run(&self, side: usize, dir: &Path, more: &[&str]) -> Member {
        let mut starter = Command::new("ip");
        starter.args(["netns", "exec", &self.0[side], env!("CARGO_BIN_EXE_datafan")]);
        Member::start_by(starter, &format!("{}:0", address(side)), dir, more).ready()
    }

    /// Messages from one side are lost on their way to the other, silently.
    fn cut(&self) {
        [0, 1].iter().for_each(|side| {
            self.rules(*side, "add rule inet datafan input iifname \"line\" drop\n").unwrap();
        });
    }

    fn heal(&self) {
        [0, 1].iter().for_each(|side| self.rules(*side, "flush chain inet datafan input\n").unwrap());
    }

    fn rules(&self, side: usize, rules: &str) -> Result<(), String> {
        run("ip", &["netns", "exec", &self.0[side], "nft", rules])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.0 {
            // This removes the interfaces and rules too.
            let _ = run("ip", &["netns", "delete", name]);
        }
    }
}

const RULES: &str = "add table inet datafan\n\
    add chain inet datafan input { type filter hook input priority 0; }\n";

/// From a range for network tests, RFC 2544.
fn address(side: usize) -> String {
    format!("198.18.1.{}", side + 1)
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
