//! Processes on two machines that are partitioned for a while: each side has enough links, and they find each
//! other again.

use super::{
    addresses::{Machine, joined},
    common::{Member, PATIENCE, TestDir, api::Api, string},
};
use std::{
    thread,
    time::{Duration, Instant},
};

#[test]
fn a51_two_machines_with_four_members_each_come_together_again() {
    parted_and_united(4, 4);
}

#[test]
fn a51_four_and_sixteen_members_come_together_again() {
    parted_and_united(4, 16);
}

fn parted_and_united(here: usize, there: usize) {
    let (one, other) = match joined() {
        Ok(joined) => joined,
        Err(missing) => return println!("skipped: {missing}"),
    };
    one.ip(&["addr", "add", "198.18.7.1/24", "dev", "net0"]);
    one.ip(&["link", "set", "net0", "up"]);
    let place = TestDir::new();
    let members = members(&place, [(&one, here), (&other, there)]);
    let names: Vec<String> = (0..members.len()).map(|n| format!("m{n}")).collect();
    all_hold(&members, &names, 0..members.len());

    one.ip(&["link", "set", "net0", "down"]);
    // Until the links across are gone on both sides, and the remaining ones were published.
    thread::sleep(Duration::from_secs(20));
    let written: Vec<u64> = members.iter().map(|member| member.put("parted", "k")).collect();
    one.ip(&["link", "set", "net0", "up"]);
    let healed = Instant::now();
    for member in &members {
        let mut api = Api::open(&member.dir).unwrap();
        for (name, timestamp) in names.iter().zip(&written) {
            api.waits_for(name, *timestamp, 2 * PATIENCE);
        }
    }
    println!("{here} and {there} members were equal {:?} after the heal", healed.elapsed());

    // What a user sees of it.
    let reach = |member: &Member| {
        let listed = member.ask(&["members", "--json"]).json();
        let listed = listed["members"].as_array().unwrap().iter().map(|member| string(&member["reach"]));
        listed.collect::<Vec<_>>()
    };
    let until = Instant::now() + 2 * PATIENCE;
    while reach(&members[0]).iter().any(|reach| reach == "unreachable") {
        assert!(Instant::now() < until, "{:?}", reach(&members[0]));
        thread::sleep(Duration::from_millis(500));
    }
    let own = reach(&members[0]);
    assert_eq!(own.iter().filter(|reach| *reach == "itself").count(), 1, "{own:?}");
    assert!(own.iter().any(|reach| reach == "linked"), "{own:?}");
}

/// This many members on each machine; the first founds the mesh.
fn members(place: &TestDir, machines: [(&Machine, usize); 2]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for (machine, n) in machines {
        for _ in 0..n {
            let name = format!("m{}", members.len());
            let dir = place.path(&name);
            let Some(first) = members.first() else {
                members.push(machine.run(&dir, &["--init", &name]));
                continue;
            };
            let ticket = string(&first.ask(&["invite", &name, "--json"]).json()["ticket"]);
            let ticket = place.file(&format!("{name}.ticket"), ticket);
            members.push(machine.run(&dir, &["--ticket", &ticket]));
        }
    }
    members
}

/// Each member writes, and all get it.
fn all_hold(members: &[Member], names: &[String], of: std::ops::Range<usize>) {
    let written: Vec<u64> = of.clone().map(|n| members[n].put("before", "k")).collect();
    for member in members {
        let mut api = Api::open(&member.dir).unwrap();
        for (n, timestamp) in of.clone().zip(&written) {
            api.waits_for(&names[n], *timestamp, 2 * PATIENCE);
        }
    }
}
