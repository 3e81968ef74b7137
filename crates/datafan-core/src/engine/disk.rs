//! What is on disk, and a disk without room: all that is held is read and served, nothing is written and nothing taken, until there is room
//! again. What was missed comes with the rounds then.

use super::{Command, CommandError, Engine, OpenError, Snapshot};
use crate::{
    id::MemberId,
    store::{Room, Store, StoreError},
    time::{Now, Timestamp},
};
use alloc::{string::String, sync::Arc, vec::Vec};

impl<S: Store> Engine<S> {
    /// The store as of the last commit. Own data in it is on disk once [`Engine::sync`] was called.
    pub fn snapshot(&self) -> Arc<Snapshot<S>> {
        self.snapshot.share()
    }

    /// Bytes of disk that the store takes.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn file_bytes(&self) -> Result<u64, StoreError> {
        self.store.file_bytes()
    }

    /// Why there is no room for more on the disk; `None` while there is.
    pub fn disk_full(&self) -> Option<&str> {
        self.disk_full.as_deref()
    }

    /// Whether the disk was full and has room again, so that the engine has to be opened again to write.
    ///
    /// # Errors
    /// If the store's file is not there any more.
    pub fn has_room_again(&mut self) -> Result<bool, StoreError> {
        Ok(self.store.room()? == Room::Again)
    }

    /// Opens the engine again on its own store, which found its disk full, with what was on disk then: as after a crash, but
    /// that nobody else could take the store meanwhile. Links and commands that were under way are forgotten.
    ///
    /// # Errors
    /// As when an engine is opened.
    pub fn reopen(mut self, now: Now) -> Result<Self, OpenError> {
        let seed = self.cx.rng.next();
        // What the store shows is let go of before it is opened again.
        let Self { cx, store, runs, same_key, .. } = self;
        let (config, verifier) = cx.into_parts();
        let config = super::Config { new_mesh: false, ..config };
        let mut engine = Self::open(config, seed, verifier, store.reopen()?, now)?;
        // It is the same process, and as old as before.
        engine.runs.go_on(&runs);
        engine.same_key.claims = same_key.claims;
        Ok(engine)
    }

    /// The heads that are held, with their owners.
    pub fn heads(&self) -> Vec<(MemberId, Timestamp)> {
        let heads = self.owners.iter().filter_map(|owner| owner.head());
        heads.map(|head| (head.owner, head.timestamp)).collect()
    }

    /// Looks whether there is room, before anything is taken in.
    pub(super) fn look_at_disk(&mut self) -> Result<(), StoreError> {
        let before = self.disk_full.is_some();
        self.disk_full = match self.store.room()? {
            Room::Enough => None,
            Room::Short { why } => Some(why),
            Room::Again => {
                Some(String::from("there is room again, and the store is about to be opened again"))
            }
        };
        if self.disk_full.is_some() && !before {
            // Answers that come now are not waited for any more; what is known is fetched later.
            for owner in self.wanted.under_way() {
                self.cancel_transfer(&owner);
            }
        }
        Ok(())
    }

    /// Whether there is room for what an own shard is to hold.
    pub(super) fn has_room(&self) -> Result<(), CommandError> {
        match &self.disk_full {
            None => Ok(()),
            Some(why) => Err(CommandError::DiskFull { why: why.clone() }),
        }
    }

    /// Whether a command can be carried out as far as the disk goes: those that write nothing always can.
    pub(super) fn has_room_for(&self, command: &Command) -> Result<(), CommandError> {
        match command {
            Command::Publish(_) | Command::Connect { .. } => Ok(()),
            _ => self.has_room(),
        }
    }
}
