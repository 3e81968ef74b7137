//! Discovery: addresses of members, which of them can be dialled, and partitions.

use super::{Disk, LinkProfile, World};
use datafan_core::{connector::Address, engine::Immediate};

impl<D: Disk> World<D> {
    /// Lines that are down are noticed only after `idle_micros`, and unanswered dials fail after
    /// `dial_micros`.
    pub fn notice_late(&mut self, idle_micros: u64, dial_micros: u64) {
        (self.network.idle_micros, self.network.dial_micros) = (idle_micros, dial_micros);
    }

    /// Sets the properties of all links by their ends, the lower number first; also of links that are made
    /// later.
    pub fn describe_links(&mut self, describe: impl Fn(usize, usize) -> LinkProfile + 'static) {
        self.network.describe(Box::new(describe));
    }

    /// The current address of a member; for a dial-only member, the one that peers see.
    pub fn address(&self, member: usize) -> Address {
        self.network.places.address(member).clone()
    }

    /// From now on a member can dial but cannot be dialled.
    pub fn only_dials(&mut self, member: usize) {
        self.network.places.only_dials(member);
    }

    /// Whether a member cannot be dialled.
    pub fn is_dial_only(&self, member: usize) -> bool {
        self.network.places.is_dial_only(member)
    }

    /// A running member publishes its address. Of dial-only members, every second one publishes nothing, and
    /// the others publish an address where nobody answers.
    pub fn publish(&mut self, member: usize) {
        let address = self.address(member);
        let nowhere = self.is_dial_only(member) && member.is_multiple_of(2);
        let addresses = if nowhere { Vec::new() } else { vec![address] };
        self.ask(member, Immediate::Publish(addresses));
    }

    /// Gives a running member an address, as its user would.
    pub fn connect(&mut self, member: usize, address: Address) {
        self.ask(member, Immediate::Connect { address, expected: None });
    }

    /// Changes the address of a member. Its links carry nothing any more, and their ends notice after the
    /// idle time.
    pub fn move_to(&mut self, member: usize, address: Address) {
        let told = self.network.moved(self.time, member, address);
        self.tell(told);
    }

    /// Partitions the mesh; the group of each member is given. Members of [`super::BRIDGES`] reach all
    /// groups.
    pub fn part(&mut self, groups: &[u8]) {
        self.network.places.part(groups.to_vec());
        self.regroup();
    }

    /// Ends that partition; others continue.
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

    /// The groups of `members` that are connected by links among them, ascending.
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

    /// Whether no line is cut, lossy in one direction or partitioned.
    pub fn lines_work(&self) -> bool {
        self.network.lines_work()
    }
}
