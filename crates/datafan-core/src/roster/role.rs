//! The role of an id. Each id has exactly one role and is refused in any other.

use crate::{
    grant::{Grant, GrantState},
    id::{MemberId, MeshId},
};

/// The role of an id in a mesh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdRole {
    /// The mesh itself: the authority, which owns the roster and has no entry in it.
    Authority,
    /// A member, or an id that may become one.
    Member,
}

/// The role of `id` in `mesh`. A roster entry for an id whose role is not [`IdRole::Member`] is ignored.
pub fn role_of(mesh: &MeshId, id: &MemberId) -> IdRole {
    if *id == mesh.authority() { IdRole::Authority } else { IdRole::Member }
}

/// Whether a roster entry may change from `held` to `new`. A revoked member stays revoked; only its kept
/// shard may be dropped later.
pub(crate) fn may_become(held: &Grant, new: &Grant) -> bool {
    match (held.state, new.state) {
        (GrantState::Active | GrantState::Invited { .. }, _) => true,
        (GrantState::Keep { .. }, GrantState::Drop) => true,
        (GrantState::Keep { .. } | GrantState::Drop, new) => held.state == new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        grant::{Quota, Role},
        hash::Hash,
        id::Name,
        time::Timestamp,
    };

    fn grant(state: GrantState) -> Grant {
        let name = Name::new("edge").unwrap();
        Grant { name, role: Role::Member, quota: Quota::default(), state, granted: Timestamp(1) }
    }

    #[test]
    fn an_id_has_one_role() {
        let (mesh, member) = (MeshId(MemberId([1; 32])), MemberId([2; 32]));
        assert_eq!(role_of(&mesh, &mesh.authority()), IdRole::Authority);
        assert_eq!(role_of(&mesh, &member), IdRole::Member);
    }

    #[test]
    fn a_membership_that_ended_stays_ended() {
        let keep = |n: u8| GrantState::Keep { timestamp: Timestamp(n.into()), root: Hash([n; 32]) };
        let invited = GrantState::Invited { until: Timestamp(9) };
        for active in [GrantState::Active, invited] {
            for new in [GrantState::Active, invited, keep(1), GrantState::Drop] {
                assert!(may_become(&grant(active), &grant(new)), "{active:?} to {new:?}");
            }
            for ended in [keep(1), GrantState::Drop] {
                assert!(!may_become(&grant(ended), &grant(active)), "{ended:?} to {active:?}");
            }
        }
        let allowed = [(keep(1), keep(1)), (keep(1), GrantState::Drop), (GrantState::Drop, GrantState::Drop)];
        let refused = [(keep(1), keep(2)), (GrantState::Drop, keep(1))];
        assert!(allowed.iter().all(|(held, new)| may_become(&grant(*held), &grant(*new))));
        assert!(!refused.iter().any(|(held, new)| may_become(&grant(*held), &grant(*new))));
    }
}
