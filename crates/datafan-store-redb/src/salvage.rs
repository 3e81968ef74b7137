//! Files that were closed cleanly and have a corrupt page although all rows can be read: the rows are copied
//! to a new file, and the caller compares each with what its owner signed.

use crate::{
    backend::Writes,
    edge::{Fault, caught, damaged},
    layout::{EXPIRIES, KEYS, LOG, META, NODES, OWNERS, SHARDS, TOMBSTONES},
    open::{Found, Opened, Options, database, found, synced, writes},
};
use datafan_core::store::StoreError;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value, WriteTransaction,
};
use std::{fs, path::Path};

/// The database at `path`, for reading. Pages of the tables that the signed heads cover need not be intact;
/// all others are checked, since nothing else would detect damage in them.
pub fn open_unchecked(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let (mut looked, _) = database(path, options, Writes::Forgotten)?;
    // After a crash, redb itself decides which state to use, and checks every page for that.
    let Found::Sound { clean: true } = caught(|| found(&looked.begin_read()?))? else {
        return Err(wrong_page());
    };
    caught(|| without_vouched(&looked))?;
    if !caught(|| Ok(looked.get_mut().check_integrity()?))? {
        return Err(wrong_page());
    }
    looked.finish()?;
    database(path, options, Writes::Forgotten)
}

fn wrong_page() -> StoreError {
    damaged("a page is corrupt")
}

/// Removes the tables whose rows the heads cover; the removal is discarded like every write to such a file.
fn without_vouched(database: &Database) -> Result<(), Fault> {
    let transaction = synced(database)?;
    transaction.delete_table(LOG)?;
    transaction.delete_table(KEYS)?;
    transaction.delete_table(NODES)?;
    Ok(transaction.commit()?)
}

/// Creates a new file at `to` with the rows of `from`, which is unchanged. After an error nothing is at `to`.
pub fn rewrite(from: &Path, to: &Path, options: &Options) -> Result<(), StoreError> {
    let (source, _) = open_unchecked(from, options)?;
    let (target, full) = database(to, options, writes(options))?;
    let done = caught(|| copy_all(&source, &target)).and_then(|()| match full.what() {
        Some(what) => Err(StoreError::Full { what: what.to_owned() }),
        None => Ok(()),
    });
    let closed = target.finish().and(source.finish());
    done.and(closed).inspect_err(|_| drop(fs::remove_file(to)))
}

fn copy_all(source: &Database, target: &Database) -> Result<(), Fault> {
    let (from, to) = (source.begin_read()?, synced(target)?);
    copy(&from, &to, META)?;
    copy(&from, &to, SHARDS)?;
    copy(&from, &to, OWNERS)?;
    copy(&from, &to, LOG)?;
    copy(&from, &to, KEYS)?;
    copy(&from, &to, NODES)?;
    copy(&from, &to, TOMBSTONES)?;
    copy(&from, &to, EXPIRIES)?;
    Ok(to.commit()?)
}

fn copy<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), Fault> {
    let (from, mut to) = match from.open_table(table) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        from => (from?, to.open_table(table)?),
    };
    for row in from.iter()? {
        let (key, value) = row?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}
