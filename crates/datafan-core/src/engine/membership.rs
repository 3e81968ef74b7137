//! Changes of the roster, made here with the authority's key or signed elsewhere and applied, and invited
//! members that have joined.

use super::{
    command_error::{AddressError, RosterError, SignedRosterError, WriteError},
    context::Context,
    discovery::check_addresses,
    disk::Disk,
    effect::{Answer, Committed, Effect, Ticket},
    growth::Growth,
    handlers::{Commits, Replication},
    input::Write,
    learned::How,
    members::{Members, Membership},
    not_writable::NotWritable,
    publish::{SYSTEM_KEYS, system_item},
    replicas::{Owner, Reason, Replicas},
    roster::grant_of,
    verdict::Verdict,
};
use crate::{
    connector::Address,
    grant::{Grant, GrantState},
    hash::Hash,
    id::{MemberId, MeshId, Name},
    limits::{MEMBERS_MAX, ROSTER_CHANGES_MAX},
    message::{Delta, Message},
    roster::{Entries, IdRole, MemberError, RosterChange, changed, role_of},
    store::{Store, StoreError},
    time::Timestamp,
};
use alloc::{string::String, sync::Arc, vec::Vec};

/// The current roster, for checking changes.
struct Held<'a, S: Store> {
    cx: &'a Context,
    disk: &'a Disk<S>,
    members: &'a Members,
    replicas: &'a Replicas,
}

impl<S: Store> Entries for Held<'_, S> {
    type Error = StoreError;

    fn mesh(&self) -> MeshId {
        self.cx.config.mesh
    }

    fn grant(&self, id: &MemberId) -> Result<Option<Grant>, StoreError> {
        grant_of(self.cx, self.disk, self.replicas, id)
    }

    fn named(&self, name: &Name) -> Option<MemberId> {
        self.members.named(name)
    }

    fn head(&self, id: &MemberId) -> Option<(Timestamp, Hash)> {
        self.replicas.get(id).and_then(Owner::head).map(|head| head.order())
    }
}

