//! A store file of which redb refuses a page, though each of its rows can be read: what is wrong is known to
//! the row, and the rest stays.

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

/// Says which rows are wrong, or with `--repair` puts a file of the rows in the place of the damaged one and
/// repairs that; a file whose rows cannot all be read is moved aside.
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

/// What is wrong with the rows, if all of them can be read.
fn readable(home: &Home, mesh: MeshId) -> Option<Report> {
    let mut looked = Looked::new(home, mesh, Pages::Unchecked, false);
    looked.catalogue().ok()?;
    let report = looked.at_all().ok().filter(Report::is_readable)?;
    Some(Report { sound: false, ..report })
}

/// Makes a new file of the rows at `store`; gives where the old one is now. `None` if a row cannot be read,
/// or something is wrong for which no head vouches; then all is as it was.
fn rewritten(store: &Path) -> Result<Option<PathBuf>, Failure> {
    let fresh = store.with_extension(format!("redb.{}.tmp", std::process::id()));
    // Of a killed command whose number this one has got.
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
    // A copy: at no moment there is no store.
    fs::copy(store, &kept).map_err(|error| {
        let _ = fs::remove_file(&kept);
        said(&kept, error)
    })?;
    fs::rename(&fresh, store).map_err(|error| said(store, error))?;
    Ok(Some(kept))
}
