//! The store as of the last commit.

use alloc::sync::Arc;
use core::ops::Deref;

/// A snapshot that is let go of while the store writes: a store in memory need not copy then what it changes, and one
/// on disk may use its pages again.
pub(super) struct Present<V>(Option<Arc<V>>);

impl<V> Present<V> {
    pub(super) fn new(snapshot: V) -> Self {
        Self(Some(Arc::new(snapshot)))
    }

    /// The snapshot, for whoever keeps it longer.
    pub(super) fn share(&self) -> Arc<V> {
        self.0.clone().expect(ABSENT)
    }

    /// Lets go of it, until [`Present::replace`]. If the store fails meanwhile, the member stops.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }

    pub(super) fn replace(&mut self, snapshot: V) {
        *self = Self::new(snapshot);
    }
}

impl<V> Deref for Present<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().expect(ABSENT)
    }
}

const ABSENT: &str = "nothing is read while the store writes, nor after it failed";

#[cfg(test)]
mod tests {
    use crate::{
        engine::{Config, Engine, Input, Outbox},
        id::{MemberId, MeshId},
        identity::{Identity, Strict},
        item::{Item, Key},
        store::{
            Batch, Durability, Meta, Page, ShardNumber, ShardRecord, Store, StoreError, StoreReader,
            StoreSnapshot,
        },
        time::{Now, Time, Timestamp},
        trie::{Node, Place},
    };
    use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
    use core::{
        ops::{Bound, RangeInclusive},
        sync::atomic::{AtomicUsize, Ordering},
    };

    #[test]
    fn no_snapshot_is_held_while_rows_are_written_or_erased() {
        let member = Identity::from_secret(&[7; 32]);
        let mesh = MeshId(Identity::from_secret(&[8; 32]).id());
        let config = Config::new(mesh, member, "member".parse().unwrap());
        let store = Counting::default();
        let now = Now { time: Time(1), wall: Timestamp(1) };
        let mut engine = Engine::open(config, 0, Box::new(Strict), store.clone(), now).unwrap();
        engine.dead.insert(ShardNumber(1));
        engine.handle(now, vec![Input::Wake], &mut Outbox::new()).unwrap();
        assert!(engine.dead.is_empty() && engine.batch.is_empty());
        assert_eq!(store.n_snapshots(), 1);
    }

    /// A store that is always empty, and counts its snapshots.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicUsize>);

    struct Counted(Arc<AtomicUsize>);

    impl Counting {
        fn n_snapshots(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl StoreReader for Counting {
        type Snapshot = Counted;

        fn snapshot(&self) -> Result<Counted, StoreError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Counted(self.0.clone()))
        }
    }

    impl Store for Counting {
        type Reader = Self;

        fn reader(&self) -> Self {
            self.clone()
        }

        fn commit(&mut self, _: Batch, _: Durability) -> Result<(), StoreError> {
            assert_eq!(self.n_snapshots(), 0);
            Ok(())
        }

        fn sync(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn erase(&mut self, _: ShardNumber, _: usize) -> Result<bool, StoreError> {
            assert_eq!(self.n_snapshots(), 0);
            Ok(true)
        }

        fn close(self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    type Read<T> = Result<T, StoreError>;

    impl StoreSnapshot for Counted {
        fn meta(&self, _: Meta) -> Read<Option<Vec<u8>>> {
            Ok(None)
        }

        fn shards(&self) -> Read<Vec<(ShardNumber, Arc<ShardRecord>)>> {
            Ok(Vec::new())
        }

        fn shard(&self, _: ShardNumber) -> Read<Option<Arc<ShardRecord>>> {
            Ok(None)
        }

        fn whole(&self, _: &MemberId) -> Read<Option<(ShardNumber, Arc<ShardRecord>)>> {
            Ok(None)
        }

        fn timestamp_of(&self, _: ShardNumber, _: &str) -> Read<Option<Timestamp>> {
            Ok(None)
        }

        fn item(&self, _: ShardNumber, _: Timestamp) -> Read<Option<Arc<Item>>> {
            Ok(None)
        }

        fn log(&self, _: ShardNumber, _: RangeInclusive<Timestamp>, _: Page) -> Read<Vec<Arc<Item>>> {
            Ok(Vec::new())
        }

        fn keys(&self, _: ShardNumber, _: Bound<&str>, _: Page) -> Read<Vec<(Key, Timestamp)>> {
            Ok(Vec::new())
        }

        fn node(&self, _: ShardNumber, _: Place) -> Read<Option<Node>> {
            Ok(None)
        }

        fn graves(
            &self,
            _: ShardNumber,
            _: RangeInclusive<Timestamp>,
            _: Page,
        ) -> Read<Vec<(Timestamp, Key)>> {
            Ok(Vec::new())
        }

        fn expiries(&self, _: ShardNumber, _: Timestamp, _: Page) -> Read<Vec<(Timestamp, Timestamp)>> {
            Ok(Vec::new())
        }
    }
}
