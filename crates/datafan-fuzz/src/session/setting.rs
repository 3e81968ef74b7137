//! The initial state of every session: made once, with disks to be copied.

use super::side::{Engines, Side, Trust, handle};
use datafan_core::{
    connector::Direction,
    engine::{Command, Config, Effect, Input, OwnChange, Ticket, Write},
    hash::Hash,
    id::{MemberId, MeshId, Name},
    identity::Identity,
    item::Key,
    store::{StoreReader, StoreSnapshot},
    time::{Now, SECOND, Time, Timestamp},
};
use datafan_store_mem::MemDisk;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::OnceLock,
};

/// The wall clocks at time 0.
pub const BEGINNING: u64 = 1_800_000_000 * SECOND;

/// Owner, timestamp and root of a state that its owner signed.
pub type Signed = (MemberId, Timestamp, Hash);

pub struct Setting {
    pub mesh: MeshId,
    /// The founder's disk, some time after its last contact with the victim: with more changes than the
    /// tombstones cover.
    pub founder: MemDisk,
    /// The victim's disk: empty, as of the last contact, or equal to the founder's.
    pub victims: [MemDisk; 3],
    /// The time at the end of all that.
    pub time: Time,
    /// The heads of the founder and the authority so far.
    pub signed: BTreeSet<Signed>,
}

pub fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(make)
}

/// The numbers of the two engines.
pub const FOUNDER: usize = 0;
pub const VICTIM: usize = 1;

/// The identities; the founder holds the authority key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Authority = 1,
    Founder,
    Victim,
    Violator,
    Stranger,
}

pub fn identity(who: Who) -> Identity {
    Identity::from_secret(&[who as u8; 32])
}

pub fn mesh() -> MeshId {
    MeshId(identity(Who::Authority).id())
}

pub fn config(who: Who) -> Config {
    let name = Name::new(&format!("{who:?}").to_ascii_lowercase()).expect("a name");
    let mut config = Config::new(mesh(), identity(who), name);
    config.tombstones_max = 8;
    if who == Who::Founder {
        config.authority = Some(identity(Who::Authority));
    }
    config
}

pub fn at(time: Time) -> Now {
    Now { time, wall: Timestamp(BEGINNING + time.0) }
}

pub fn put(key: &str, value: &[u8]) -> Write {
    Write::Put { key: Key::new(key).expect("a key"), value: value.into(), expiry: None }
}

/// The heads of the founder's two shards that a member holds.
pub fn signed(engines: &Engines, member: usize) -> impl Iterator<Item = Signed> + use<> {
    let snapshot = engines.engine(member).reader().snapshot().expect("the store works");
    [Who::Authority, Who::Founder].into_iter().filter_map(move |who| {
        let (_, record) = snapshot.whole(&identity(who).id()).expect("the store works")?;
        record.head().map(|head| (head.owner, head.timestamp, head.root))
    })
}

fn make() -> Setting {
    let engines = Engines::new();
    let mut making = Making { engines, time: Time(SECOND), signed: BTreeSet::new(), n_tickets: 0 };
    let new = Config { new_mesh: true, ..config(Who::Founder) };
    let mut founder = Side::new(new, MemDisk::new(), Trust::Strict);
    founder.join(&mut making.engines, at(making.time));
    for who in [Who::Founder, Who::Victim, Who::Violator] {
        let name = config(who).name;
        making.command(OwnChange::Admit { id: identity(who).id(), name });
    }
    for n in 0..6 {
        let writes = (0..10).map(|k| put(&format!("k{}", n * 10 + k), &[b'v'; 150][..10 + n * 20]));
        making.command(OwnChange::Commit(writes.collect()));
    }
    let mut victim = Side::new(config(Who::Victim), MemDisk::new(), Trust::Strict);
    victim.join(&mut making.engines, at(making.time));
    making.meet();
    let early = victim.close(&mut making.engines, VICTIM);
    for n in 0..12 {
        let delete = |k: usize| Write::Delete { key: Key::new(format!("k{k}")).expect("a key") };
        let mut writes: Vec<Write> = (0..25).map(|k| put(&format!("n{n}-{k}"), &[b'w'; 60])).collect();
        writes.extend([delete(n * 3), delete(n * 3 + 1)]);
        making.command(OwnChange::Commit(writes));
    }
    let mut late = Side::new(config(Who::Victim), early.copy(), Trust::Strict);
    late.restart(&mut making.engines, VICTIM, at(making.time));
    making.meet();
    let Making { mut engines, time, signed, .. } = making;
    let victims = [MemDisk::new(), early, late.close(&mut engines, VICTIM)];
    Setting { mesh: mesh(), founder: founder.close(&mut engines, FOUNDER), victims, time, signed }
}

struct Making {
    engines: Engines,
    time: Time,
    signed: BTreeSet<Signed>,
    n_tickets: u64,
}

impl Making {
    fn command(&mut self, command: impl Into<Command>) {
        self.n_tickets += 1;
        self.time = self.time.after(6 * SECOND);
        let ticket = Ticket(self.n_tickets);
        let effects = self.handle(FOUNDER, Input::Command { ticket, command: command.into() });
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Answer { .. })), "{effects:?}");
        self.signed.extend(signed(&self.engines, FOUNDER));
    }

    /// Links both until they are equal, and removes the link.
    fn meet(&mut self) {
        let both = [FOUNDER, VICTIM];
        let ids = both.map(|member| self.engines.id(member));
        let up = |peer| Input::LinkUp { peer, address: None, direction: Direction::Out };
        let mut under_way = VecDeque::from(both.map(|to| (to, up(ids[1 - to]))));
        for _ in 0..60 {
            while let Some((to, input)) = under_way.pop_front() {
                for effect in self.handle(to, input) {
                    if let Effect::Send { frame, .. } = effect {
                        let from = ids[to];
                        under_way.push_back((1 - to, Input::Message { from, bytes: frame.bytes }));
                    }
                }
                // A link makes the founder publish it.
                self.signed.extend(signed(&self.engines, FOUNDER));
            }
            self.time = self.time.after(SECOND);
            under_way.extend(both.map(|to| (to, Input::Wake)));
        }
        assert!(signed(&self.engines, FOUNDER).eq(signed(&self.engines, VICTIM)), "they are equal");
        for to in both {
            self.handle(to, Input::LinkDown { peer: ids[1 - to], reason: "over".into() });
        }
    }

    fn handle(&mut self, member: usize, input: Input) -> Vec<Effect> {
        handle(&mut self.engines, member, at(self.time), vec![input])
    }
}
