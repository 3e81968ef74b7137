//! Opens an engine on a store, and closes it.

use super::{
    Engine,
    config::Config,
    context::Context,
    discovery::{AddressBook, Discovery},
    disk::Disk,
    divergent_copies::DivergentCopies,
    heard_for::HeardFor,
    key_conflicts::KeyConflicts,
    links::Links,
    members::Members,
    open_error::OpenError,
    own::{OwnRun, OwnShards},
    replicas::{Forks, Owner, Replicas},
};
use crate::{
    codec::{Reader, Writer},
    id::{MemberId, MeshId},
    identity::Verifier,
    rng::Rng,
    roster::{IdRole, role_of},
    store::{Meta, ShardNumber, ShardState, Store, StoreError},
    time::{Now, Timestamp},
};
use alloc::{boxed::Box, vec::Vec};

impl<S: Store> Engine<S> {
    /// Opens the engine of `config.member` on `store`. `seed` determines all random choices.
    ///
    /// # Errors
    /// If the store fails or belongs to another mesh or member, or if a key does not fit. Nothing was
    /// changed.
    pub fn open(
        config: Config,
        seed: u64,
        verifier: Box<dyn Verifier>,
        store: S,
        now: Now,
    ) -> Result<Self, OpenError> {
        let me = config.member.id();
        if let Some(authority) = config.authority.as_ref().filter(|key| key.id() != config.mesh.authority()) {
            return Err(OpenError::WrongAuthority { found: authority.id(), mesh: config.mesh });
        }
        if role_of(&config.mesh, &me) == IdRole::Authority {
            return Err(OpenError::AuthorityAsMember { mesh: config.mesh });
        }
        let disk = Disk::new(store, now.time)?;
        belongs(&disk, &config)?;
        let mut engine = Self::new(config, seed, verifier, disk, now);
        engine.load_meta()?;
        engine.load_shards()?;
        let owners = &mut engine.replicas;
        engine.own.load_shards(&engine.cx, &engine.disk, |own| owners.get_or_insert(own).timestamp())?;
        let is_marked = engine.disk.meta(Meta::Newcomer, "newcomer", |_| Ok(()))?.is_some();
        engine.conflicts().load_newcomer(is_marked);
        engine.conflicts().queue_own_addresses()?;
        Ok(engine)
    }

    /// The engine before anything was loaded from the store.
    fn new(config: Config, seed: u64, verifier: Box<dyn Verifier>, disk: Disk<S>, now: Now) -> Self {
        let mut rng = Rng::new(seed);
        let run = OwnRun::new(&mut rng, now);
        let me = config.member.id();
        Self {
            replicas: Replicas::new(config.mesh),
            discovery: Discovery::new(me, now.wall),
            disk,
            cx: Context::new(config, rng, verifier, now),
            own: OwnShards::new(me, run),
            key_conflicts: KeyConflicts::default(),
            members: Members::default(),
            links: Links::new(),
            divergent: DivergentCopies::default(),
        }
    }

    fn load_meta(&mut self) -> Result<(), StoreError> {
        let disk = &mut self.disk;
        self.own.load(&self.cx, disk)?;
        self.replicas.forks = disk.meta(Meta::Forks, "evidence", Forks::decode)?.unwrap_or_default();
        if let Some(heard) = disk.meta(Meta::HeardFor, "divergent copies", HeardFor::decode)? {
            self.divergent.load_heard(heard);
        }
        let min = disk.meta(Meta::RosterMin, "roster bound", |bytes| Reader::new(bytes).fixed())?;
        let config = &mut self.cx.config;
        config.roster_min = config.roster_min.max(Timestamp(min.unwrap_or_default()));
        let cache = disk.meta(Meta::Addresses, "addresses", AddressBook::decode)?;
        self.discovery.addresses = cache.unwrap_or_default();
        let mut out = Writer::new();
        out.id(&config.mesh.0).id(&self.cx.me);
        disk.set_meta(Meta::Belongs, Some(out.finish()));
        disk.set_meta(Meta::RosterMin, Some(self.cx.config.roster_min.0.to_be_bytes().into()));
        Ok(())
    }

    fn load_shards(&mut self) -> Result<(), StoreError> {
        for (number, record) in self.disk.load_shards()? {
            let id = record.owner;
            match record.state {
                ShardState::Whole { .. } => self.replicas.hold(&id, Some((number, record))),
                ShardState::Building { .. } => self.replicas.set_building(&id, number),
                ShardState::Divergent { .. } => self.divergent.load(id, number),
                ShardState::Dead => {}
            }
        }
        let authority = self.cx.config.mesh.authority();
        if let Some((shard, _)) = self.replicas.get(&authority).and_then(Owner::whole) {
            self.greeting().load_roster(shard)?;
            self.members.mark_changed();
        }
        let wholes: Vec<(MemberId, ShardNumber)> =
            self.replicas.iter().filter_map(|owner| Some((*owner.id(), owner.whole()?.0))).collect();
        for (owner, shard) in wholes {
            self.system_items().load_system(&owner, shard)?;
        }
        self.dialling().apply_news();
        self.fork_judge().judge_all_forks();
        Ok(())
    }

    /// Stops cleanly: records which timestamps were used, syncs and closes the store. Waiting commands are
    /// not carried out.
    ///
    /// # Errors
    /// If the store failed.
    pub fn close(self) -> Result<(), StoreError> {
        self.disk.close(self.own.encode_last())
    }
}

fn belongs<S: Store>(disk: &Disk<S>, config: &Config) -> Result<(), OpenError> {
    let read = |bytes: &[u8]| {
        let mut input = Reader::new(bytes);
        Ok((MeshId(input.id()?), input.id()?))
    };
    match disk.meta(Meta::Belongs, "owner", read)? {
        Some((mesh, member)) if (mesh, member) != (config.mesh, config.member.id()) => {
            Err(OpenError::Belongs { member, mesh })
        }
        Some(_) | None => Ok(()),
    }
}
