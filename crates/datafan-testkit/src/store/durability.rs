//! Crashes and failing writes: a batch is stored completely or not at all, and synced data is kept.

use super::{
    generate::Generator,
    medium::Medium,
    model::{Model, Places},
};
use datafan_core::store::{Batch, Durability, ShardNumber, Store, StoreError, StoreReader};

/// The states of a store, and which of them may be found after a crash.
struct History {
    /// The state after each write; the first is that before all.
    states: Vec<Model>,
    /// The last one that was acknowledged as synced.
    synced: usize,
    places: Places,
}

/// Runs of commits, each ended by a power cut: the store is then in one of the states since the last sync.
pub fn survives_crashes<M: Medium>(medium: &M, seed: u64) {
    let mut generator = Generator::new(seed);
    let mut history = History::new(Model::default(), Places::new());
    for _ in 0..8 {
        let mut store = medium.open().unwrap();
        history = history.found(&store);
        for _ in 0..generator.rng.below(12) {
            if generator.rng.chance(1, 8) {
                store.sync().unwrap();
                history.on_sync();
                continue;
            }
            let batch = generator.batch(history.last());
            let synced = generator.rng.chance(1, 4);
            history.on_attempt(&batch);
            store.commit(batch, if synced { Durability::Synced } else { Durability::Lazy }).unwrap();
            if synced {
                history.on_sync();
            }
        }
        medium.cut(generator.rng.next_u64());
        assert!(
            store.commit(generator.batch(history.last()), Durability::Synced).is_err(),
            "nothing gets through"
        );
        refuses_everything(&mut store);
        drop(store);
        medium.heal();
    }
}

/// The same writes repeatedly, each time with one more successful write of the medium.
pub fn survives_failing_writes<M: Medium>(fresh: &impl Fn() -> M, seed: u64) {
    for writes in 0.. {
        let medium = fresh();
        medium.fail_after(writes);
        let (history, failed) = write_until_failure(&medium, seed);
        medium.heal();
        let store = medium.open().unwrap();
        history.found(&store);
        if !failed {
            assert!(writes > 3, "writes were counted");
            return;
        }
        assert!(writes < 100_000, "the writes end");
    }
}

/// Writes until something fails, or to the end.
fn write_until_failure<M: Medium>(medium: &M, seed: u64) -> (History, bool) {
    let mut history = History::new(Model::default(), Places::new());
    let mut generator = Generator::new(seed);
    let Ok(mut store) = medium.open() else { return (history, true) };
    for step in 0..10 {
        let batch = generator.batch(history.last());
        history.on_attempt(&batch);
        let synced = step % 3 == 2;
        let durability = if synced { Durability::Synced } else { Durability::Lazy };
        if store.commit(batch, durability).is_err() {
            refuses_everything(&mut store);
            return (history, true);
        }
        if synced {
            history.on_sync();
        }
    }
    if store.sync().is_err() {
        refuses_everything(&mut store);
        return (history, true);
    }
    history.on_sync();
    let failed = store.close().is_err();
    (history, failed)
}

/// After an error, the store does nothing and reports nothing any more.
pub fn refuses_everything<S: Store>(store: &mut S) {
    assert_eq!(store.commit(Batch::default(), Durability::Lazy), Err(StoreError::Stopped));
    assert_eq!(store.sync(), Err(StoreError::Stopped));
    assert_eq!(store.erase(ShardNumber(9), 1), Err(StoreError::Stopped));
    assert_eq!(store.reader().snapshot().err(), Some(StoreError::Stopped));
}

impl History {
    fn new(model: Model, places: Places) -> Self {
        Self { states: vec![model], synced: 0, places }
    }

    fn last(&self) -> &Model {
        self.states.last().expect("begins with one")
    }

    /// Records a write that may reach the medium, whatever was answered.
    fn on_attempt(&mut self, batch: &Batch) {
        let mut model = self.last().clone();
        model.apply(batch);
        self.places.extend(model.places());
        self.states.push(model);
    }

    /// Records that all writes so far were acknowledged as synced.
    fn on_sync(&mut self) {
        self.synced = self.states.len() - 1;
    }

    /// Checks that the reopened `store` is in one of the possible states, and continues from there.
    fn found<S: Store>(self, store: &S) -> Self {
        let found = Model::read(&store.reader().snapshot().unwrap(), &self.places, 100);
        let may_be = &self.states[self.synced..];
        assert!(may_be.contains(&found), "none of the {} states that it may be in", may_be.len());
        Self::new(found, self.places)
    }
}
