//! Opening an engine on a store, and closing it.

use super::{
    Config, Engine,
    addresses::AddressCache,
    context::Context,
    dialer::Dialer,
    disk::Disk,
    divergent::Divergent,
    forks::Forks,
    heard_for::HeardFor,
    links::Links,
    listed::Listed,
    own::{Own, Past, decode_bounds, decode_runs, encode_bounds},
    own_links::OwnLinks,
    owners::{Owner, Owners},
    pace::Pace,
    penalties::Penalties,
    processes::Processes,
    reach::Reach,
    recovery::Recovered,
    refused::Said,
    restamp::Voids,
    roster::Roster,
    runs::Runs,
    same_key::SameKey,
    surplus::Surplus,
    tree::Trees,
    wanted::Wanted,
};
use crate::{
    codec::{DecodeError, Reader, Writer},
    id::{MemberId, MeshId},
    identity::Verifier,
    rng::Rng,
    roster::{IdRole, role_of},
    store::{Meta, ShardNumber, ShardState, Store, StoreError, StoreSnapshot},
    time::{Now, Time, Timestamp},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    vec::Vec,
};

/// Why an engine does not open. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store belongs to another mesh or member.
    #[error("the store belongs to member {member} of mesh {mesh}: wrong key file or wrong directory")]
    Belongs {
        /// The store's member.
        member: MemberId,
        /// The store's mesh.
        mesh: MeshId,
    },
    /// The authority's key is not the mesh's.
    #[error("the authority key is {found}, the mesh is {mesh}")]
    WrongAuthority {
        /// The key's id.
        found: MemberId,
        /// The mesh.
        mesh: MeshId,
    },
    /// The member's key is the authority's. Each needs a key of its own.
    #[error("the member's key is the key of the mesh {mesh} itself: a member needs a key of its own")]
    AuthorityAsMember {
        /// The mesh.
        mesh: MeshId,
    },
}

