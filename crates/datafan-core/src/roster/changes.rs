//! Changes of the roster, checked against its current entries.

use super::{
    error::{MemberError, Revoked, RosterChangeError},
    role::{IdRole, role_of},
};
use crate::{
    grant::{Grant, GrantState, Quota, Role},
    hash::Hash,
    id::{MemberId, MeshId, Name},
    identity::is_admissible,
    time::Timestamp,
};
use alloc::collections::BTreeMap;

/// What happens to the shard of a revoked member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// The shard is kept at the head that the revoking member holds.
    Keep,
    /// Every member deletes the shard.
    Drop,
}

/// One change of the roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RosterChange {
    /// Grants membership. For an existing member, this changes its name and the given terms.
    Admit {
        /// The member.
        id: MemberId,
        /// Its name.
        name: Name,
        /// Role, quota and invitation. For a new member, absent fields take the defaults; for an existing
        /// one, they stay unchanged.
        terms: GrantChange,
    },
    /// Changes the name or the grant of a member.
    Change {
        /// The member.
        id: MemberId,
        /// Its new name; `None` keeps the name.
        name: Option<Name>,
        /// Role, quota and invitation. Absent fields stay unchanged.
        terms: GrantChange,
    },
    /// Revokes a membership.
    Revoke {
        /// The member.
        id: MemberId,
        /// What happens to its shard.
        disposition: Disposition,
        /// The head to keep; `None` for the head held by the member that makes the change.
        at: Option<(Timestamp, Hash)>,
    },
}

/// The fields of a grant other than the name; `None` for fields that do not change.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct GrantChange {
    /// The role of the member.
    pub role: Option<Role>,
    /// Live items that it may store.
    pub items: Option<u64>,
    /// Bytes of their keys and values.
    pub bytes: Option<u64>,
    /// When its invitation expires: microseconds since 1970, or [`Timestamp::MAX`] for never. An expiry
    /// cannot be set for a member that has joined.
    pub until: Option<Timestamp>,
}

impl RosterChange {
    /// The member whose entry changes.
    pub fn id(&self) -> &MemberId {
        match self {
            Self::Admit { id, .. } | Self::Change { id, .. } | Self::Revoke { id, .. } => id,
        }
    }
}

/// The entries against which changes are checked.
pub trait Entries {
    /// The error of reading the entries.
    type Error;
    /// The mesh that the roster belongs to.
    fn mesh(&self) -> MeshId;
    /// The entry of a member.
    fn grant(&self, id: &MemberId) -> Result<Option<Grant>, Self::Error>;
    /// The member that was last granted a name. It may have another name by now, or be revoked.
    fn named(&self, name: &Name) -> Option<MemberId>;
    /// The head of a member's shard that [`Disposition::Keep`] keeps if the change names none.
    fn head(&self, id: &MemberId) -> Option<(Timestamp, Hash)>;
}

/// The new entries that result from `changes`, each checked against the entries after the previous change. If
/// one change is refused, all are.
///
/// # Errors
/// The outer error if reading fails; the inner error if a change is refused.
pub fn changed<E: Entries>(
    entries: &E,
    changes: &[RosterChange],
    now: Timestamp,
) -> Result<Result<BTreeMap<MemberId, Grant>, RosterChangeError>, E::Error> {
    let mut judged = Judged { entries, now, new: BTreeMap::new() };
    for change in changes {
        match judged.grant_after(change)? {
            Ok(grant) => drop(judged.new.insert(*change.id(), grant)),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(judged.new))
}

struct Judged<'a, E> {
    entries: &'a E,
    now: Timestamp,
    new: BTreeMap<MemberId, Grant>,
}

