//! Opening again, opening twice, opening a store of another version.

use super::{generate::Generator, medium::Medium, model::Model};
use datafan_core::store::{Durability, STORE_FORMAT, Store, StoreError, StoreReader};

/// Lazy commits are kept by a close too, repeatedly.
pub fn keeps_everything_over_a_clean_stop<M: Medium>(medium: &M) {
    let mut generator = Generator::new(3);
    let mut model = Model::default();
    for _ in 0..5 {
        let mut store = medium.open().unwrap();
        for _ in 0..5 {
            let batch = generator.batch(&model);
            model.apply(&batch);
            store.commit(batch, Durability::Lazy).unwrap();
        }
        let reader = store.reader();
        store.close().unwrap();
        assert_eq!(reader.snapshot().err(), Some(StoreError::Stopped), "readers end with their store");
        let store = medium.open().unwrap();
        assert_eq!(Model::read(&store.reader().snapshot().unwrap(), &model.places(), 64), model);
        store.close().unwrap();
    }
}

/// A newer format is reported and left unchanged.
pub fn refuses_an_unknown_format<M: Medium>(medium: &M) {
    let mut generator = Generator::new(4);
    let mut model = Model::default();
    let mut store = medium.open().unwrap();
    let batch = generator.batch(&model);
    model.apply(&batch);
    store.commit(batch, Durability::Lazy).unwrap();
    store.close().unwrap();
    for format in [STORE_FORMAT + 1, 0, u32::MAX] {
        medium.set_format(format);
        for _ in 0..2 {
            assert_eq!(medium.open().err(), Some(StoreError::Format { found: format }));
        }
    }
    medium.set_format(STORE_FORMAT);
    let store = medium.open().unwrap();
    assert_eq!(Model::read(&store.reader().snapshot().unwrap(), &model.places(), 64), model);
}

/// A second handle is refused while the first lives, and the first is unaffected.
pub fn opens_once<M: Medium>(medium: &M) {
    let mut store = medium.open().unwrap();
    let batch = Generator::new(6).batch(&Model::default());
    store.commit(batch, Durability::Lazy).unwrap();
    let second = medium.open().err();
    assert!(matches!(second, Some(StoreError::InUse { .. })), "{second:?}");
    store.sync().unwrap();
    drop(store);
    medium.open().unwrap().close().unwrap();
}
