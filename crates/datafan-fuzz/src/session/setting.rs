//! What every session begins with: made once, with disks to be copied.

use super::side::{Side, Trust};
use datafan_core::{
    connector::Direction,
    engine::{Command, Config, Effect, Input, Ticket, Write},
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

/// What wall clocks show at time 0.
pub const BEGINNING: u64 = 1_800_000_000 * SECOND;

/// Owner, timestamp and root of a state that its owner signed.
pub type Signed = (MemberId, Timestamp, Hash);

pub struct Setting {
    pub mesh: MeshId,
    /// The founder's disk, some time after the victim saw it last: more changes than the graves reach back.
    pub founder: MemDisk,
    /// The victim's disk: with nothing on it, as of the last meeting, equal to the founder's.
    pub victims: [MemDisk; 3],
    /// When all that was over.
    pub time: Time,
    /// The founder's heads and the authority's so far.
    pub signed: BTreeSet<Signed>,
}

pub fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(make)
}

/// Who is who; the founder holds the authority's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Authority = 1,
    Founder,
    Victim,
    Rogue,
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
    config.graves_max = 8;
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

/// The heads that `side` holds of the founder's two shards.
pub fn signed(side: &Side) -> impl Iterator<Item = Signed> {
    let snapshot = side.engine().reader().snapshot().expect("the store works");
    [Who::Authority, Who::Founder].into_iter().filter_map(move |who| {
        let (_, record) = snapshot.whole(&identity(who).id()).expect("the store works")?;
        record.head.map(|head| (head.owner, head.timestamp, head.root))
    })
}

fn make() -> Setting {
    let mut making = Making { time: Time(SECOND), signed: BTreeSet::new(), n_tickets: 0 };
    let new = Config { new_mesh: true, ..config(Who::Founder) };
    let mut founder = Side::open(new, MemDisk::new(), Trust::Strict, at(making.time));
    for who in [Who::Founder, Who::Victim, Who::Rogue] {
        let name = config(who).name;
        making.command(&mut founder, Command::Admit { id: identity(who).id(), name });
    }
    for n in 0..6 {
        let writes = (0..10).map(|k| put(&format!("k{}", n * 10 + k), &[b'v'; 150][..10 + n * 20]));
        making.command(&mut founder, Command::Commit(writes.collect()));
    }
    let victim = Side::open(config(Who::Victim), MemDisk::new(), Trust::Strict, at(making.time));
    let (mut founder, victim) = making.meet(founder, victim);
    let early = victim.close();
    for n in 0..12 {
        let delete = |k: usize| Write::Delete { key: Key::new(format!("k{k}")).expect("a key") };
        let mut writes: Vec<Write> = (0..25).map(|k| put(&format!("n{n}-{k}"), &[b'w'; 60])).collect();
        writes.extend([delete(n * 3), delete(n * 3 + 1)]);
        making.command(&mut founder, Command::Commit(writes));
    }
    let late = Side::open(config(Who::Victim), early.copy(), Trust::Strict, at(making.time));
    let (founder, late) = making.meet(founder, late);
    let Making { time, signed, .. } = making;
    let victims = [MemDisk::new(), early, late.close()];
    Setting { mesh: mesh(), founder: founder.close(), victims, time, signed }
}

struct Making {
    time: Time,
    signed: BTreeSet<Signed>,
    n_tickets: u64,
}

impl Making {
    fn command(&mut self, founder: &mut Side, command: Command) {
        self.n_tickets += 1;
        self.time = self.time.after(6 * SECOND);
        let ticket = Ticket(self.n_tickets);
        let effects = founder.handle(at(self.time), vec![Input::Command { ticket, command }]);
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Answer { .. })), "{effects:?}");
        self.signed.extend(signed(founder));
    }

    /// Links both until they are equal, and takes the link away.
    fn meet(&mut self, founder: Side, victim: Side) -> (Side, Side) {
        let mut sides = [founder, victim];
        let ids = [sides[0].id(), sides[1].id()];
        let up = |peer| Input::LinkUp { peer, address: None, direction: Direction::Out };
        let mut under_way = VecDeque::from([(0, up(ids[1])), (1, up(ids[0]))]);
        for _ in 0..60 {
            while let Some((to, input)) = under_way.pop_front() {
                for effect in sides[to].handle(at(self.time), vec![input]) {
                    if let Effect::Send { frame, .. } = effect {
                        let from = ids[to];
                        under_way.push_back((1 - to, Input::Message { from, bytes: frame.bytes }));
                    }
                }
                // A link makes the founder publish it.
                self.signed.extend(signed(&sides[0]));
            }
            self.time = self.time.after(SECOND);
            under_way.extend([(0, Input::Wake), (1, Input::Wake)]);
        }
        assert!(signed(&sides[0]).eq(signed(&sides[1])), "they are equal");
        for (to, side) in sides.iter_mut().enumerate() {
            let down = Input::LinkDown { peer: ids[1 - to], reason: "over".into() };
            side.handle(at(self.time), vec![down]);
        }
        sides.into()
    }
}
