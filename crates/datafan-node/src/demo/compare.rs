//! The full comparison: every item of every owner, on all members and against the input.

use super::{
    expected::{Expected, is_as_expected},
    line::Line,
};
use crate::cli::failure::Failure;
use datafan_core::item::Item;
use datafan_node::NodeSnapshot;
use std::sync::Arc;

/// Reads all members side by side; returns the number of items of each.
///
/// # Errors
/// At the first difference, with its place.
pub fn compare(mesh: &Line, expected: &Expected) -> Result<u64, Failure> {
    let snapshots = (0..mesh.len()).map(|at| mesh.node(at).snapshot()).collect::<Result<Vec<_>, _>>();
    let snapshots = snapshots.map_err(Failure::new)?;
    for snapshot in &snapshots {
        no_strangers(mesh, snapshot)?;
    }
    let mut items = 0;
    for owner in 0..mesh.len() {
        items += compare_owner(mesh, &snapshots, owner, expected)?;
    }
    assert_eq!(items, expected.items() as u64, "each item was compared once");
    Ok(items)
}

/// Checks that nobody holds a shard other than those of the members and the roster.
fn no_strangers(mesh: &Line, snapshot: &NodeSnapshot) -> Result<(), Failure> {
    let authority = mesh.node(0).mesh().authority();
    let known = |id| id == authority || (0..mesh.len()).any(|at| mesh.id(at) == id);
    match snapshot.owners().map_err(Failure::new)?.into_iter().find(|id| !known(*id)) {
        Some(stranger) => {
            Err(Failure::new(format!("a member holds a shard of {stranger}, which is not a member")))
        }
        None => Ok(()),
    }
}

fn compare_owner(
    mesh: &Line,
    snapshots: &[NodeSnapshot],
    owner: usize,
    expected: &Expected,
) -> Result<u64, Failure> {
    let id = mesh.id(owner);
    let mut walks: Vec<_> = snapshots.iter().map(|snapshot| snapshot.items_of(&id)).collect();
    let mut wanted = expected.of(owner);
    let mut n_items = 0;
    loop {
        let mut found: Vec<Option<Arc<Item>>> = Vec::with_capacity(walks.len());
        for walk in &mut walks {
            found.push(walk.next().transpose().map_err(Failure::new)?.map(|entry| entry.item));
        }
        // Owner, key, timestamp, value and expiry.
        if let Some(at) = found.iter().position(|item| *item != found[0]) {
            let (first, other) = (shown(&found[0]), shown(&found[at]));
            return Err(Failure::new(format!("of m{owner}: m0 has {first}, m{at} has {other}")));
        }
        match (wanted.next(), &found[0]) {
            (None, None) => return Ok(n_items),
            (Some((key, value)), Some(item)) if is_as_expected(item, key, value) => n_items += 1,
            (wanted, item) => {
                let wanted = wanted.map_or("nothing".to_owned(), |(key, _)| format!("key {key:?}"));
                return Err(Failure::new(format!(
                    "of m{owner}: expected {wanted}, all have {}",
                    shown(item)
                )));
            }
        }
    }
}

fn shown(item: &Option<Arc<Item>>) -> String {
    match item {
        Some(item) => format!("key {:?} at {}, {} bytes", item.key, item.timestamp, item.value.len()),
        None => "nothing".to_owned(),
    }
}
