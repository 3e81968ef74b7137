//! How many tombstones a shard keeps: they only make deltas cheap, so the oldest go.

use super::Engine;
use crate::{
    item::Key,
    store::{Page, ShardChange, ShardNumber, ShardRecord, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::vec::Vec;

impl<S: Store> Engine<S> {
    /// Drops the oldest graves where a change makes them too many.
    pub(super) fn trim_graves(
        &self,
        shard: ShardNumber,
        record: &mut ShardRecord,
        change: &mut ShardChange,
    ) -> Result<(), StoreError> {
        record.graves += change.graves.values().filter(|adds| **adds).count() as u64;
        if record.graves <= self.cx.config.graves_max {
            return Ok(());
        }
        // A quarter at once, so that it is rare; all of them where a single change brings more than fit.
        let n = record.graves - self.cx.config.graves_max * 3 / 4;
        let page = Page { rows: usize::try_from(n).unwrap_or(usize::MAX), bytes: usize::MAX };
        let stored = self.snapshot.graves(shard, Timestamp::ZERO..=Timestamp::MAX, page)?;
        let mut oldest: Vec<(Timestamp, Key)> = stored;
        let added = change.graves.iter().filter(|(_, adds)| **adds).map(|(grave, _)| grave.clone());
        oldest.extend(added.collect::<Vec<_>>());
        oldest.sort();
        oldest.truncate(page.rows);
        for grave in oldest {
            record.graves_floor = record.graves_floor.max(grave.0);
            change.graves.insert(grave, false);
            record.graves = record.graves.saturating_sub(1);
        }
        Ok(())
    }
}
