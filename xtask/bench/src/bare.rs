//! The same inserts without datafan: two redb tables, items by key and the log by timestamp.

use crate::data;
use anyhow::Result;
use datafan_core::engine::Write;
use redb::{Database, Durability, TableDefinition};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const LOG: TableDefinition<'_, &[u8; 12], &[u8]> = TableDefinition::new("log");
const ITEMS: TableDefinition<'_, &[u8], &[u8; 8]> = TableDefinition::new("items");

/// Inserts `items` items in transactions of one commit each; like those of the receiver, they are on disk at
/// the end.
///
/// # Errors
/// If redb fails.
pub fn insert(items: u64, directory: &Path) -> Result<Duration> {
    let commits: Vec<_> = data::commits(items, data::COMMIT_WRITES).collect();
    let mut builder = Database::builder();
    builder.set_cache_size(datafan_store_redb::Options::default().cache_bytes);
    let database = builder.create(directory.join("bare.redb"))?;
    let began = Instant::now();
    let mut timestamp = data::wall_micros();
    let n_commits = commits.len();
    for (n, commit) in commits.into_iter().enumerate() {
        let mut transaction = database.begin_write()?;
        let last = n + 1 == n_commits;
        transaction.set_durability(if last { Durability::Immediate } else { Durability::None })?;
        {
            let (mut log, mut items) = (transaction.open_table(LOG)?, transaction.open_table(ITEMS)?);
            for write in commit {
                let Write::Put { key, value, .. } = write else { continue };
                timestamp += 1;
                let (at, key) = (timestamp.to_be_bytes(), key.as_str().as_bytes());
                let mut row = [0; 12];
                row[4..].copy_from_slice(&at);
                log.insert(&row, [key, &value].concat().as_slice())?;
                items.insert([&row[..4], key].concat().as_slice(), &at)?;
            }
        }
        transaction.commit()?;
    }
    Ok(began.elapsed())
}
