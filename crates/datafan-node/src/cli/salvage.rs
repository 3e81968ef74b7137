//! Store files in which redb rejects a page although every row can be read: damage is located to the row, and
//! the rest is kept.

use super::{
    args,
    failure::Failure,
    inspect::{Looked, Pages, Report, show, unsound},
    output::Output,
    repair::{free_name, repaired, set_aside, unreadable},
};
use datafan_core::{id::MeshId, store::StoreError};
use datafan_node::Home;
use datafan_store_redb::{Options, RedbStore};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Reports the wrong rows, or with `--repair` replaces the damaged file by a new one with its rows and
/// repairs that. A file with unreadable rows is moved away.
pub fn salvage(
    home: &Home,
    mesh: MeshId,
    what: &str,
    args: &args::Verify,
    out: &mut Output,
) -> Result<(), Failure> {
    if !args.repair {
        let report = readable(home, mesh).ok_or_else(|| unreadable(what))?;
        show(&report, out)?;
        return Err(unsound());
    }
    let Some(kept) = rewritten(&home.store_path())? else { return set_aside(home, what, out) };
    let mut looked = Looked::new(home, mesh, Pages::Checked, true);
    looked.catalogue().map_err(Failure::new)?;
    let report = looked.at_all()?;
    repaired(looked, Report { sound: false, moved_to: Some(kept.display().to_string()), ..report }, out)
}

/// The wrong rows, if all rows can be read.
fn readable(home: &Home, mesh: MeshId) -> Option<Report> {
    let mut looked = Looked::new(home, mesh, Pages::Unchecked, false);
    looked.catalogue().ok()?;
    let report = looked.at_all().ok().filter(Report::is_readable)?;
    Some(Report { sound: false, ..report })
}

/// Copies the rows to a new file at `store`, and returns where the old one is kept. `None` if a row cannot be
/// read or a row outside all shards is wrong; then nothing changed.
fn rewritten(store: &Path) -> Result<Option<PathBuf>, Failure> {
    let fresh = store.with_extension(format!("redb.{}.tmp", std::process::id()));
    // Left by a killed command with the same process id.
    let _ = fs::remove_file(&fresh);
    match RedbStore::rewrite(store, &fresh, &Options::default()) {
        Ok(()) => {}
        Err(StoreError::Damaged { .. }) => return Ok(None),
        Err(error) => return Err(Failure::new(error)),
    }
    let kept = free_name(store);
    let said = |path: &Path, error: io::Error| {
        let _ = fs::remove_file(&fresh);
        Failure::new(format!("{}: {error}", path.display()))
    };
    // A copy, so that a store exists at every moment.
    fs::copy(store, &kept).map_err(|error| {
        let _ = fs::remove_file(&kept);
        said(&kept, error)
    })?;
    fs::rename(&fresh, store).map_err(|error| said(store, error))?;
    Ok(Some(kept))
}
