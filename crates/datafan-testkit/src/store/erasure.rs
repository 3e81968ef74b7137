//! Dead shards are erased page by page, and nothing else is.

use super::{
    generate::Generator,
    medium::Medium,
    model::{Model, ModelShard, Places},
};
use datafan_core::{
    id::MemberId,
    store::{Batch, Durability, ShardChange, ShardNumber, ShardRecord, Store, StoreReader},
};

const ROWS: usize = 7;

/// Fills five shards, marks one as dead, and erases it, with a power cut in between.
pub fn takes_dead_shards_away_by_pages<M: Medium>(medium: &M) {
    let mut store = medium.open().unwrap();
    let mut generator = Generator::new(5);
    let mut model = Model::default();
    while model.shards.len() < 5 || model.shards.values().any(|shard| shard.rows() < 60) {
        let batch = generator.batch(&model);
        model.apply(&batch);
        store.commit(batch, Durability::Lazy).unwrap();
    }
    let dead = ShardNumber(255);
    let record = ShardRecord::dead(MemberId([9; 32]));
    let change = ShardChange { record: Some(record.into()), ..ShardChange::default() };
    let batch = Batch { shards: [(dead, change)].into(), ..Batch::default() };
    model.apply(&batch);
    store.commit(batch, Durability::Synced).unwrap();

    let places = model.places();
    assert!(!store.erase(dead, ROWS).unwrap());
    store.sync().unwrap();
    medium.cut(2);
    drop(store);
    medium.heal();
    let mut store = medium.open().unwrap();

    let mut before = state(&store, &places).shards[&dead].rows();
    assert_eq!(before, model.shards[&dead].rows() - ROWS, "what was erased and synced stays erased");
    let mut gone = false;
    while !gone {
        gone = store.erase(dead, ROWS).unwrap();
        let now = state(&store, &places);
        let left = now.shards.get(&dead).map_or(0, ModelShard::rows);
        assert_eq!(gone, !now.shards.contains_key(&dead), "the record goes with the last rows");
        assert_eq!(left, before.saturating_sub(ROWS));
        assert_eq!(gone, left == 0);
        before = left;
        let others = |model: &Model| {
            let shards = model.shards.clone().into_iter();
            shards.filter(|(number, _)| *number != dead).collect::<Vec<_>>()
        };
        assert_eq!(others(&now), others(&model));
    }
    assert!(store.erase(dead, ROWS).unwrap(), "what is gone is gone");
    store.close().unwrap();
}

fn state<S: Store>(store: &S, places: &Places) -> Model {
    Model::read(&store.reader().snapshot().unwrap(), places, 50)
}
