//! Making the store as small as what it holds.

use super::{Engine, pins::Pins};
use crate::store::{Compacted, Store, StoreError, StoreReader};

impl<S: Store> Engine<S> {
    /// Compacts the store, which keeps everything else waiting. All snapshots of the engine are let go of, those kept for
    /// peers included; `None`, and nothing done, where somebody else holds one.
    ///
    /// # Errors
    /// Only if the store failed: then the member stops.
    pub fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        for link in self.links.values_mut() {
            link.pins = Pins::new();
        }
        self.snapshot.release();
        let done = self.store.compact()?;
        self.snapshot.replace(self.reader.snapshot()?);
        Ok(done)
    }
}
