//! Members that others reach only through a relay.

use super::{Member, TestDir, string};
use datafan_testkit::relay::Relay;
use std::path::Path;

/// A member with a relay in front of it, whose address is the only one that others learn.
pub struct Relayed {
    pub member: Member,
    pub relay: Relay,
}

impl Relayed {
    pub fn founder(place: &TestDir, name: &str, seed: u64) -> Self {
        Self::run(&place.path(name), seed, &["--init", name])
    }

    pub fn invited(place: &TestDir, inviter: &Self, name: &str, seed: u64) -> Self {
        let ticket = inviter.member.ask(&["invite", name, "--json"]).json();
        let ticket = place.file(&format!("{name}.ticket"), string(&ticket["ticket"]));
        Self::run(&place.path(name), seed, &["--ticket", &ticket])
    }

    /// Runs the member of `dir` behind its own relay, with `more` arguments.
    pub fn run(dir: &Path, seed: u64, more: &[&str]) -> Self {
        let relay = Relay::new(seed).unwrap();
        let address = relay.address().to_string();
        let member = Member::run(dir, &[&["--advertise", &address], more].concat());
        relay.lead_to(member.address().parse().unwrap());
        Self { member, relay }
    }
}
