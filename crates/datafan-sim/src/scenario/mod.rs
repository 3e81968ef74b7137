//! Scenarios: the properties of a simulated mesh, what its members write, and its faults, as plain data.
//!
//! A scenario is a TOML file. Every field has a default, so a file names only what differs:
//!
//! ```
//! use datafan_sim::scenario::Scenario;
//!
//! let scenario = Scenario::parse("members = 20\ntopology = 'ring'\nfaults.crashes = 10")?;
//! assert_eq!((scenario.members, scenario.faults.crashes), (20, 10));
//! let error = Scenario::parse("members = 0").unwrap_err().to_string();
//! assert_eq!(error, "members is 0, minimum 2: set the number of members");
//! # Ok::<(), datafan_sim::scenario::ScenarioError>(())
//! ```

mod check;
mod discovery;
pub(crate) mod error;
mod network;
mod shipped;

pub use discovery::Discovery;
pub use error::ScenarioError;
pub use network::{Latency, Network, Region};
pub use shipped::{SHIPPED, shipped};

use crate::topology::Topology;
use error::shown;
use serde::Deserialize;
use std::path::Path;

/// Everything that determines a simulation, besides its seed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Its name in results.
    pub name: String,
    /// Its purpose, for people.
    pub about: String,
    /// Number of members, including those that join later; 2 to 65,536; default 10.
    pub members: usize,
    /// The links: `line`, `line2`, `ring`, `ring2`, `grid`, `tree`, `random:K`, `random:A..B`, `full` or a
    /// file; see [`Topology`]; default `random:3`.
    pub topology: Topology,
    /// Time over which the members start one after another, in milliseconds; default 0: all at once.
    pub start_ms: u64,
    /// How long members write and faults happen, in seconds; 0 to 86,400; default 60.
    pub seconds: u64,
    /// How long it may take from the end of the faults until all are equal, in seconds; default 120.
    pub bound_seconds: u64,
    /// Within how many seconds each commit must reach all running members, if it was made during the faults
    /// and nothing was done to lines and members since; default 0: not checked.
    pub delivered_seconds: u64,
    /// Number of rounds that the equal mesh is then watched at rest; default 20.
    pub idle_rounds: u64,
    /// How members find each other; by default they do not: the links of the topology are restored for them.
    /// With discovery, the topology says which addresses a member is given: those of the members that it
    /// would dial.
    #[serde(deserialize_with = "discovery::read")]
    pub discovery: Option<Discovery>,
    /// The links.
    pub network: Network,
    /// The members and their engines.
    pub engine: Engine,
    /// What is written.
    pub workload: Workload,
    /// The faults.
    pub faults: Faults,
}

/// The engines and machines of the members.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Mean time between rounds, in milliseconds; that of each member differs by up to 40 %; default 1,000.
    pub round_ms: u64,
    /// Maximum number of tombstones per shard; default 65,536.
    pub tombstones_max: u64,
    /// How long one call of the engine takes, in microseconds: inputs that arrive meanwhile are handled
    /// together; default 200.
    pub handling_micros: u64,
    /// How long a sync takes, in microseconds; default 0.
    pub sync_micros: u64,
}

/// What members write.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Items that each member writes at the start, in one commit, minimum and maximum; default 1.
    pub initial_items: [u64; 2],
    /// Time over which the members write these, one after another, in milliseconds; default 1,000.
    pub initial_ms: u64,
    /// Commits per minute in the whole mesh while faults happen; default 300.
    pub updates_per_minute: u64,
    /// Key names per member; default 8.
    pub keys: u64,
    /// Writes per commit, minimum and maximum; default 1 and 3.
    pub writes: [u64; 2],
    /// Bytes of a value, minimum and maximum; default 16 and 100.
    pub value_bytes: [u64; 2],
    /// How many of a thousand writes delete; default 200.
    pub deletes_per_mille: u32,
    /// How many of a thousand puts have a value that is too large to be pushed; default 0.
    pub large_per_mille: u32,
    /// How many of a thousand puts expire within ten seconds; default 0.
    pub expiring_per_mille: u32,
}

/// The faults and their frequency; each affects random members and links at random moments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Members that crash and start again.
    pub crashes: u64,
    /// Members that stop cleanly and start again.
    pub stops: u64,
    /// How long members are down, minimum and maximum, in milliseconds; `[0, 0]` stands for 100 and 5,000.
    pub down_ms: [u64; 2],
    /// Links that are cut; both sides notice.
    pub cuts: u64,
    /// Links that lose everything in one direction; nobody notices.
    pub one_way_cuts: u64,
    /// Number of partitions of the mesh into two to four groups.
    pub partitions: u64,
    /// The sizes of the groups into which partitions split the members, in order of their numbers; the
    /// remaining members reach all groups. By default the groups are drawn. With islands, the partitions lie
    /// in the middle of the faults.
    pub islands: Vec<u64>,
    /// Number of members whose address changes, half of them while they run; with islands, during the
    /// partition. Every third takes an address that another member had. Needs discovery.
    pub moves: u64,
    /// Members that lose their power for good, all at once when the faults start; never the first one.
    pub deaths: u64,
    /// How long cuts and partitions last, minimum and maximum, in milliseconds; `[0, 0]` stands for 500 and
    /// 10,000.
    pub cut_ms: [u64; 2],
    /// Links that break once and come back after a second.
    pub flaps: u64,
    /// How many of a thousand messages are lost.
    pub loss_per_mille: u32,
    /// How many of a thousand messages arrive twice.
    pub twice_per_mille: u32,
    /// How many of a thousand messages arrive late, behind later ones.
    pub late_per_mille: u32,
    /// Maximum delay of these, in milliseconds; 0 stands for 500.
    pub late_ms: u64,
    /// Disks that fail at some write, which stops the member until it is started on a repaired disk.
    pub disk_failures: u64,
    /// Disks that become full, at some write or shortly before, and have room again after the time that
    /// members are down: the member keeps running, but writes nothing meanwhile.
    pub disks_full: u64,
    /// Disks whose syncs take 5 to 200 ms for a while.
    pub slow_disks: u64,
    /// Wall clocks that are set wrong for a while.
    pub clock_jumps: u64,
    /// Maximum error, in seconds; 0 stands for 1,200.
    pub clock_jump_seconds: u64,
    /// Members whose wall clocks drift by up to 500 millionths.
    pub drifting_clocks: u64,
    /// Members restored from an older copy of their disk.
    pub restores: u64,
    /// Members that are admitted only while faults happen.
    pub joins: u64,
    /// Members that are revoked, alternating *keep* and *drop*.
    pub leaves: u64,
    /// Members whose outgoing messages are altered: misbehaving relays.
    pub misbehaving: u64,
    /// How many of a thousand messages of a misbehaving relay are altered.
    pub violations_per_mille: u32,
    /// What they alter; `"anything"` by default.
    pub violations_about: ViolationsAbout,
    /// Whether misbehaving relays continue when all other faults are over: the honest members must still
    /// become equal.
    pub misbehaving_forever: bool,
}

