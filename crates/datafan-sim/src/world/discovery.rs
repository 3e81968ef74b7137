//! Members that find each other: where they live, who can be dialled, and what falls apart.

use super::{Disk, LinkProfile, World};
use datafan_core::{connector::Address, engine::Command};

impl<D: Disk> World<D> {
    /// Lines that are down are noticed after `idle_micros` only, and dials that nobody answers fail after
    /// `dial_micros`.
    pub fn notice_late(&mut self, idle_micros: u64, dial_micros: u64) {
        (self.network.idle_micros, self.network.dial_micros) = (idle_micros, dial_micros);
    }

    /// Says what all links are like, by their ends with the lower number first; those included that are made
    /// later.
    pub fn describe_links(&mut self, describe: impl Fn(usize, usize) -> LinkProfile + 'static) {
        self.network.describe(Box::new(describe));
    }

    /// The address at which a member can be dialled now; of one that only dials, the one that peers see.
    pub fn address(&self, member: usize) -> Address {
        self.network.places.address(member).clone()
    }

    /// A member can dial from now on, and cannot be dialled.
    pub fn only_dials(&mut self, member: usize) {
        self.network.places.only_dials(member);
    }

    /// Whether a member cannot be dialled.
    pub fn is_dial_only(&self, member: usize) -> bool {
        self.network.places.is_dial_only(member)
    }

    /// A running member publishes where it can be dialled. Of those that cannot be, every second one
    /// publishes nothing, and the others an address where nobody answers.
    pub fn publish(&mut self, member: usize) {
        let address = self.address(member);
        let nowhere = self.is_dial_only(member) && member.is_multiple_of(2);
        let addresses = if nowhere { Vec::new() } else { vec![address] };
        self.ask(member, Command::Publish(addresses));
    }

    /// A running member is given an address, as by its user.
    pub fn connect(&mut self, member: usize, address: Address) {
        self.ask(member, Command::Connect { address, expected: None });
    }

    /// A member lives at `address` from now on. Its links carry nothing any more, and their ends notice after
    /// the idle time.
    pub fn move_to(&mut self, member: usize, address: Address) {
        let told = self.network.moved(self.time, member, address);
        self.tell(told);
    }

    /// The mesh falls into groups; whose group each member is in. Members of [`super::BRIDGES`] reach
    /// everybody.
    pub fn part(&mut self, groups: &[u8]) {
        self.network.places.part(groups.to_vec());
        self.regroup();
    }

    /// Ends that partition; others go on.
    pub fn unite(&mut self, groups: &[u8]) {
        self.network.places.unite(groups);
        self.regroup();
    }

    /// Ends all partitions.
    pub fn unite_all(&mut self) {
        self.network.places.unite_all();
        self.regroup();
    }

    fn regroup(&mut self) {
        let told = self.network.regrouped(self.time);
        self.tell(told);
    }

    /// Whether two members have greeted each other on a link that is up and whose line works.
    pub fn joined(&self, a: usize, b: usize) -> bool {
        let knows = |one: usize, other: usize| self.members[one].ready.contains(&self.id(other));
        self.network.carries(a, b) && knows(a, b) && knows(b, a)
    }

    /// The groups of `members` that are joined by links among them, ascending.
    pub fn components(&self, members: &[usize]) -> Vec<Vec<usize>> {
        let mut left: std::collections::BTreeSet<usize> = members.iter().copied().collect();
        let mut components = Vec::new();
        while let Some(first) = left.pop_first() {
            let mut component = vec![first];
            let mut at = 0;
            while let Some(member) = component.get(at).copied() {
                let peers = self.peers(member).into_iter();
                let more: Vec<usize> =
                    peers.filter(|peer| left.contains(peer) && self.joined(member, *peer)).collect();
                more.iter().for_each(|peer| _ = left.remove(peer));
                component.extend(more);
                at += 1;
            }
            component.sort_unstable();
            components.push(component);
        }
        components
    }

    /// Whether no line is cut, deaf or parted.
    pub fn lines_work(&self) -> bool {
        self.network.lines_work()
    }
}
