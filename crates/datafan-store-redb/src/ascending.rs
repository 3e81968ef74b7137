//! Writes ascending rows, whole pages at a time.
//!
//! redb leaves a page half empty when a row is inserted into the middle of a table and the page is full. A
//! shard's log grows at its end, which is the middle of the table, so each of its pages would stay half empty
//! forever. A cursor packs the rows of a run instead.

use crate::edge::Fault;
use redb::{CursorError, Key, Table, Value};
use std::{borrow::Borrow, ops::Bound};

/// Fewer rows than this are inserted one by one: a cursor would not save a page.
const RUN_ROWS_MIN: usize = 4;

/// Inserts `rows`, which ascend. Where one lies between or on existing rows, the run ends and another one
/// starts.
pub fn insert_ascending<'a, K, V>(
    table: &mut Table<'_, K, V>,
    rows: &'a [(impl Borrow<K::SelfType<'a>>, impl Borrow<V::SelfType<'a>>)],
) -> Result<(), Fault>
where
    K: Key + 'static,
    V: Value + 'static,
{
    let mut rest = rows;
    while let Some(((key, value), others)) = rest.split_first() {
        let inserted = if rest.len() < RUN_ROWS_MIN { 0 } else { insert_run(table, rest)? };
        if inserted == 0 {
            table.insert(key.borrow(), value.borrow())?;
            rest = others;
        } else {
            rest = &rest[inserted..];
        }
    }
    Ok(())
}

/// Inserts the first rows, up to the next existing row; returns their number.
fn insert_run<'a, K, V>(
    table: &mut Table<'_, K, V>,
    rows: &'a [(impl Borrow<K::SelfType<'a>>, impl Borrow<V::SelfType<'a>>)],
) -> Result<usize, Fault>
where
    K: Key + 'static,
    V: Value + 'static,
{
    let mut cursor = table.lower_bound_mut(Bound::Included(rows[0].0.borrow()))?;
    let mut inserted = 0;
    for (key, value) in rows {
        match cursor.insert_before(key.borrow(), value.borrow()) {
            Ok(()) => inserted += 1,
            Err(CursorError::UnorderedKey) => break,
            Err(error) => return Err(error.into()),
        }
    }
    cursor.close()?;
    Ok(inserted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};
    use std::collections::BTreeMap;

    const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");

    #[test]
    fn rows_are_as_if_they_were_inserted_one_by_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let database = Database::create(file.path()).unwrap();
        let (mut model, mut seed) = (BTreeMap::new(), 7u64);
        for round in 0..200 {
            // Runs that overlap existing rows, partly and exactly.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (first, step) = ((seed >> 33) % 3_000, 1 + (seed >> 20) % 3);
            let rows: Vec<(u64, u64)> = (0..(seed >> 50) % 40).map(|n| (first + n * step, round)).collect();
            let transaction = database.begin_write().unwrap();
            insert_ascending(&mut transaction.open_table(TABLE).unwrap(), &rows).ok().unwrap();
            transaction.commit().unwrap();
            model.extend(rows);
        }
        let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
        let found: BTreeMap<u64, u64> = table
            .range::<u64>(..)
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(key, value)| (key.value(), value.value()))
            .collect();
        assert_eq!(found, model);
    }

    #[test]
    fn a_run_in_the_middle_of_a_table_fills_its_pages() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let database = Database::create(file.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            table.insert(u64::MAX, 0).unwrap();
            for first in (0..100_000).step_by(1_000) {
                let rows: Vec<(u64, u64)> = (first..first + 1_000).map(|n| (n, n)).collect();
                insert_ascending(&mut table, &rows).ok().unwrap();
            }
            let stats = table.stats().unwrap();
            let (unused, stored) = (stats.fragmented_bytes(), stats.stored_bytes());
            assert!(unused * 5 < stored, "{unused} bytes are unused beside {stored}");
        }
        transaction.commit().unwrap();
    }
}