impl<S: Store> Engine<S> {
    /// Opens the engine of `config.member` on `store`. `seed` decides all that is drawn by lot (jitter).
    ///
    /// # Errors
    /// If the store fails or is another's; nothing was changed.
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
        belongs(disk.current(), &config)?;
        let mut engine = Self::new(config, seed, verifier, disk, now);
        engine.load_meta()?;
        engine.load_shards()?;
        engine.load_own()?;
        let is_marked = engine.disk.meta(Meta::Newcomer)?.is_some();
        engine.load_newcomer(is_marked);
        engine.seek_same_key()?;
        Ok(engine)
    }

    /// The engine before anything was loaded from the store.
    fn new(config: Config, seed: u64, verifier: Box<dyn Verifier>, disk: Disk<S>, now: Now) -> Self {
        let mut rng = Rng::new(seed);
        let (runs, next_round) = (Runs::new(&mut rng, now), now.time.after(rng.jitter(config.round_micros)));
        Self {
            owners: Owners::new(config.mesh),
            dialer: Dialer::default(),
            address_cache: AddressCache::default(),
            addressed: BTreeSet::new(),
            own_links: OwnLinks::default(),
            reach: Reach::new(config.member.id(), now.wall),
            surplus: Surplus::default(),
            disk,
            cx: Context::new(config, rng, verifier, now),
            next_round,
            past: Past::default(),
            recovered: None,
            forks: Forks::default(),
            pace: Pace::default(),
            voids: Voids::default(),
            runs,
            own: BTreeMap::new(),
            confirm_at: Time::NEVER,
            same_key: SameKey::default(),
            processes: Processes::default(),
            listed: Listed::default(),
            roster: Roster::default(),
            wanted: Wanted::default(),
            dirty: BTreeMap::new(),
            links: Links::new(),
            trees: Trees::default(),
            penalties: Penalties::default(),
            pending: VecDeque::new(),
            refused_by: None,
            said: Said::default(),
            waiting: VecDeque::new(),
            addresses: Vec::new(),
            publish: false,
            outranks: false,
            look_for_expired: true,
            divergent: Divergent::default(),
            next_request: 0,
            served_last: None,
        }
    }

    fn load_meta(&mut self) -> Result<(), StoreError> {
        if let Some(bytes) = self.disk.meta(Meta::Past)? {
            self.past = Past::decode(&bytes).map_err(|error| damaged("past", &error))?;
        }
        if let Some(bytes) = self.disk.meta(Meta::Forks)? {
            self.forks = Forks::decode(&bytes).map_err(|error| damaged("evidence", &error))?;
        }
        if let Some(bytes) = self.disk.meta(Meta::HeardFor)? {
            let heard = HeardFor::decode(&bytes).map_err(|error| damaged("divergent copies", &error))?;
            self.divergent.load_heard(heard);
        }
        if let Some(bytes) = self.disk.meta(Meta::Recovered)? {
            self.recovered = Some(Recovered::decode(&bytes).map_err(|error| damaged("recovery", &error))?);
        }
        if let Some(bytes) = self.disk.meta(Meta::RosterMin)? {
            let mut input = Reader::new(&bytes);
            let min = input.fixed().map_err(|error| damaged("roster bound", &error))?;
            self.cx.config.roster_min = self.cx.config.roster_min.max(Timestamp(min));
        }
        if let Some(bytes) = self.disk.meta(Meta::Addresses)? {
            self.address_cache =
                AddressCache::decode(&bytes).map_err(|error| damaged("addresses", &error))?;
        }
        let mut out = Writer::new();
        out.id(&self.cx.config.mesh.0).id(&self.cx.me);
        self.past.proven |= self.cx.config.new_mesh;
        self.disk.set_meta(Meta::Belongs, Some(out.finish()));
        let min = self.cx.config.roster_min.0.to_be_bytes();
        self.disk.set_meta(Meta::RosterMin, Some(min.into()));
        self.note_past();
        Ok(())
    }

    pub(super) fn note_past(&mut self) {
        self.disk.set_meta(Meta::Past, Some(self.past.encode()));
    }

    fn load_shards(&mut self) -> Result<(), StoreError> {
        for (number, record) in self.disk.load_shards()? {
            let id = record.owner;
            match (record.state, record.head) {
                (ShardState::Whole, Some(_)) => self.owners.hold(&id, Some((number, record))),
                (ShardState::Whole, None) => {
                    return Err(StoreError::Damaged { what: format!("shard {} has no head", number.0) });
                }
                (ShardState::Building, _) => self.owners.entry(&id).busy_mut().building = Some(number),
                (ShardState::Dead, _) => {}
                (ShardState::Aside, _) => self.divergent.load(id, number),
            }
        }
        let authority = self.cx.config.mesh.authority();
        if let Some((shard, _)) = self.owners.get(&authority).and_then(Owner::whole) {
            self.load_roster(shard)?;
            self.roster.judge_again();
        }
        let wholes: Vec<(MemberId, ShardNumber)> =
            self.owners.iter().filter_map(|owner| Some((*owner.id(), owner.whole()?.0))).collect();
        for (owner, shard) in wholes {
            self.load_system(&owner, shard)?;
        }
        self.judge_all_forks();
        Ok(())
    }

    fn load_own(&mut self) -> Result<(), StoreError> {
        let bounds = match self.disk.meta(Meta::Bound)? {
            Some(bytes) => decode_bounds(&bytes).map_err(|error| damaged("bounds", &error))?,
            None => BTreeMap::new(),
        };
        let mut runs = match self.disk.meta(Meta::Runs)? {
            Some(bytes) => decode_runs(&bytes).map_err(|error| damaged("runs", &error))?,
            None => BTreeMap::new(),
        };
        self.confirm_at = match self.past {
            _ if self.cx.config.abandon => self.cx.now.time,
            Past { proven: true, told: false } => self.cx.now.time,
            Past { proven: true, told: true } => self.cx.now.time.after(self.cx.config.confirm_micros),
            Past { proven: false, .. } => Time::NEVER,
        };
        let identities = [Some(self.cx.config.member.clone()), self.cx.config.authority.clone()];
        for identity in identities.into_iter().flatten() {
            let id = identity.id();
            let head = self.owners.entry(&id).timestamp();
            let bound = bounds.get(&id).copied().unwrap_or_default();
            let runs = runs.remove(&id).unwrap_or_default();
            self.own.insert(id, Own::new(identity, head, bound, runs));
        }
        Ok(())
    }

    /// Stops cleanly: notes which timestamps were used, syncs, closes the store. What waits is not carried out.
    ///
    /// # Errors
    /// If the store failed.
    pub fn close(self) -> Result<(), StoreError> {
        let bounds = encode_bounds(self.own.iter().map(|(id, own)| (*id, own.last)));
        self.disk.close(bounds)
    }
}

fn belongs<V: StoreSnapshot>(snapshot: &V, config: &Config) -> Result<(), OpenError> {
    let Some(bytes) = snapshot.meta(Meta::Belongs)? else { return Ok(()) };
    let mut input = Reader::new(&bytes);
    let mut read = || Ok::<_, DecodeError>((MeshId(input.id()?), input.id()?));
    let (mesh, member) = read().map_err(|error| damaged("owner", &error))?;
    if (mesh, member) == (config.mesh, config.member.id()) {
        Ok(())
    } else {
        Err(OpenError::Belongs { member, mesh })
    }
}

fn damaged(what: &str, error: &DecodeError) -> StoreError {
    StoreError::Damaged { what: format!("{what}: {error}") }
}
