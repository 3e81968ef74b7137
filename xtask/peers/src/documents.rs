//! iroh-docs: two replicas of one document sync by its protocol, in one thread and without a network.
//!
//! Differences from datafan: no values are moved, an entry names them by hash and length; there is no relay
//! between the two. Messages are encoded and decoded as on its wire. Inserting the data of one side is not
//! counted.

use crate::{
    data::{self, Place},
    figures::{Figures, Stopwatch, memory},
};
use anyhow::{Result, ensure};
use iroh_blobs::Hash;
use iroh_docs::{
    Author, NamespaceSecret,
    store::{Query, fs::Store},
    sync::{ProtocolMessage, SyncOutcome},
};
use std::path::Path;
use tokio::runtime::Builder;

/// A first sync of `items` entries in memory, then one after each number of changes.
///
/// # Errors
/// If the replicas did not become equal.
pub fn sync(items: u64, changed: &[u64]) -> Result<Figures> {
    let mut figures = Figures::default();
    let (mut owner, mut other) = (Side::new(Store::memory())?, Side::new(Store::memory())?);
    owner.insert(0..items, 0)?;
    measured(&mut owner, &mut other, items, "first_copy_", &mut figures)?;
    figures.add("first_copy_peak_bytes", memory("VmHWM")?);
    for changed in changed {
        owner.insert(data::overwritten(items, *changed, Place::Random).into_iter(), *changed)?;
        // The reader does this once on both sides; it is not part of the sync.
        other.store.flush()?;
        measured(&mut owner, &mut other, *changed, &format!("reconcile_{changed}_"), &mut figures)?;
    }
    Ok(figures)
}

/// A first sync of `items` entries to a replica on a file, until they are on the disk.
///
/// # Errors
/// If the replicas did not become equal.
pub fn sync_to_file(items: u64, directory: &Path) -> Result<Figures> {
    let mut figures = Figures::default();
    let file = directory.join("documents.redb");
    let (mut owner, mut other) = (Side::new(Store::memory())?, Side::new(Store::persistent(file)?)?);
    owner.insert(0..items, 0)?;
    measured(&mut owner, &mut other, items, "first_copy_", &mut figures)?;
    figures.add("first_copy_peak_bytes", memory("VmHWM")?);
    Ok(figures)
}

/// Memory of a replica in memory per entry, beyond its key; it holds no values.
///
/// # Errors
/// If the store fails.
pub fn memory_of(items: u64) -> Result<Figures> {
    let mut side = Side::new(Store::memory())?;
    let before = memory("VmRSS")?;
    side.insert(0..items, 0)?;
    side.store.flush()?;
    let taken = memory("VmRSS")? - before;
    let mut figures = Figures::default();
    figures.add("bytes_per_item", taken / items as f64 - data::KEY_BYTES as f64);
    Ok(figures)
}

/// A member of the document.
struct Side {
    store: Store,
    namespace: NamespaceSecret,
    author: Author,
    /// Its own inserts do no async work: each is ready at once.
    runtime: tokio::runtime::Runtime,
}

impl Side {
    fn new(mut store: Store) -> Result<Self> {
        let namespace = NamespaceSecret::from_bytes(&[7; 32]);
        store.new_replica(namespace.clone())?;
        store.close_replica(namespace.id());
        let runtime = Builder::new_current_thread().build()?;
        Ok(Self { store, namespace, author: Author::from_bytes(&[8; 32]), runtime })
    }

    /// Writes items; another `edition` has other values.
    fn insert(&mut self, items: impl Iterator<Item = u64>, edition: u64) -> Result<()> {
        let mut replica = self.store.open_replica(&self.namespace.id())?;
        self.runtime.block_on(async {
            for n in items {
                let value = data::value(n ^ (edition << 20));
                let (key, length) = (data::key(n), value.len() as u64);
                replica.insert(key, &self.author, Hash::new(value), length).await?;
            }
            anyhow::Ok(())
        })?;
        drop(replica);
        self.store.close_replica(self.namespace.id());
        Ok(())
    }

    fn n_entries(&mut self) -> Result<u64> {
        Ok(self.store.get_many(self.namespace.id(), Query::all())?.count() as u64)
    }
}

/// Brings `other` to the state of `owner`, which has written `expected` entries that it lacks.
fn measured(
    owner: &mut Side,
    other: &mut Side,
    expected: u64,
    prefix: &str,
    figures: &mut Figures,
) -> Result<()> {
    owner.store.flush()?;
    let (mut bytes, mut messages) = (0, 0);
    let (mut asked, mut served) = (SyncOutcome::default(), SyncOutcome::default());
    let watch = Stopwatch::start()?;
    {
        let mut server = owner.store.open_replica(&owner.namespace.id())?;
        let mut asker = other.store.open_replica(&other.namespace.id())?;
        let mut next = Some(asker.sync_initial_message()?);
        while let Some(message) = next {
            let message = carried(&message, &mut bytes, &mut messages)?;
            let answer =
                owner.runtime.block_on(server.sync_process_message(message, [1; 32], &mut served))?;
            let Some(answer) = answer else { break };
            let answer = carried(&answer, &mut bytes, &mut messages)?;
            next = other.runtime.block_on(asker.sync_process_message(answer, [2; 32], &mut asked))?;
        }
    }
    other.store.flush()?;
    figures.add_times(prefix, &watch)?;
    figures.add(format!("{prefix}bytes"), bytes as f64);
    figures.add(format!("{prefix}messages"), f64::from(messages));
    owner.store.close_replica(owner.namespace.id());
    other.store.close_replica(other.namespace.id());
    ensure!(asked.num_recv as u64 >= expected, "{} of {expected} entries came", asked.num_recv);
    ensure!(owner.n_entries()? == other.n_entries()?, "the replicas differ");
    Ok(())
}

/// Encodes like its codec: a length of four bytes, then postcard.
fn carried(message: &ProtocolMessage, bytes: &mut usize, messages: &mut u32) -> Result<ProtocolMessage> {
    let frame = postcard::to_stdvec(message)?;
    (*bytes, *messages) = (*bytes + 4 + frame.len(), *messages + 1);
    Ok(postcard::from_bytes(&frame)?)
}
