//! The store of shared shards passes the suite of all stores.

use datafan_core::{
    engine::{Answer, NotWritable},
    store::StoreError,
    time::SECOND,
};
use datafan_sim::{
    store::{Pool, SharedDisk, SharedStore},
    world::{World, line, put},
};
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

    /// Unsynced data is always lost in memory; a power cut only has to refuse later writes.
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
    // All its disks are in one pool, so that other disks find states of one again.
    let pool = Pool::default();
    check_store(|| Shared(SharedDisk::new(pool.clone())));
}

#[test]
fn a59_a_disk_that_runs_full_is_read_and_goes_on_when_it_has_room() {
    for seed in 1..4 {
        for room in [0, 1, 3, 9] {
            let mut world: World<SharedDisk> = World::mesh(3, seed);
            world.link_all(&line(3));
            world.put(1, "before", "v");
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            world.disk(1).fill_after(room);
            let mut n_written = 0;
            for n in 0..20 {
                let ticket = world.ask_commit(1, vec![put(&format!("k{n}"), "v")]);
                world.run_for(SECOND);
                match world.answer(1, ticket) {
                    Some(Answer::Committed(_)) => n_written = n + 1,
                    Some(Answer::Refused(error)) => {
                        assert!(matches!(error.not_writable(), Some(NotWritable::DiskFull { .. })), "{error}")
                    }
                    // Writes in progress when the store was opened again.
                    None => {}
                }
            }
            assert!(n_written <= room && world.runs(1), "{n_written} written");
            world.put(0, "meanwhile", "v");
            world.run_for(10 * SECOND);
            assert_eq!(world.get(1, 1, "before").as_deref(), Some(&b"v"[..]), "it is read");
            assert_eq!(world.get(1, 0, "meanwhile"), None, "and takes nothing");
            assert!(world.status(1).disk_full.is_some());

            world.disk(1).free();
            world.run_until("all have all", 20 * SECOND, |world| world.equal());
            world.put(1, "after", "v");
            world.run_until("equal", 10 * SECOND, |world| {
                world.equal() && world.all_read(1, "after", Some(b"v"))
            });
            for key in (0..n_written).map(|n| format!("k{n}")) {
                assert!(world.all_read(1, &key, Some(b"v")), "{key} was acknowledged");
            }
        }
    }
}
