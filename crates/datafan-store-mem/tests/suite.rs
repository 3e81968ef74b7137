//! The store in memory passes the suite of all stores.

use datafan_core::store::StoreError;
use datafan_store_mem::{MemDisk, MemStore};
use datafan_testkit::store::{Medium, check_store};

struct Disk(MemDisk);

impl Medium for Disk {
    type Store = MemStore;

    fn open(&self) -> Result<MemStore, StoreError> {
        self.0.open()
    }

    fn fail_after(&self, writes: u64) {
        self.0.fail_after(writes);
    }

    /// Unsynced data is always lost in memory; a power cut only has to refuse later writes.
    fn cut(&self, _seed: u64) {
        self.0.fail_after(0);
    }

    fn heal(&self) {
        self.0.heal();
    }

    fn set_format(&self, format: u32) {
        self.0.set_format(format);
    }
}

#[test]
fn passes_the_suite() {
    check_store(|| Disk(MemDisk::new()));
}