impl<E: Entries> Judged<'_, E> {
    fn grant(&self, id: &MemberId) -> Result<Option<Grant>, E::Error> {
        match self.new.get(id) {
            Some(grant) => Ok(Some(grant.clone())),
            None => self.entries.grant(id),
        }
    }

    fn grant_after(&self, change: &RosterChange) -> Result<Result<Grant, RosterChangeError>, E::Error> {
        if role_of(&self.entries.mesh(), change.id()) == IdRole::Authority {
            return Ok(Err(MemberError::Authority { id: *change.id() }.into()));
        }
        let (id, held) = (change.id(), self.grant(change.id())?);
        let (name, terms) = match change {
            RosterChange::Revoke { disposition, at, .. } => {
                return Ok(self.revoked(id, held, *disposition, *at));
            }
            RosterChange::Admit { name, terms, .. } => (Some(name), terms),
            RosterChange::Change { name, terms, .. } => (name.as_ref(), terms),
        };
        let is_new = held.is_none() && matches!(change, RosterChange::Admit { .. });
        let held = match (held, name) {
            (Some(held), _) if held.is_active() => held,
            (Some(_), _) => return Ok(Err(Revoked { id: *id }.into())),
            (None, Some(name)) if is_new && is_admissible(id) => self.first(name),
            (None, _) if is_new => return Ok(Err(RosterChangeError::UnsoundKey { id: *id })),
            (None, _) => return Ok(Err(MemberError::Unknown { id: *id }.into())),
        };
        if let Some(name) = name.filter(|name| name.is_id()) {
            return Ok(Err(RosterChangeError::NameIsId { name: name.as_str().into() }));
        }
        if let Some(name) = name
            && let Some(other) = self.other_named(name, id)?
        {
            return Ok(Err(RosterChangeError::NameTaken { name: name.as_str().into(), id: other }));
        }
        let is_in = !is_new && held.state == GrantState::Active;
        if is_in && terms.until.is_some_and(|until| until != Timestamp::MAX) {
            return Ok(Err(RosterChangeError::HasComeIn { name: held.name.as_str().into() }));
        }
        Ok(Ok(self.changed_by(held, name, terms)))
    }

    fn first(&self, name: &Name) -> Grant {
        let (role, quota, state) = (Role::Member, Quota::default(), GrantState::Active);
        Grant { name: name.clone(), role, quota, state, granted: self.now }
    }

    fn changed_by(&self, held: Grant, name: Option<&Name>, terms: &GrantChange) -> Grant {
        let items = terms.items.unwrap_or(held.quota.items);
        let quota = Quota { items, bytes: terms.bytes.unwrap_or(held.quota.bytes) };
        Grant {
            name: name.unwrap_or(&held.name).clone(),
            role: terms.role.unwrap_or(held.role),
            state: match terms.until {
                None => held.state,
                Some(Timestamp::MAX) => GrantState::Active,
                Some(until) => GrantState::Invited { until },
            },
            // Heads signed before the new quota must still be accepted, so the quota applies from now on.
            granted: if quota == held.quota { held.granted } else { self.now },
            quota,
        }
    }

    /// The active member other than `id` that has a name.
    fn other_named(&self, name: &Name, id: &MemberId) -> Result<Option<MemberId>, E::Error> {
        let renamed = self.new.iter().find(|(_, grant)| grant.is_active() && grant.name == *name);
        let other = renamed.map(|(other, _)| *other).or_else(|| self.entries.named(name));
        let Some(other) = other.filter(|other| other != id) else { return Ok(None) };
        // The member that had the name last may have been renamed or revoked.
        let grant = self.grant(&other)?;
        Ok(grant.is_some_and(|grant| grant.is_active() && grant.name == *name).then_some(other))
    }

    fn revoked(
        &self,
        id: &MemberId,
        held: Option<Grant>,
        disposition: Disposition,
        at: Option<(Timestamp, Hash)>,
    ) -> Result<Grant, RosterChangeError> {
        let Some(held) = held else { return Err(MemberError::Unknown { id: *id }.into()) };
        let state = match (disposition, at.or_else(|| self.entries.head(id))) {
            (Disposition::Keep, Some((timestamp, root))) => GrantState::Keep { timestamp, root },
            // Without a head there is nothing to keep.
            (Disposition::Keep, None) | (Disposition::Drop, _) => GrantState::Drop,
        };
        match (held.state, state) {
            (GrantState::Active | GrantState::Invited { .. }, _)
            | (GrantState::Keep { .. }, GrantState::Drop) => Ok(Grant { state, ..held }),
            _ => Err(Revoked { id: *id }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use core::convert::Infallible;

    #[derive(Default)]
    struct Held(BTreeMap<MemberId, Grant>);

    impl Entries for Held {
        type Error = Infallible;

        fn mesh(&self) -> MeshId {
            MeshId(id(MESH))
        }

        fn grant(&self, id: &MemberId) -> Result<Option<Grant>, Infallible> {
            Ok(self.0.get(id).cloned())
        }

        fn named(&self, name: &Name) -> Option<MemberId> {
            self.0.iter().find(|(_, grant)| grant.name == *name).map(|(id, _)| *id)
        }

        fn head(&self, _: &MemberId) -> Option<(Timestamp, Hash)> {
            Some((Timestamp(77), Hash([7; 32])))
        }
    }

    const MESH: u8 = 99;

    fn id(n: u8) -> MemberId {
        Identity::from_secret(&[n; 32]).id()
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn admit(n: u8, text: &str) -> RosterChange {
        RosterChange::Admit { id: id(n), name: name(text), terms: GrantChange::default() }
    }

    fn change(n: u8, terms: GrantChange) -> RosterChange {
        RosterChange::Change { id: id(n), name: None, terms }
    }

    fn revoke(n: u8, disposition: Disposition) -> RosterChange {
        RosterChange::Revoke { id: id(n), disposition, at: None }
    }

    impl Held {
        fn after(mut self, changes: &[RosterChange]) -> Self {
            self.0.extend(self.judge(changes, 10).unwrap());
            self
        }

        fn judge(
            &self,
            changes: &[RosterChange],
            now: u64,
        ) -> Result<BTreeMap<MemberId, Grant>, RosterChangeError> {
            let Ok(judged) = changed(self, changes, Timestamp(now));
            judged
        }
    }

    #[test]
    fn a_key_is_replaced_under_its_name_in_one_batch() {
        let held = Held::default().after(&[admit(1, "edge")]);
        let new = held.judge(&[revoke(1, Disposition::Keep), admit(2, "edge")], 20).unwrap();
        assert_eq!(new[&id(1)].state, GrantState::Keep { timestamp: Timestamp(77), root: Hash([7; 32]) });
        assert_eq!((new[&id(2)].name.clone(), new[&id(2)].state), (name("edge"), GrantState::Active));
        // In the opposite order the name is taken, and all changes are refused.
        let error = held.judge(&[admit(2, "edge"), revoke(1, Disposition::Keep)], 20).unwrap_err();
        assert!(matches!(error, RosterChangeError::NameTaken { id: other, .. } if other == id(1)));
        let error = held.judge(&[admit(2, "two"), admit(3, "two")], 20).unwrap_err();
        assert!(matches!(error, RosterChangeError::NameTaken { id: other, .. } if other == id(2)));
    }

    #[test]
    fn an_id_is_not_a_valid_name() {
        use alloc::string::ToString;
        let (held, two) = (Held::default().after(&[admit(1, "edge")]), id(2).to_string());
        let rename =
            RosterChange::Change { id: id(1), name: Some(name(&two)), terms: GrantChange::default() };
        for change in [admit(3, &two), admit(2, &two), admit(1, &two), rename] {
            let error = held.judge(&[change], 20).unwrap_err();
            assert!(matches!(error, RosterChangeError::NameIsId { name } if name == two));
        }
        // A member that already has such a name keeps it until it is renamed; its other fields can change.
        let mut old = held;
        old.0.get_mut(&id(1)).unwrap().name = name(&two);
        let terms = GrantChange { items: Some(9), ..GrantChange::default() };
        assert_eq!(old.judge(&[change(1, terms)], 20).unwrap()[&id(1)].name, name(&two));
    }

    #[test]
    fn unnamed_fields_stay() {
        let terms = GrantChange { role: Some(Role::Reader), bytes: Some(5), ..GrantChange::default() };
        let held = Held::default().after(&[admit(1, "edge"), change(1, terms)]);
        let items = GrantChange { items: Some(9), ..GrantChange::default() };
        let grant = &held.judge(&[change(1, items)], 30).unwrap()[&id(1)];
        assert_eq!((grant.role, grant.quota), (Role::Reader, Quota { items: 9, bytes: 5 }));
        assert_eq!(grant.granted, Timestamp(30), "earlier heads are checked against the earlier quota");
        let again = &held.judge(&[admit(1, "other")], 30).unwrap()[&id(1)];
        assert_eq!((again.name.as_str(), again.role, again.granted), ("other", Role::Reader, Timestamp(10)));
    }

    #[test]
    fn an_invitation_expires_until_it_was_used() {
        let until = |until| GrantChange { until: Some(Timestamp(until)), ..GrantChange::default() };
        let invite = RosterChange::Admit { id: id(1), name: name("edge"), terms: until(50) };
        let held = Held::default().after(&[invite]);
        assert_eq!(held.0[&id(1)].state, GrantState::Invited { until: Timestamp(50) });
        let longer = held.judge(&[change(1, until(90))], 20).unwrap();
        assert_eq!(longer[&id(1)].state, GrantState::Invited { until: Timestamp(90) });
        assert_eq!(held.judge(&[change(1, until(u64::MAX))], 20).unwrap()[&id(1)].state, GrantState::Active);
        let held = Held::default().after(&[admit(1, "edge")]);
        assert!(matches!(held.judge(&[change(1, until(90))], 20), Err(RosterChangeError::HasComeIn { .. })));
    }

    #[test]
    fn a55_the_meshs_own_id_is_no_members_in_any_change() {
        // Also if the roster has an entry for this id, as one signed by an older build may.
        let mut damaged = Held::default().after(&[admit(1, "edge")]);
        damaged.0.insert(id(MESH), damaged.0[&id(1)].clone());
        for held in [Held::default().after(&[admit(1, "edge")]), damaged] {
            let items = GrantChange { items: Some(1), ..GrantChange::default() };
            let changes = [
                admit(MESH, "c"),
                change(MESH, items),
                revoke(MESH, Disposition::Keep),
                revoke(MESH, Disposition::Drop),
            ];
            for wrong in changes {
                let refused = Err(MemberError::Authority { id: id(MESH) }.into());
                assert_eq!(held.judge(core::slice::from_ref(&wrong), 20), refused, "{wrong:?}");
                // Changes in the same batch, such as the other half of a rotation, are refused too.
                assert_eq!(held.judge(&[revoke(1, Disposition::Keep), wrong], 20), refused);
            }
        }
    }

    #[test]
    fn a_revoked_member_stays_revoked() {
        let held = Held::default().after(&[admit(1, "a"), revoke(1, Disposition::Keep)]);
        for change in [admit(1, "b"), change(1, GrantChange::default()), revoke(1, Disposition::Keep)] {
            assert_eq!(held.judge(&[change], 20), Err(Revoked { id: id(1) }.into()));
        }
        let held = held.after(&[revoke(1, Disposition::Drop)]);
        assert_eq!(held.0[&id(1)].state, GrantState::Drop);
        assert_eq!(held.judge(&[revoke(1, Disposition::Keep)], 20), Err(Revoked { id: id(1) }.into()));
        let unknown = held.judge(&[change(2, GrantChange::default())], 20);
        assert_eq!(unknown, Err(MemberError::Unknown { id: id(2) }.into()));
        let unsound =
            RosterChange::Admit { id: MemberId([0xff; 32]), name: name("x"), terms: GrantChange::default() };
        assert!(matches!(held.judge(&[unsound], 20), Err(RosterChangeError::UnsoundKey { .. })));
    }
}
