//! Shrinks the file to the size of its content.

use crate::{
    edge::{Caught, Fault},
    store::RedbStore,
};
use datafan_core::store::{Compacted, Store, StoreError};
use redb::{CompactionError, Database};

impl RedbStore {
    /// Moves pages to the front and truncates the file. `None`, with nothing done, while a snapshot is held.
    pub(crate) fn compact_file(&mut self) -> Result<Option<Compacted>, StoreError> {
        if self.forgets() {
            // There is no room for it.
            return Ok(None);
        }
        let before = self.file_bytes()?;
        // An aborted compaction keeps what is durable.
        self.make_durable()?;
        self.set_deadline(self.options().compact_max);
        let done = self.alone(compact);
        if done.is_err() && self.is_over_deadline() {
            self.open_given_up()?;
            return Ok(Some(Compacted { before, after: self.file_bytes()?, gave_up: true }));
        }
        self.set_deadline(None);
        if !done? {
            return Ok(None);
        }
        // Without it, the repair after a crash would be slow: redb compacts without the table that a quick
        // repair needs.
        self.make_durable()?;
        Ok(Some(Compacted { before, after: self.file_bytes()?, gave_up: false }))
    }
}

/// Whether it was done.
fn compact(database: &mut Caught<Database>) -> Result<bool, Fault> {
    match database.get_mut().compact() {
        Ok(_) => Ok(true),
        Err(CompactionError::TransactionInProgress) => Ok(false),
        Err(CompactionError::Storage(error)) => Err(error.into()),
        Err(error) => Err(StoreError::Failed { what: error.to_string() }.into()),
    }
}