impl<S: Store> Replication<'_, S> {
    /// Checks an address to dial and the member expected there.
    pub(super) fn check_connect(
        &self,
        address: &Address,
        expected: Option<&MemberId>,
    ) -> Result<(), AddressError> {
        match expected {
            Some(id) if *id == self.cx.me => Err(MemberError::Own { id: *id }.into()),
            Some(id) if role_of(&self.cx.config.mesh, id) == IdRole::Authority => {
                Err(MemberError::Authority { id: *id }.into())
            }
            Some(_) | None => check_addresses(core::slice::from_ref(address)),
        }
    }

    /// Checks that are possible when a number of roster changes arrives.
    pub(super) fn check_roster(&self, changes: usize) -> Result<(), RosterError> {
        match self.cx.config.authority {
            _ if changes > ROSTER_CHANGES_MAX => Err(RosterError::TooManyChanges { changes }),
            None => Err(RosterError::NoAuthority),
            Some(_) => Ok(()),
        }
    }

    /// The writes for changes of the roster.
    pub(super) fn roster_writes(
        &self,
        changes: &[RosterChange],
    ) -> Result<Result<Vec<Write>, RosterError>, StoreError> {
        let itself =
            |change: &RosterChange| matches!(change, RosterChange::Revoke { id, .. } if *id == self.cx.me);
        if changes.iter().any(itself) {
            return Ok(Err(RosterError::Oneself { id: self.cx.me }));
        }
        let (cx, disk) = (&*self.cx, &*self.disk);
        let held = Held { cx, disk, members: self.members, replicas: self.replicas };
        let judged = changed(&held, changes, self.cx.now.wall)?;
        if let Ok(grants) = &judged {
            let n_new = grants.iter().filter(|(id, _)| self.members.of(self.replicas, id).is_none()).count();
            if self.members.n_members() + n_new > MEMBERS_MAX {
                return Ok(Err(RosterError::TooManyMembers));
            }
        }
        let writes = judged.map(|grants| grants.iter().map(|(id, grant)| put_grant(id, grant)).collect());
        Ok(writes.map_err(RosterError::from))
    }

    /// Checks whether an own shard may grow to `after`. System items do not count: here they are known, while
    /// others allow for [`QUOTA_SYSTEM_ITEMS`](crate::limits::QUOTA_SYSTEM_ITEMS) of them.
    pub(super) fn check_quota(
        &self,
        owner: &MemberId,
        after: Growth,
        grown: Growth,
    ) -> Result<Result<(), WriteError>, StoreError> {
        let Some(Membership { quota, .. }) = self.members.of(self.replicas, owner) else {
            return Ok(Ok(()));
        };
        let (items, bytes) = (after.items.max(0) as u64, after.bytes.max(0) as u64);
        // A change that does not grow the shard always passes.
        if items <= quota.items && bytes <= quota.bytes || grown.items <= 0 && grown.bytes <= 0 {
            return Ok(Ok(()));
        }
        let (system_items, system_bytes) = self.system_share(owner)?;
        let (items, bytes) = (items.saturating_sub(system_items), bytes.saturating_sub(system_bytes));
        if items <= quota.items && bytes <= quota.bytes {
            return Ok(Ok(()));
        }
        let (items_max, bytes_max) = (quota.items, quota.bytes);
        Ok(Err(WriteError::OverQuota { items, bytes, items_max, bytes_max }))
    }

    /// Number and bytes of system items in an own shard.
    fn system_share(&self, owner: &MemberId) -> Result<(u64, u64), StoreError> {
        let (mut items, mut bytes) = (0, 0);
        for key in SYSTEM_KEYS {
            if let Some(item) = system_item(self.disk, self.replicas, owner, key)? {
                (items, bytes) = (items + 1, bytes + item.bytes());
            }
        }
        Ok((items, bytes))
    }

    /// Applies a roster that was signed elsewhere, as if a peer had pushed it, and answers.
    pub(super) fn on_signed_roster(&mut self, ticket: Ticket, bytes: &Arc<[u8]>) -> Result<(), StoreError> {
        let authority = self.cx.config.mesh.authority();
        match self.judge_signed(bytes) {
            Ok(Some(delta)) => {
                self.replicas.get_or_insert(&authority);
                let applied = self.apply_delta(self.cx.me, &delta, How::Pulled)?;
                let answer = match applied {
                    true => Answer::Committed(Committed { timestamp: delta.head.timestamp, changed: 1 }),
                    false => Answer::Refused(self.why_not_applied(&delta).into()),
                };
                self.cx.emit_after_sync(Effect::Answer { ticket, answer });
            }
            Ok(None) => self.cx.answer_unchanged(ticket, self.replicas.timestamp(&authority)),
            Err(error) => self.cx.refuse(ticket, error),
        }
        Ok(())
    }

    /// The delta of a signed roster, if it is to be applied; `None` if it is held already.
    fn judge_signed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Delta<'a>>, SignedRosterError> {
        self.disk.check_room()?;
        let authority = self.cx.config.mesh.authority();
        let delta = match Message::decode(bytes) {
            Ok(Message::Push(delta)) if delta.head.owner == authority && delta.contents().is_ok() => delta,
            Ok(Message::Push(delta)) if delta.head.owner != authority => {
                return Err(SignedRosterError::OtherMesh);
            }
            _ => return Err(SignedRosterError::Malformed),
        };
        if self.cx.config.authority.is_some() {
            return Err(SignedRosterError::HasAuthority);
        }
        if !self.cx.check_signature(&delta.head) {
            return Err(SignedRosterError::Signature);
        }
        let held = self.replicas.roster_head().map_or((Timestamp::ZERO, Hash([0; 32])), |head| head.order());
        if held == delta.head.order() {
            return Ok(None);
        }
        if held > delta.head.order() {
            return Err(SignedRosterError::Older);
        }
        match self.rules().verdict(&delta.head) {
            Verdict::Refused(Reason::Clock) => return Err(SignedRosterError::Future),
            Verdict::Refused(_) | Verdict::Unknown => return Err(SignedRosterError::BeforeTicket),
            Verdict::Good => {}
        }
        if delta.base > held.0 {
            return Err(SignedRosterError::Ahead { base: delta.base, held: held.0 });
        }
        Ok(Some(delta))
    }

    fn why_not_applied(&self, delta: &Delta<'_>) -> SignedRosterError {
        let refused = self.replicas.get(&delta.head.owner).and_then(|owner| owner.refused());
        match refused.is_some_and(|refused| refused.order == delta.head.order()) {
            true => SignedRosterError::Shrinks,
            false => SignedRosterError::DoesNotFollow,
        }
    }
}

impl<S: Store> Commits<'_, S> {
    /// Checks whether the roster allows `owner` to have a shard.
    pub(super) fn check_role(&self, owner: &MemberId) -> Result<(), NotWritable> {
        match self.members.of(self.replicas, owner) {
            Some(membership) if !membership.role.owns() => {
                Err(NotWritable::Reader { name: String::from(self.members.own_name(self.cx).as_str()) })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Marks invited members that have joined as active, so that their invitations can no longer expire.
    pub(super) fn activate_joined(&mut self) -> Result<(), StoreError> {
        let authority = self.cx.config.mesh.authority();
        if self.members.n_joined() == 0 || !matches!(self.may_write(&authority), Ok(true)) {
            return Ok(());
        }
        let n = self.members.n_joined().min(ROSTER_CHANGES_MAX) as u64;
        if self.replicas.check_bound(self.cx, &authority, self.own[&authority].last(), n).is_err() {
            return Ok(());
        }
        let mut writes = Vec::new();
        while let Some(member) = self.members.pop_joined() {
            let grant = grant_of(self.cx, self.disk, self.replicas, &member)?;
            if let Some(grant) = grant.filter(|grant| matches!(grant.state, GrantState::Invited { .. })) {
                writes.push(put_grant(&member, &Grant { state: GrantState::Active, ..grant }));
            }
            if writes.len() == ROSTER_CHANGES_MAX {
                self.cx.more_to_do = true;
                break;
            }
        }
        if writes.is_empty() { Ok(()) } else { self.replication().commit_writes(authority, &writes) }
    }
}

fn put_grant(id: &MemberId, grant: &Grant) -> Write {
    Write::Put { key: Grant::key(id), value: grant.encode().into(), expiry: None }
}
