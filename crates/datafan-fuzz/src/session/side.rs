//! An honest member: its disk, how it starts on it, and what a driver does with it.

use super::check;
use datafan_core::{
    engine::{Config, Effect, Engine, Input},
    id::MemberId,
    identity::{Strict, Verifier},
    time::Now,
};
use datafan_store_mem::{MemDisk, MemStore};
use datafan_testkit::engines;
use std::{cell::RefCell, collections::BTreeMap};

/// The members that are engines.
pub type Engines = engines::Engines<Engine<MemStore>>;

/// How signatures are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Correctly.
    Strict,
    /// Almost all are accepted, so that inputs reach the code behind the check; then no data is known to be
    /// true.
    Any,
}

pub struct Side {
    config: Config,
    disk: MemDisk,
    trust: Trust,
}

impl Side {
    pub fn new(config: Config, disk: MemDisk, trust: Trust) -> Self {
        Self { config, disk, trust }
    }

    /// Starts on the disk, which no engine has open.
    pub fn open(&mut self, now: Now) -> Engine<MemStore> {
        let store = self.disk.open().expect("the disk works");
        let verifier: Box<dyn Verifier> = match self.trust {
            Trust::Strict => Box::new(Remembered),
            Trust::Any => Box::new(Any),
        };
        let engine = Engine::open(self.config.clone(), 7, verifier, store, now);
        self.config.new_mesh = false;
        engine.expect("a member starts on what it wrote")
    }

    /// Adds it to the others.
    pub fn join(&mut self, engines: &mut Engines, now: Now) -> usize {
        engines.add(self.config.member.id(), self.open(now))
    }

    /// Crashes `member`, which loses unsynced data, and starts it again.
    pub fn restart(&mut self, engines: &mut Engines, member: usize, now: Now) {
        drop(engines.stop(member));
        engines.start(member, self.open(now));
    }

    /// Stops `member` cleanly, and returns its disk.
    pub fn close(self, engines: &mut Engines, member: usize) -> MemDisk {
        engines.stop(member).expect("it runs").close().expect("the disk works");
        self.disk
    }
}

/// Passes `inputs` to it; returns the effects in order, including syncs.
pub fn handle(engines: &mut Engines, member: usize, now: Now, inputs: Vec<Input>) -> Vec<Effect> {
    engines.handle(member, now, inputs).expect("whatever a peer says is no failure of the store");
    let effects = engines.take_effects(member);
    check::are_bounded(&effects);
    effects
}

/// Like [`Strict`], with a cache, as every session checks the same heads.
struct Remembered;

/// The key, message and signature.
type Claim = (MemberId, Vec<u8>, [u8; 64]);

thread_local! {
    static ANSWERS: RefCell<BTreeMap<Claim, bool>> = const { RefCell::new(BTreeMap::new()) };
}

impl Verifier for Remembered {
    fn verify(&self, id: &MemberId, message: &[u8], signature: &[u8; 64]) -> bool {
        ANSWERS.with_borrow_mut(|answers| {
            if answers.len() == ANSWERS_MAX {
                answers.clear();
            }
            let claim = (*id, message.to_vec(), *signature);
            *answers.entry(claim).or_insert_with(|| Strict.verify(id, message, signature))
        })
    }
}

const ANSWERS_MAX: usize = 4_096;

struct Any;

impl Verifier for Any {
    fn verify(&self, _: &MemberId, _: &[u8], signature: &[u8; 64]) -> bool {
        signature[0] != 0xff
    }
}
