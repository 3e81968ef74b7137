//! The store of shared shards passes the suite of all stores.

use datafan_core::store::StoreError;
use datafan_sim::store::{Pool, SharedDisk, SharedStore};
use datafan_testkit::store::{Medium, check_store};

struct Shared(SharedDisk);

impl Medium for Shared {
    type Store = SharedStore;

    fn open(&self) -> Result<SharedStore, StoreError> {
        self.0.open()
    }

    fn fail_after(&self, writes: u64) {
        self.0.fail_after(writes, "the simulated disk fails");
    }

    /// What was not synced is always lost in memory; all that a cut has to do is to refuse what comes.
    fn cut(&self, _seed: u64) {
        self.0.fail_after(0, "the power is gone");
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
    // All its disks in one pool, so that states of one are found again by another.
    let pool = Pool::default();
    check_store(|| Shared(SharedDisk::new(pool.clone())));
}
