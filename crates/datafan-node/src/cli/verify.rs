//! `verify`: checks the store of a stopped member against the signatures of its owners.

use super::{
    args,
    failure::Failure,
    init::of_member,
    inspect::{Looked, Pages, show, unsound},
    output::Output,
    repair::{not_opened, repaired},
    salvage::salvage,
};
use datafan_core::store::{Store, StoreError};
use datafan_node::Home;
use std::path::Path;

/// `datafan verify`
pub fn verify(dir: &Path, args: &args::Verify, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    let mesh = of_member(&home)?.mesh;
    let mut looked = Looked::new(&home, mesh, Pages::Checked, args.repair);
    if let Err(StoreError::Damaged { what }) = looked.catalogue() {
        drop(looked);
        return salvage(&home, mesh, &what, args, out);
    }
    let report = looked.at_all()?;
    if args.repair && !report.sound {
        return repaired(looked, report, out);
    }
    // A clean close marks the store as good, so a damaged one is left as after a crash.
    if let Some(store) = looked.store.filter(|_| report.sound) {
        store.close().map_err(Failure::new)?;
    }
    show(&report, out)?;
    if report.sound { Ok(()) } else { Err(unsound()) }
}

/// Refuses a store that differs from what its owners signed, before it is used.
pub fn refuse_unsound(home: &Home) -> Result<(), Failure> {
    let mesh = of_member(home)?.mesh;
    let mut looked = Looked::new(home, mesh, Pages::Checked, false);
    looked.catalogue().map_err(not_opened)?;
    match looked.at_all()?.sound {
        true => Ok(()),
        false => Err(unsound()),
    }
}
