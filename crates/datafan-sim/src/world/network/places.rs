//! The addresses of members, and the partitions between them.

use datafan_core::connector::Address;
use std::collections::{BTreeMap, BTreeSet};

/// The addresses of all members, and the partitions of the mesh.
#[derive(Default)]
pub(in crate::world) struct Places {
    /// The member that has an address now.
    residents: BTreeMap<Address, usize>,
    /// The address of each member.
    addresses: Vec<Address>,
    /// Members that can dial but cannot be dialled.
    dial_only: BTreeSet<usize>,
    /// The groups of each current partition: the group of each member.
    partitions: Vec<Vec<u8>>,
}

impl Places {
    /// Adds a member, at the address of its number.
    pub fn add(&mut self, member: usize) {
        let address: Address = format!("m{member}").into();
        self.residents.insert(address.clone(), member);
        self.addresses.push(address);
    }

    /// Changes the address of a member; the one that had it before has none.
    pub fn move_to(&mut self, member: usize, address: Address) {
        if self.residents.get(&self.addresses[member]) == Some(&member) {
            self.residents.remove(&self.addresses[member]);
        }
        if !self.dial_only.contains(&member) {
            self.residents.insert(address.clone(), member);
        }
        self.addresses[member] = address;
    }

    /// From now on a member can dial but cannot be dialled.
    pub fn only_dials(&mut self, member: usize) {
        self.residents.retain(|_, resident| *resident != member);
        self.dial_only.insert(member);
        // Peers see the address of the translating router, where nobody answers.
        self.addresses[member] = format!("behind.m{member}").into();
    }

    pub fn is_dial_only(&self, member: usize) -> bool {
        self.dial_only.contains(&member)
    }

    /// What a member takes for its own address.
    pub fn address(&self, member: usize) -> &Address {
        &self.addresses[member]
    }

    /// The member that answers at an address.
    pub fn resident(&self, address: &Address) -> Option<usize> {
        self.residents.get(address).copied()
    }

    /// Whether an address has the form of a member's address.
    pub fn is_sound(address: &Address) -> bool {
        let number = address.trim_start_matches("behind.").strip_prefix('m');
        number.is_some_and(|rest| rest.split('.').all(|part| part.parse::<u64>().is_ok()))
    }

    /// Partitions the mesh: the lines of a member lead to its own group only.
    pub fn part(&mut self, groups: Vec<u8>) {
        self.partitions.push(groups);
    }

    /// Ends a partition; others continue.
    pub fn unite(&mut self, groups: &[u8]) {
        if let Some(at) = self.partitions.iter().position(|parted| parted == groups) {
            self.partitions.remove(at);
        }
    }

    /// Ends all partitions.
    pub fn unite_all(&mut self) {
        self.partitions.clear();
    }

    /// Whether there is a partition.
    pub fn is_parted(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// Whether a partition lies between two members. Members of [`BRIDGES`] reach all groups.
    pub fn are_parted(&self, a: usize, b: usize) -> bool {
        let group = |groups: &[u8], member: usize| groups.get(member).copied().unwrap_or(BRIDGES);
        self.partitions.iter().any(|groups| {
            let (a, b) = (group(groups, a), group(groups, b));
            a != b && a != BRIDGES && b != BRIDGES
        })
    }
}

/// The group of members whose lines to all groups work.
pub const BRIDGES: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Places {
        let mut places = Places::default();
        (0..3).for_each(|member| places.add(member));
        places
    }

    #[test]
    fn an_address_leads_to_who_lives_there_now() {
        let mut places = three();
        let old: Address = "m1".into();
        assert_eq!(places.resident(&old), Some(1));
        places.move_to(1, "m1.1".into());
        assert_eq!((places.resident(&old), places.resident(&"m1.1".into())), (None, Some(1)));
        places.move_to(2, old.clone());
        assert_eq!(places.resident(&old), Some(2));
        // A member that returns takes the address, and the other one does not lose a second one.
        places.move_to(1, old.clone());
        places.move_to(2, "m2.1".into());
        assert_eq!((places.resident(&old), places.resident(&"m2.1".into())), (Some(1), Some(2)));
    }

    #[test]
    fn who_only_dials_is_found_nowhere() {
        let mut places = three();
        places.only_dials(2);
        places.move_to(2, "m2.1".into());
        assert!(["m2", "m2.1", "behind.m2"].iter().all(|at| places.resident(&(*at).into()).is_none()));
        assert!(["m2", "m2.1", "behind.m2"].iter().all(|at| Places::is_sound(&(*at).into())));
        assert!(!Places::is_sound(&"mx".into()) && !Places::is_sound(&"".into()));
    }

    #[test]
    fn partitions_lie_over_each_other_and_bridges_across() {
        let mut places = three();
        places.part(vec![0, 1, BRIDGES]);
        places.part(vec![0, 0, 1]);
        let parted = |places: &Places| [(0, 1), (0, 2), (1, 2)].map(|(a, b)| places.are_parted(a, b));
        assert_eq!(parted(&places), [true, true, true]);
        places.unite(&[0, 0, 1]);
        assert_eq!(parted(&places), [true, false, false]);
        places.unite(&[0, 1, BRIDGES]);
        assert!(!places.is_parted());
    }
}
