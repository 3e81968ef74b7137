//! `verify --repair`: keeps what can be read of damaged shards; a file that cannot be read at all is moved
//! away.

use super::{
    failure::{Exit, Failure},
    inspect::{DIVERGENT, Looked, Report, ShardReport, show},
    notes::note,
    output::Output,
    text::count,
};
use datafan_core::{
    item::Item,
    repair::{Repair, Whose},
    store::{Page, ShardNumber, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use datafan_node::Home;
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Serialize)]
struct SetAside {
    sound: bool,
    shards: [u8; 0],
    moved_to: String,
}

/// Moves a file away that cannot be opened or has unreadable rows.
pub fn set_aside(home: &Home, what: &str, out: &mut Output) -> Result<(), Failure> {
    let path = home.store_path();
    let to = free_name(&path);
    fs::rename(&path, &to).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let moved_to = to.display().to_string();
    let text = format!("the store cannot be read ({what}): moved to {moved_to}");
    out.change(&SetAside { sound: false, shards: [], moved_to }, &text)?;
    if out.json {
        return Ok(());
    }
    note(
        "When the member runs, it copies back what its peers have, its own shard before it writes. Own \
         writes that no peer has are lost unless a backup has them: run `datafan restore` before the next \
         `datafan run`.",
    );
    Ok(())
}

/// Where a damaged store is kept.
pub fn free_name(store: &Path) -> PathBuf {
    let mut free = (0_u32..).map(|n| match n {
        0 => store.with_extension("redb.damaged"),
        n => store.with_extension(format!("redb.damaged-{n}")),
    });
    free.find(|path| path.symlink_metadata().is_err()).expect("one of many names is free")
}

/// The error for a store that cannot be opened.
pub fn not_opened(error: StoreError) -> Failure {
    match error {
        StoreError::Damaged { what } => unreadable(&what),
        error => Failure::new(error),
    }
}

/// The error for a store whose rows were not checked yet.
pub fn unreadable(what: &str) -> Failure {
    let text = format!(
        "the store cannot be read ({what}): run `datafan verify --repair`, which keeps the rows if all can \
         be read, or else moves the file away so that the member copies from its peers; only a backup has \
         what no peer has"
    );
    Failure::Said(Exit::Degraded, text)
}

/// Keeps what can be read of the damaged shards.
pub fn repaired(mut looked: Looked<'_>, mut report: Report, out: &mut Output) -> Result<(), Failure> {
    repair(&mut looked, &mut report.shards)?;
    if let Some(store) = looked.store {
        store.close().map_err(Failure::new)?;
    }
    let n = report.shards.iter().filter(|shard| shard.kept.is_some()).count();
    out.has_done(format!("{} repaired", count(n as u64, "shard")));
    show(&report, out)?;
    if report.shards.iter().any(|shard| shard.kept_aside) {
        note(
            "What was kept of its own shard is now a divergent copy. When the member runs and has got its \
             shard back from the mesh, `datafan recovered` lists what that lacks and `recovered --take` \
             writes it. If no member has the shard, run `datafan run --abandon` first.",
        );
    }
    note("When the member runs, it copies what is missing from its peers, its own shard before it writes.");
    Ok(())
}

/// Repairs each damaged shard, except divergent copies: no peer can complete those.
pub fn repair(looked: &mut Looked<'_>, shards: &mut [ShardReport]) -> Result<(), Failure> {
    let member = looked.home.member_key().map_err(Failure::new)?;
    let authority = looked.home.authority_key().map_err(Failure::new)?.map(|key| key.id());
    let mesh = looked.mesh;
    for shard in shards.iter_mut().filter(|shard| !shard.findings.is_empty() && shard.kind != DIVERGENT) {
        let whose = match member.as_ref().filter(|key| key.id() == shard.id) {
            Some(identity) => Whose::Own { identity, mesh: &mesh },
            None if Some(shard.id) == authority => Whose::Roster,
            None => Whose::Other,
        };
        let mut repair = Repair::begin(&looked.snapshot()?, shard.number, shard.id).map_err(Failure::new)?;
        let mut next = Some(Timestamp::ZERO);
        while let Some(from) = next {
            let (mut items, rest) = readable(looked, shard.number, from)?;
            next = rest;
            if let Whose::Own { .. } = whose {
                // No peer can replace what is wrong in it.
                items.retain(|item| !shard.is_wrong(item.timestamp));
            }
            let store = looked.store.as_mut().expect("open, since a snapshot was taken");
            repair.add(store, &items).map_err(Failure::new)?;
        }
        shard.kept = Some(repair.items);
        drop(looked.snapshot()?);
        let store = looked.store.as_mut().expect("open, since a snapshot was taken");
        repair.finish(store, whose).map_err(Failure::new)?;
        shard.kept_aside = matches!(whose, Whose::Own { .. });
    }
    Ok(())
}

/// The next items that can be read, starting at `from`, and where to continue.
fn readable(
    looked: &mut Looked<'_>,
    shard: ShardNumber,
    from: Timestamp,
) -> Result<(Vec<Arc<Item>>, Option<Timestamp>), Failure> {
    for rows in [PAGE_ROWS, 1] {
        if let Some(items) = page(looked, shard, from, rows)? {
            let next = items.last().and_then(|item| item.timestamp.next());
            return Ok((items, next));
        }
    }
    // The next row cannot be read and its timestamp is unknown: search for the first one from which reading
    // works.
    let (mut fails, mut works) = (from.0, u64::MAX);
    while works - fails > 1 {
        let middle = fails + (works - fails) / 2;
        match page(looked, shard, Timestamp(middle), 1)? {
            Some(_) => works = middle,
            None => fails = middle,
        }
    }
    Ok((Vec::new(), Some(Timestamp(works)).filter(|works| *works < Timestamp::MAX)))
}

/// A page; `None` if its rows cannot be read.
fn page(
    looked: &mut Looked<'_>,
    shard: ShardNumber,
    from: Timestamp,
    rows: usize,
) -> Result<Option<Vec<Arc<Item>>>, Failure> {
    match looked.snapshot()?.log(shard, from..=Timestamp::MAX, Page::rows(rows)) {
        Ok(items) => Ok(Some(items)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(Failure::new(error)),
    }
}

/// Rows read at once.
const PAGE_ROWS: usize = 1_024;
