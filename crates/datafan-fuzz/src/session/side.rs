//! One honest member: a disk, an engine and what a driver does with it.

use super::check;
use datafan_core::{
    engine::{Config, Effect, Engine, Input, Outbox},
    id::MemberId,
    identity::{Strict, Verifier},
    time::Now,
};
use datafan_store_mem::{MemDisk, MemStore};
use std::{cell::RefCell, collections::BTreeMap};

/// How signatures are judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// As they are.
    Strict,
    /// Nearly all are good, so that inputs reach what lies behind: nobody can say any more what is true.
    Any,
}

pub struct Side {
    pub config: Config,
    pub disk: MemDisk,
    trust: Trust,
    /// `None` only while it starts again.
    engine: Option<Engine<MemStore>>,
}

impl Side {
    pub fn open(config: Config, disk: MemDisk, trust: Trust, now: Now) -> Self {
        let mut side = Self { config, disk, trust, engine: None };
        side.restart(now);
        side
    }

    /// A hard stop, which loses what was not synced, and a start.
    pub fn restart(&mut self, now: Now) {
        self.engine = None;
        let store = self.disk.open().expect("the disk works");
        let verifier: Box<dyn Verifier> = match self.trust {
            Trust::Strict => Box::new(Remembered),
            Trust::Any => Box::new(Any),
        };
        let engine = Engine::open(self.config.clone(), 7, verifier, store, now);
        self.engine = Some(engine.expect("a member starts on what it wrote"));
        self.config.new_mesh = false;
    }

    pub fn id(&self) -> MemberId {
        self.config.member.id()
    }

    pub fn engine(&self) -> &Engine<MemStore> {
        self.engine.as_ref().expect("it runs")
    }

    /// Hands over `inputs`; returns what is to be done, in order, syncs included.
    pub fn handle(&mut self, now: Now, inputs: Vec<Input>) -> Vec<Effect> {
        let engine = self.engine.as_mut().expect("it runs");
        let mut out = Outbox::new();
        engine.handle(now, inputs, &mut out).expect("whatever a peer says is no failure of the store");
        assert!(out.wants_sync || out.after_sync.is_empty(), "effects wait for no sync");
        let mut effects = std::mem::take(&mut out.now);
        if out.wants_sync {
            engine.sync(&mut out).expect("the disk works");
            effects.append(&mut out.now);
        }
        check::are_bounded(&effects);
        effects
    }

    /// Stops cleanly.
    pub fn close(mut self) -> MemDisk {
        self.engine.take().expect("it runs").close().expect("the disk works");
        self.disk
    }
}

/// As [`Strict`], which says of the same heads the same again in every session.
struct Remembered;

/// Whose signature of what, and which.
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
