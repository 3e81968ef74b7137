//! What members write.

use super::Run;
use crate::{
    ledger::Asked,
    world::{delete, put, put_until},
};
use datafan_core::{
    engine::{Command, OwnChange, Ticket, Write},
    limits::PUSH_BYTES_MAX,
    time::{MILLI, SECOND, Timestamp},
};

impl Run<'_> {
    /// Sends a command to a running member and records that it must answer.
    pub(super) fn ask(&mut self, member: usize, command: impl Into<Command>) -> Ticket {
        let ticket = self.world.ask(member, command);
        self.open.insert(ticket, member);
        ticket
    }

    /// How long until the next commit somewhere in the mesh.
    pub(super) fn pause(&mut self) -> u64 {
        match self.scenario.workload.updates_per_minute {
            0 => u64::MAX / 4,
            rate => 1 + self.rng.below(2 * 60 * SECOND / rate),
        }
    }

    /// A member writes its first items, if it is already up.
    pub(super) fn write_first(&mut self, member: usize) {
        let [least, most] = self.scenario.workload.initial_items;
        let n = least + if most > least { self.rng.below(most - least + 1) } else { 0 };
        if n > 0 && self.world.runs(member) {
            let writes = (0..n).map(|n| self.a_put(format!("k{n}"))).collect();
            self.commit(member, writes);
        }
    }

    /// A random member commits something.
    pub(super) fn write(&mut self) {
        let member = self.rng.index(self.scenario.members);
        // A revoked member no longer writes.
        if !self.world.runs(member) || self.leavers.contains(&member) {
            return;
        }
        let workload = &self.scenario.workload;
        let [least, most] = workload.writes;
        let n = least + self.rng.below(most - least + 1);
        let mut writes = Vec::new();
        for _ in 0..n {
            let key = format!("k{}", self.rng.below(workload.keys));
            if self.rng.chance(u64::from(workload.deletes_per_mille), 1_000) {
                writes.push((None, delete(&key)));
            } else {
                writes.push(self.a_put(key));
            }
        }
        self.commit(member, writes);
    }

    /// A put of a value that never existed before, which starts with its tag.
    fn a_put(&mut self, key: String) -> (Option<[u8; 16]>, Write) {
        let workload = &self.scenario.workload;
        let tag: [u8; 16] = format!("{:016x}", self.n_values).as_bytes().try_into().expect("16 digits");
        self.n_values += 1;
        let [least, most] = workload.value_bytes;
        let mut len = least + self.rng.below(most - least + 1);
        if self.rng.chance(u64::from(workload.large_per_mille), 1_000) {
            len = PUSH_BYTES_MAX as u64 + self.rng.below(PUSH_BYTES_MAX as u64);
        }
        let mut value = tag.to_vec();
        value.resize(len as usize, b'.');
        if self.rng.chance(u64::from(workload.expiring_per_mille), 1_000) {
            let until = Timestamp(self.world.wall(0).0 + 100 * MILLI + self.rng.below(10 * SECOND));
            return (Some(tag), put_until(&key, value, until));
        }
        (Some(tag), put(&key, value))
    }

    fn commit(&mut self, member: usize, writes: Vec<(Option<[u8; 16]>, Write)>) {
        let keys: Vec<_> = writes.iter().map(|(tag, write)| (*tag, write.key().clone())).collect();
        let writes = writes.into_iter().map(|(_, write)| write).collect();
        let ticket = self.ask(member, OwnChange::Commit(writes));
        for (tag, key) in keys {
            self.ledger.ask(member, key, Asked { ticket, tag, acknowledged: false });
        }
    }
}