/// What a misbehaving relay alters. One that is honest in everything else is trusted longer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViolationsAbout {
    /// Every kind of message.
    #[default]
    Anything,
    /// Only the items of ranges.
    Ranges,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "unnamed".into(),
            about: String::new(),
            members: 10,
            topology: Topology::Random(3, 3),
            start_ms: 0,
            seconds: 60,
            bound_seconds: 120,
            delivered_seconds: 0,
            idle_rounds: 20,
            discovery: None,
            network: Network::default(),
            engine: Engine::default(),
            workload: Workload::default(),
            faults: Faults::default(),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        let tombstones_max = datafan_core::limits::TOMBSTONES_MAX;
        Self { round_ms: 1_000, tombstones_max, handling_micros: 200, sync_micros: 0 }
    }
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            initial_items: [1, 1],
            initial_ms: 1_000,
            updates_per_minute: 300,
            keys: 8,
            writes: [1, 3],
            value_bytes: [16, 100],
            deletes_per_mille: 200,
            large_per_mille: 0,
            expiring_per_mille: 0,
        }
    }
}

impl Scenario {
    /// Parses a scenario and checks all of its limits.
    ///
    /// # Errors
    /// Names the field, its limit and the remedy.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario = Self::read(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn read(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|error| ScenarioError::Format { what: shown(&error.to_string()) })
    }

    /// The shipped scenario with this name, or the one in a file; the file of its topology is looked up
    /// beside it.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or it violates a limit.
    pub fn load(name: &str) -> Result<Self, ScenarioError> {
        if let Some(text) = shipped(name) {
            return Self::parse(text);
        }
        if !name.ends_with(".toml") {
            return Err(ScenarioError::Unknown { name: name.into() });
        }
        let read = std::fs::read_to_string(name);
        let text =
            read.map_err(|error| ScenarioError::File { name: name.into(), what: error.to_string() })?;
        let mut scenario = Self::read(&text)?;
        scenario.topology = scenario.topology.beside(Path::new(name));
        scenario.check()?;
        if scenario.name == Self::default().name {
            scenario.name = name.into();
        }
        Ok(scenario)
    }

    /// How many seconds after the end of the faults all members must be connected and equal.
    pub fn settle_seconds(&self) -> u64 {
        let joined = self.discovery.as_ref().map_or(0, |discovery| discovery.bound_seconds(self.members));
        self.bound_seconds.max(joined)
    }

    /// The scenario with another number of members. With fewer, the same share of members joins, leaves,
    /// misbehaves, is restored or has a drifting clock; at least one, as long as there is one beside the
    /// first.
    #[must_use]
    pub fn with_members(mut self, members: usize) -> Self {
        let (before, now) = (self.members.saturating_sub(1) as u64, members.saturating_sub(1) as u64);
        self.members = members;
        if now < before {
            let part = |n: u64, room: u64| (n * now / before).max(1).min(n).min(room);
            let faults = &mut self.faults;
            faults.drifting_clocks = part(faults.drifting_clocks, now);
            // These are different members.
            let mut room = now;
            for n in [
                &mut faults.misbehaving,
                &mut faults.restores,
                &mut faults.joins,
                &mut faults.leaves,
                &mut faults.deaths,
            ] {
                *n = part(*n, room);
                room -= *n;
            }
            let mut room = members as u64;
            for n in &mut faults.islands {
                *n = (*n * members as u64 / (before + 1)).max(1).min(room);
                room -= *n;
            }
            faults.islands.retain(|n| *n > 0);
        }
        self
    }
}

impl Faults {
    /// How long members are down, in microseconds.
    pub fn down_micros(&self) -> [u64; 2] {
        or(self.down_ms, [100, 5_000])
    }

    /// Maximum delay of late messages, in microseconds; 0 if there are none.
    pub fn late_micros(&self) -> u64 {
        let ms = if self.late_ms > 0 { self.late_ms } else { 500 };
        if self.late_per_mille > 0 { ms * 1_000 } else { 0 }
    }

    /// How long links are cut, in microseconds.
    pub fn cut_micros(&self) -> [u64; 2] {
        or(self.cut_ms, [500, 10_000])
    }
}

fn or(said: [u64; 2], unsaid: [u64; 2]) -> [u64; 2] {
    let [least, most] = if said == [0, 0] { unsaid } else { said };
    [least * 1_000, most * 1_000]
}
