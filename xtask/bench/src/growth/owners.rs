//! Cost against owners, each with one item, at two members that are linked to each other.
//!
//! The owners themselves are not in any process: their pushes are signed here, and both members receive them.
//! So ten thousand owners do not need copies of a roster of ten thousand members.

use super::{
    items::PAUSE,
    point::{MICROS, point, runs},
};
use crate::{
    data,
    figures::{Figures, memory},
    mesh::Mesh,
    report::Report,
    scale::Scale,
    trace::{Deltas, Tag, Trace},
};
use anyhow::{Result, ensure};
use datafan_core::{
    head::Head,
    id::MeshId,
    identity::Identity,
    item::Item,
    message::{Delta, Message, encode_delta},
    time::{SECOND, Timestamp},
    trie::{Branch, root_hash},
};
use datafan_store_mem::MemStore;
use datafan_testkit::workload;

/// All curves, point by point.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    for &owners in scale.growth.owners {
        report.progress(&format!("{owners} owners"));
        let n = owners.to_string();
        let rest = runs(scale.runs, &["growth-owners", &n])?;
        let curves = [
            ("idle_round", "bytes/link/direction", "idle_bytes", 1.0),
            ("idle_round_cpu", "us", "idle_cpu_s", MICROS),
            ("push_applied", "us", "push_cpu_s", MICROS),
            ("found_in_a_round", "bytes", "found_bytes", 1.0),
            ("found_in_a_round_messages", "messages", "found_messages", 1.0),
        ];
        for (name, unit, figure, factor) in curves {
            point(report, (&format!("owners_{name}"), unit), owners, &rest, (figure, factor))?;
        }
        let memory = runs(scale.runs.min(3), &["growth-owners-memory", &n])?;
        point(report, ("owners_memory", "bytes/owner"), owners, &memory, ("bytes_per_owner", 1.0))?;
    }
    Ok(())
}

/// An idle round, a push, and the search for the one head that differs.
///
/// # Errors
/// If the members do not become equal.
pub fn at_rest(owners: u32) -> Result<Figures> {
    let mut crowd = Crowd::linked()?;
    crowd.gather(owners)?;
    let mut figures = Figures::default();
    crowd.idle(&mut figures)?;
    crowd.pushes(&mut figures)?;
    crowd.finds(owners, &mut figures)?;
    Ok(figures)
}

/// Resident memory per additional owner at one member: its head, its item, and its entry in the roster.
///
/// # Errors
/// If the system does not report memory.
pub fn memory_of_each(owners: u32) -> Result<Figures> {
    let mut crowd = Crowd::linked()?;
    let before = memory("VmRSS")?;
    crowd.gather(owners)?;
    let taken = memory("VmRSS")?.saturating_sub(before);
    let mut figures = Figures::default();
    // There are two members.
    figures.add("bytes_per_owner", taken as f64 / 2.0 / f64::from(owners));
    Ok(figures)
}

/// Two members that hold the data of the owners.
struct Crowd {
    mesh: Mesh,
    mesh_id: MeshId,
    wall: Timestamp,
}

impl Crowd {
    fn linked() -> Result<Self> {
        let mut mesh = Mesh::on_virtual_time();
        let config = data::config(0)?;
        let mesh_id = config.mesh;
        mesh.add(config, MemStore::new())?;
        mesh.add(data::config(1)?, MemStore::new())?;
        mesh.link(0, 1);
        mesh.until("both know the roster", |mesh| mesh.n_ready(0) == 1 && mesh.n_ready(1) == 1)?;
        Ok(Self { mesh, mesh_id, wall: Timestamp(data::wall_micros()) })
    }

    /// Admits this many owners, each of which has written one item that both members hold.
    fn gather(&mut self, owners: u32) -> Result<()> {
        for number in 0..owners {
            let owner = owner(number);
            self.mesh.admit(owner.id(), format!("owner-{number}").parse()?)?;
            self.mesh.settle()?;
            let push = self.version(&owner, 0);
            self.mesh.hears(0, 1, push.clone());
            self.mesh.hears(1, 0, push);
            self.mesh.settle()?;
            if number % PER_SECOND == 0 {
                self.mesh.pass(SECOND)?;
            }
        }
        let held = |mesh: &Mesh| {
            (0..owners).all(|number| (0..2).all(|member| mesh.head(member, &owner(number).id()).is_some()))
        };
        self.mesh.pass(60 * SECOND)?;
        ensure!(held(&self.mesh), "both were to hold all");
        Ok(())
    }

