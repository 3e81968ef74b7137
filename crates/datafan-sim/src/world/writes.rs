//! Writes at a member, in short form for scenarios.

use super::{
    Disk, World,
    write::{delete, put},
};
use datafan_core::{
    engine::{Answer, CommandError, Committed, OwnChange, Ticket, Write, WriteError},
    store::StoreSnapshot,
};

impl<D: Disk> World<D> {
    /// A member commits `writes`; returns when they are on its disk.
    pub fn commit(&mut self, member: usize, writes: Vec<Write>) -> Committed {
        self.must(member, OwnChange::Commit(writes))
    }

    /// A member puts one item; returns when it is on its disk.
    pub fn put(&mut self, member: usize, key: &str, value: impl AsRef<[u8]>) -> Committed {
        self.commit(member, vec![put(key, value)])
    }

    /// A member deletes one key; returns when that is on its disk.
    pub fn delete(&mut self, member: usize, key: &str) -> Committed {
        self.commit(member, vec![delete(key)])
    }

    /// A member is told to commit `writes`, and must refuse.
    pub fn refused(&mut self, member: usize, writes: Vec<Write>) -> WriteError {
        match self.done(member, OwnChange::Commit(writes)) {
            Answer::Refused(CommandError::Write(error)) => error,
            Answer::Refused(error) => self.fail(&format!("m{member} refuses a commit as no write: {error}")),
            Answer::Committed(_) => self.fail(&format!("m{member} commits what it should refuse")),
        }
    }

    /// A member is told to commit `writes`; the answer arrives when time passes.
    pub fn ask_commit(&mut self, member: usize, writes: Vec<Write>) -> Ticket {
        self.ask(member, OwnChange::Commit(writes))
    }

    /// A member's copy of a value of an owner.
    pub fn get(&self, member: usize, owner: usize, key: &str) -> Option<Vec<u8>> {
        let snapshot = self.snapshot(member);
        let (shard, _) = snapshot.whole(&self.id(owner)).expect("the store works")?;
        let at = snapshot.timestamp_of(shard, key).expect("the store works")?;
        let item = snapshot.item(shard, at).expect("the store works").expect("a key leads to its item");
        item.is_live(self.wall(member)).then(|| item.value.to_vec())
    }

    /// Whether every running member reads `value` under an owner's key; `None` means no value.
    pub fn all_read(&self, owner: usize, key: &str, value: Option<&[u8]>) -> bool {
        let running = (0..self.n_members()).filter(|member| self.runs(*member));
        running.map(|member| self.get(member, owner, key)).all(|found| found.as_deref() == value)
    }
}
