//! A store file with changed bytes: it is refused, or it holds the right data.
//!
//! The input is a list of changes to a valid file, six bytes each; the first byte selects the file: one whose
//! store was closed, or one after a hard stop.

use crate::corpus::Seed;
use datafan_core::store::{Batch, Durability, Store, StoreError, StoreReader};
use datafan_store_redb::{Faults, Options, RedbStore};
use datafan_testkit::store::{Generator, Model, Places};
use std::{fs, path::Path, sync::OnceLock};
use tempfile::TempDir;

/// Maximum number of changes per input: with more, the damage is only easier to detect.
const CHANGES_MAX: usize = 32;
/// The unit in which redb reads and writes.
const PAGE_BYTES: usize = 4_096;

thread_local! {
    static DIRECTORY: TempDir = tempfile::tempdir().expect("a directory for temporary files");
}

/// Changes the file, opens it and reads all of it.
pub fn attack(bytes: &[u8]) {
    let Some((which, changes)) = bytes.split_first() else { return };
    let good = &files()[usize::from(which % 2)];
    let mut content = good.content.clone();
    changes.as_chunks().0.iter().take(CHANGES_MAX).for_each(|change| apply(&mut content, *change));
    DIRECTORY.with(|directory| {
        let path = directory.path().join("store.redb");
        fs::write(&path, &content).expect("the directory can be written");
        match read(&path, &good.places) {
            Ok(model) => assert!(model == good.model, "a changed file gives other data"),
            Err(StoreError::Damaged { .. } | StoreError::Failed { .. } | StoreError::Format { .. }) => {
                assert!(content != good.content, "a good file is refused");
            }
            Err(error) => panic!("no reason to refuse a file: {error}"),
        }
    });
}

/// A change: its kind, its position in the file (24 bits), and two more bytes.
fn apply(content: &mut Vec<u8>, [what, a, b, c, x, y]: [u8; 6]) {
    if content.is_empty() {
        return;
    }
    let at = u32::from_be_bytes([0, a, b, c]) as usize;
    let (byte, page) = (at % content.len(), at % content.len() / PAGE_BYTES * PAGE_BYTES);
    let len = usize::from(y).min(content.len() - byte);
    match what % 8 {
        // The header: which state is valid, and where it starts.
        0 | 1 => content[byte % 512] ^= x,
        2 => content[byte] ^= x,
        3 => content[byte..byte + len].fill(x),
        4 => content.truncate(byte),
        5 => content.resize(content.len() + usize::from(x) * 256, y),
        // A page that was written to the wrong place, or never.
        6 => {
            let from = usize::from(u16::from_be_bytes([x, y])) * PAGE_BYTES % content.len();
            let len = PAGE_BYTES.min(content.len() - page).min(content.len() - from);
            content.copy_within(from..from + len, page);
        }
        _ => {
            let len = PAGE_BYTES.min(content.len() - page);
            content[page..page + len].fill(0);
        }
    }
}

fn read(path: &Path, places: &Places) -> Result<Model, StoreError> {
    let store = RedbStore::open(path, Options::default())?;
    let snapshot = store.reader().snapshot()?;
    Model::try_read(&snapshot, places, 100)
}

/// A valid file and its content.
struct Good {
    content: Vec<u8>,
    model: Model,
    places: Places,
}

/// How a store ended.
#[derive(Clone, Copy)]
enum End {
    Clean,
    Hard,
}

fn files() -> &'static [Good; 2] {
    static FILES: OnceLock<[Good; 2]> = OnceLock::new();
    FILES.get_or_init(|| [End::Clean, End::Hard].map(|end| write(end).expect("a store can be written")))
}

fn write(end: End) -> Result<Good, StoreError> {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let (path, faults) = (directory.path().join("store.redb"), Faults::new());
    let mut store = RedbStore::open(&path, Options { faults: Some(faults.clone()), ..Options::default() })?;
    let mut generator = Generator::new(11);
    let (mut model, mut places) = (Model::default(), Places::new());
    for _ in 0..12 {
        let batch = generator.batch(&model);
        model.apply(&batch);
        places.extend(model.places());
        store.commit(batch, Durability::Lazy)?;
    }
    store.sync()?;
    match end {
        End::Clean => store.close()?,
        End::Hard => {
            // redb may go back by one synced commit; this one changes nothing.
            store.commit(Batch::default(), Durability::Synced)?;
            faults.cut();
            drop(store);
        }
    }
    let content = fs::read(&path).expect("the file is there");
    Ok(Good { content, model, places })
}

/// The valid files, and one change of each kind.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = vec![("clean".to_owned(), vec![0]), ("hard".to_owned(), vec![1])];
    for (what, name) in
        ["header", "slot", "bit", "fill", "truncate", "grow", "page", "zero"].iter().enumerate()
    {
        seeds.push(((*name).to_owned(), vec![what as u8 & 1, what as u8, 0, 0x10, 0x08, 1, 3]));
    }
    seeds
}