    /// The push of an owner that puts its item for the `n`th time.
    fn version(&self, owner: &Identity, n: u64) -> Vec<u8> {
        let timestamp = Timestamp(self.wall.0 + n);
        let key = workload::key(0);
        let item = Item { key, timestamp, expiry: None, value: data::value(n).into() };
        let root = root_hash(Some(&Branch::leaf(timestamp.0, item.leaf())));
        let (items, bytes, signature) = (1, item.bytes(), [0; 64]);
        let head = Head { owner: owner.id(), timestamp, items, bytes, root, signature };
        let head = head.signed(&self.mesh_id, owner);
        // The first delta of a new owner starts at nothing; a later one where the previous one ended.
        let base = if n == 0 { Timestamp::ZERO } else { Timestamp(timestamp.0 - 1) };
        let body = encode_delta(base, &[item], &[]);
        Message::Push(Delta::new(head, base, &body)).encode()
    }

    fn idle(&mut self, figures: &mut Figures) -> Result<()> {
        let rounds = self.mesh.n_rounds(0) + self.mesh.n_rounds(1);
        self.mesh.begin_trace(Trace::new(Deltas::Carried));
        self.mesh.pass(60 * SECOND)?;
        let all = self.mesh.end_trace().expect("it was begun above").messages();
        let rounds = (self.mesh.n_rounds(0) + self.mesh.n_rounds(1) - rounds) as f64;
        figures.add("idle_bytes", all.bytes as f64 / rounds);
        figures.add("idle_cpu_s", all.worked.as_secs_f64() / rounds);
        Ok(())
    }

    fn pushes(&mut self, figures: &mut Figures) -> Result<()> {
        self.mesh.commit(1, vec![data::write(0)])?;
        self.mesh.settle()?;
        // A new value each time: a put of an unchanged value changes nothing.
        let write = |n: u64| if n.is_multiple_of(2) { data::write(0) } else { data::rewrite(0) };
        self.mesh.begin_trace(Trace::new(Deltas::Carried));
        for n in 1..=PUSHES {
            self.mesh.commit(1, vec![write(n)])?;
            self.mesh.until("the peer has it", |mesh| mesh.holds(0, 1))?;
            self.mesh.pass(PAUSE)?;
        }
        let push = self.mesh.end_trace().expect("it was begun above").tally(Tag::Delta);
        ensure!(push.messages == PUSHES, "{} pushes", push.messages);
        figures.add("push_cpu_s", push.worked.as_secs_f64() / PUSHES as f64);
        Ok(())
    }

    /// One member receives an owner's new version and believes that the other one has it: only a round can
    /// find the difference.
    fn finds(&mut self, owners: u32, figures: &mut Figures) -> Result<()> {
        let n = owners.min(FINDS);
        let (mut bytes, mut messages) = (0, 0);
        for number in 0..n {
            self.mesh.pass(10 * SECOND)?;
            let owner = owner(number * (owners / n));
            let push = self.version(&owner, 1);
            self.mesh.hears(0, 1, push);
            self.mesh.settle()?;
            let head = self.mesh.head(0, &owner.id());
            ensure!(head != self.mesh.head(1, &owner.id()), "it was to be behind");
            self.mesh.begin_trace(Trace::new(Deltas::Carried));
            self.mesh.until("the round finds it", |mesh| mesh.head(1, &owner.id()) == head)?;
            let found = self.mesh.end_trace().expect("it was begun above").tally(Tag::Other);
            bytes += found.bytes;
            messages += found.messages;
        }
        figures.add("found_bytes", bytes as f64 / f64::from(n));
        figures.add("found_messages", messages as f64 / f64::from(n));
        Ok(())
    }
}

fn owner(number: u32) -> Identity {
    let mut secret = [11; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    Identity::from_secret(&secret)
}

/// Enough for a stable mean.
const PUSHES: u64 = 500;
const FINDS: u32 = 20;
/// Owners that are admitted per second of virtual time.
const PER_SECOND: u32 = 50;
