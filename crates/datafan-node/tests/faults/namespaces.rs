//! Processes in separate network namespaces, with loss and a partition made by the kernel.

use super::{
    common::{Member, PATIENCE, TestDir, api::Api, string},
    kills::all_equal,
};
use std::{
    path::Path,
    process::{self, Command, Output, Stdio},
    time::Instant,
};

#[test]
fn members_in_three_networks_become_equal_after_loss_and_a_partition() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(missing) => return println!("skipped: {missing}"),
    };
    let place = TestDir::new();
    let a = network.run(0, &place.path("a"), &["--init", "a"]);
    let [b, c] = [(1, "b"), (2, "c")].map(|(n, name)| {
        let ticket = string(&a.ask(&["invite", name, "--json"]).json()["ticket"]);
        let ticket = place.file(&format!("{name}.ticket"), ticket);
        network.run(n, &place.path(name), &["--ticket", &ticket])
    });
    let members = [&a, &b, &c];
    members[1..].iter().for_each(|member| member.waits_for("a", 1));

    network.lose(10);
    let written = members.map(|member| write(member, "lossy", 20));
    wait_for_all(&members, written);

    network.part(0);
    let written = members.map(|member| write(member, "parted", 20));
    // The other two still have each other; A loses its links after the idle timeout.
    Api::open(&c.dir).unwrap().waits_for("b", written[1], PATIENCE);
    Api::open(&b.dir).unwrap().waits_for("c", written[2], PATIENCE);
    waits_until_alone(&a);
    assert_ne!(a.roots(), b.roots());

    network.heal(0);
    let written = members.map(|member| write(member, "healed", 1));
    wait_for_all(&members, written);
    all_equal(&members);
    for n in 0..3 {
        assert!(network.lost(n) > 0, "the rule of namespace {n} was met");
    }
}

/// Makes this many commits and returns the last timestamp.
fn write(member: &Member, text: &str, commits: usize) -> u64 {
    let mut api = Api::open(&member.dir).unwrap();
    let commit = |n: usize| {
        let answer = api.put(&[(format!("{text}/{n}"), text.repeat(100))]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["timestamp"].as_u64().unwrap()
    };
    (0..commits).map(commit).last().unwrap()
}

fn wait_for_all(members: &[&Member; 3], written: [u64; 3]) {
    for member in members {
        let mut api = Api::open(&member.dir).unwrap();
        for (owner, timestamp) in ["a", "b", "c"].into_iter().zip(written) {
            api.waits_for(owner, timestamp, 2 * PATIENCE);
        }
    }
}

/// Polls until no link is up.
fn waits_until_alone(member: &Member) {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = Api::open(&member.dir).unwrap().get("/v1/status").unwrap().json();
        if status["links"].as_array().unwrap().iter().all(|link| link["state"] != "up") {
            return;
        }
        assert!(Instant::now() < until, "{status}");
    }
}

/// Three namespaces, each pair connected by virtual interfaces. The namespace of the test is not changed.
/// Removed when dropped.
struct Network(Vec<String>);

impl Network {
    /// The error says what this machine lacks.
    fn new() -> Result<Self, String> {
        run("nft", &["--version"]).map_err(|error| format!("no loss without nft: {error}"))?;
        let mut network = Self(Vec::new());
        for n in 0..3 {
            let name = format!("datafan-{}-{n}", process::id());
            run("ip", &["netns", "add", &name])
                .map_err(|error| format!("network namespaces need root and `ip`: {error}"))?;
            network.0.push(name);
        }
        network.join().map_err(|error| format!("no virtual interfaces: {error}"))?;
        for n in 0..3 {
            network.rules(n, RULES).map_err(|error| format!("no rules of nft: {error}"))?;
        }
        Ok(network)
    }

    /// Each member has one address, which the two others reach through separate interfaces.
    fn join(&self) -> Result<(), String> {
        for n in 0..3 {
            self.ip(n, &["link", "set", "lo", "up"]);
            self.ip(n, &["addr", "add", &format!("{}/32", address(n)), "dev", "lo"]);
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let [here, there] = [format!("to{other}"), format!("to{one}")];
            let [here_in, there_in] = [&self.0[one], &self.0[other]];
            let pair = ["link", "add", &here, "netns", here_in, "type", "veth", "peer", "name", &there];
            run("ip", &[&pair[..], &["netns", there_in]].concat())?;
            for (at, interface, to) in [(one, &here, other), (other, &there, one)] {
                self.ip(at, &["link", "set", interface, "up"]);
                let (to, from) = (format!("{}/32", address(to)), address(at));
                self.ip(at, &["route", "add", &to, "dev", interface, "src", &from]);
            }
        }
        Ok(())
    }

    /// Runs a member in a namespace.
    fn run(&self, n: usize, dir: &Path, more: &[&str]) -> Member {
        let mut starter = Command::new("ip");
        starter.args(["netns", "exec", &self.0[n], env!("CARGO_BIN_EXE_datafan")]);
        Member::start_by(starter, &format!("{}:0", address(n)), dir, more).ready()
    }

    /// Loses this percentage of datagrams on their way into each namespace.
    fn lose(&self, percent: u32) {
        for n in 0..3 {
            let rule = format!("add rule inet datafan loss numgen random mod 100 < {percent} counter drop\n");
            self.rules(n, &rule).unwrap();
        }
    }

    /// Nothing enters or leaves this namespace any more.
    fn part(&self, n: usize) {
        self.rules(n, "add rule inet datafan cut_in drop\nadd rule inet datafan cut_out drop\n").unwrap();
    }

    fn heal(&self, n: usize) {
        self.rules(n, "flush chain inet datafan cut_in\nflush chain inet datafan cut_out\n").unwrap();
    }

    /// Number of datagrams dropped by the rule of [`Network::lose`].
    fn lost(&self, n: usize) -> u64 {
        let list = ["netns", "exec", &self.0[n], "nft", "list", "chain", "inet", "datafan", "loss"];
        let listed = String::from_utf8(run("ip", &list).unwrap().stdout).unwrap();
        let after = listed.split_once("counter packets ").unwrap().1;
        after.split(' ').next().unwrap().parse().unwrap()
    }

    fn rules(&self, n: usize, rules: &str) -> Result<Output, String> {
        run("ip", &["netns", "exec", &self.0[n], "nft", rules])
    }

    fn ip(&self, n: usize, args: &[&str]) {
        run("ip", &[&["-n", &self.0[n]], args].concat()).unwrap();
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

/// Affects only traffic over the interfaces between the namespaces.
const RULES: &str = r#"
add table inet datafan
add chain inet datafan input { type filter hook input priority 0; }
add chain inet datafan output { type filter hook output priority 0; }
add chain inet datafan loss
add chain inet datafan cut_in
add chain inet datafan cut_out
add rule inet datafan input iifname "to*" jump cut_in
add rule inet datafan input iifname "to*" meta l4proto udp jump loss
add rule inet datafan output oifname "to*" jump cut_out
"#;

/// From a range for network tests, RFC 2544.
fn address(n: usize) -> String {
    format!("198.18.0.{}", n + 1)
}

fn run(program: &str, args: &[&str]) -> Result<Output, String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
