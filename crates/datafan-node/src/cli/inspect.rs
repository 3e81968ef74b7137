//! The results of checking a store.

use super::{
    failure::{Exit, Failure},
    notes::note,
    output::{Output, table},
    text::{count, size},
};
use datafan_core::{
    grant::Grant,
    id::{MemberId, MeshId},
    identity::Strict,
    store::{ShardNumber, ShardRecord, Store, StoreError, StoreReader, StoreSnapshot},
    time::Timestamp,
    verify::{Damage, Finding, Verified, verify as verify_shard},
};
use datafan_node::Home;
use datafan_store_redb::{Options, RedbStore};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

#[derive(Serialize)]
pub struct Report {
    pub sound: bool,
    pub shards: Vec<ShardReport>,
    /// Where the damaged file is kept after a new one replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
}

#[derive(Serialize)]
pub struct ShardReport {
    #[serde(skip)]
    pub number: ShardNumber,
    #[serde(skip)]
    pub id: MemberId,
    /// Number of items kept, if the damaged shard was repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// Whether they are kept as a divergent copy, because the shard is the member's own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept_aside: bool,
    owner: String,
    owner_name: Option<String>,
    pub kind: &'static str,
    items: u64,
    bytes: u64,
    nodes: u64,
    pub findings: Vec<Found>,
}

#[derive(Serialize)]
pub struct Found {
    what: &'static str,
    /// The same for people.
    #[serde(skip)]
    words: &'static str,
    from: u64,
    to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ShardReport {
    /// Whether the damage is an item that differs from the index.
    pub fn is_wrong(&self, at: Timestamp) -> bool {
        let mut items = self.findings.iter().filter(|found| found.what == ITEM);
        items.any(|found| (found.from..=found.to).contains(&at.0))
    }
}

impl Report {
    /// Whether all rows were checked.
    pub fn is_readable(&self) -> bool {
        let mut findings = self.shards.iter().flat_map(|shard| &shard.findings);
        findings.all(|found| found.error.is_none())
    }
}

/// The error for a store whose rows can all be read, but are wrong.
pub fn unsound() -> Failure {
    let text = "the store is damaged: run `datafan verify --repair` to keep what can be read and copy the \
        rest from the mesh";
    Failure::Said(Exit::Degraded, text.to_owned())
}

/// A store that is opened again after each damage that stops it.
pub struct Looked<'a> {
    pub home: &'a Home,
    pub mesh: MeshId,
    pub store: Option<RedbStore>,
    pages: Pages,
    /// Otherwise the file is only read, even on a read-only file system.
    repairs: bool,
}

/// How to check the pages of a store.
#[derive(Clone, Copy)]
pub enum Pages {
    /// Let redb check the pages as far as it can.
    Checked,
    /// Do not check pages: compare rows with the heads. The file is only read.
    Unchecked,
}

impl<'a> Looked<'a> {
    /// Not opened yet.
    pub fn new(home: &'a Home, mesh: MeshId, pages: Pages, repairs: bool) -> Self {
        Self { home, mesh, store: None, pages, repairs }
    }

    /// Whether the file can be read at all: it opens and lists its shards.
    pub fn catalogue(&mut self) -> Result<(), StoreError> {
        let path = self.home.store_path();
        if path.exists() {
            let store = self.open(&path)?;
            let store = self.store.insert(store);
            store.reader().snapshot()?.shards()?;
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<RedbStore, StoreError> {
        match (self.pages, self.repairs) {
            (Pages::Unchecked, _) => RedbStore::open_unchecked(path, Options::default()),
            (Pages::Checked, true) => RedbStore::open(path, Options::default()),
            (Pages::Checked, false) => RedbStore::open_read_only(path, Options::default()),
        }
    }

    /// Compares all rows with the heads.
    pub fn at_all(&mut self) -> Result<Report, Failure> {
        let snapshot = self.snapshot()?;
        let mut visible = snapshot.shards().map_err(Failure::new)?;
        visible.retain(|(_, record)| record.head().is_some());
        let authority = self.mesh.authority();
        let is_roster = |record: &ShardRecord| record.is_whole() && record.owner == authority;
        let roster = visible.iter().find(|(_, record)| is_roster(record));
        let roster = roster.map(|(number, _)| *number);
        let owners = visible.iter().map(|(_, record)| record.owner);
        let names: BTreeMap<MemberId, String> =
            owners.filter_map(|owner| Some((owner, named(&snapshot, roster?, &owner)?))).collect();
        drop(snapshot);
        let mut reports = Vec::new();
        let progress = progress(&visible);
        for (number, record) in visible {
            let mut findings = Vec::new();
            let sums = self.at(number, &mut findings)?;
            progress.inc(record.root.as_ref().map_or(0, |root| root.count));
            reports.push(ShardReport {
                number,
                id: record.owner,
                kept: None,
                kept_aside: false,
                owner: record.owner.to_string(),
                owner_name: names.get(&record.owner).cloned(),
                kind: match () {
                    () if record.is_divergent() => DIVERGENT,
                    () if is_roster(&record) => "roster",
                    () => "member",
                },
                items: sums.items,
                bytes: sums.bytes,
                nodes: sums.nodes,
                findings: findings.into_iter().map(Found::of).collect(),
            });
        }
        progress.finish_and_clear();
        let sound = reports.iter().all(|report| report.findings.is_empty());
        Ok(Report { sound, shards: reports, moved_to: None })
    }

    fn at(&mut self, number: ShardNumber, findings: &mut Vec<Finding>) -> Result<Verified, Failure> {
        let snapshot = self.snapshot()?;
        let mesh = self.mesh;
        let sums = verify_shard(&snapshot, number, &mesh, &Strict, &mut |finding| findings.push(finding));
        sums.map_err(Failure::new)
    }

    /// A snapshot of the store; opens the store if it is closed or has stopped.
    pub fn snapshot(&mut self) -> Result<<<RedbStore as Store>::Reader as StoreReader>::Snapshot, Failure> {
        if let Some(store) = &self.store {
            match store.reader().snapshot() {
                Err(StoreError::Stopped) => self.store = None,
                taken => return taken.map_err(Failure::new),
            }
        }
        let path = self.home.store_path();
        if !path.exists() {
            return Err(Failure::new(format!("{} is missing: there is nothing to verify", path.display())));
        }
        let store = self.open(&path).map_err(|error| match error {
            StoreError::InUse { .. } => {
                let dir = self.home.path().display();
                Failure::new(format!("another process uses {dir}: stop the member first"))
            }
            error => Failure::new(error),
        })?;
        let snapshot = store.reader().snapshot().map_err(Failure::new)?;
        self.store = Some(store);
        Ok(snapshot)
    }
}

/// The name of an owner in the roster; `None` if the roster cannot be read.
fn named(snapshot: &impl StoreSnapshot, roster: ShardNumber, owner: &MemberId) -> Option<String> {
    let at = snapshot.timestamp_of(roster, Grant::key(owner).as_str()).ok()??;
    let item = snapshot.item(roster, at).ok()??;
    Some(Grant::decode(&item.value).ok()?.name.to_string())
}

impl Found {
    fn of(finding: Finding) -> Self {
        let (what, words) = match finding.what {
            Damage::Head => ("head", "the head does not describe the shard"),
            Damage::Signature => ("signature", "the head's signature is not its owner's"),
            Damage::Node => ("node", "a node of the index is missing or differs from its parent"),
            Damage::Item => (ITEM, "an item is missing or differs from the index"),
            Damage::Stray => ("stray", "an item is not in the index"),
            Damage::Key => ("key", "a key and its item do not refer to each other"),
            Damage::Unreadable(_) => {
                ("unreadable", "rows cannot be read, and the rest of the shard was not checked")
            }
        };
        let error = match finding.what {
            Damage::Unreadable(error) => Some(error),
            _ => None,
        };
        Self { what, words, from: finding.range.start().0, to: finding.range.end().0, error }
    }
}

/// The table, and every damage.
pub fn show(report: &Report, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return Ok(out.object(report)?);
    }
    let rows = report.shards.iter().map(|shard| {
        let state = match shard.findings.len() {
            0 => "sound".to_owned(),
            1 => "damaged in one place".to_owned(),
            n => format!("damaged in {n} places"),
        };
        let state = match shard.kept {
            Some(kept) => format!("{state}, {} kept", count(kept, "item")),
            None => state,
        };
        vec![name(shard), shard.items.to_string(), size(shard.bytes), state]
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    out.line(&table(&["SHARD OF", "ITEMS", "BYTES", "STATE"], rows))?;
    if let Some(kept) = &report.moved_to {
        out.line(&format!("the damaged file is kept as {kept}"))?;
    }
    for shard in &report.shards {
        for found in shard.findings.iter().take(FINDINGS_SHOWN) {
            let at = if found.from == found.to {
                found.from.to_string()
            } else {
                format!("{} to {}", found.from, found.to)
            };
            let error = found.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
            out.line(&format!("{}  {at}: {}{error}", name(shard), found.words))?;
        }
        if shard.findings.len() > FINDINGS_SHOWN {
            note(&format!("{}: list all of them with --json", name(shard)));
        }
    }
    Ok(())
}

/// On a terminal only: the items of the shards that are done.
fn progress(shards: &[(ShardNumber, Arc<ShardRecord>)]) -> ProgressBar {
    let items = shards.iter().filter_map(|(_, record)| record.root.as_ref()).map(|root| root.count).sum();
    let bar = ProgressBar::with_draw_target(Some(items), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {human_pos} of {human_len} items, {elapsed}");
    bar.set_style(style.expect("a sound template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The kind of damage to an item.
const ITEM: &str = "item";
/// The kind of a divergent copy of the member's own shard.
pub const DIVERGENT: &str = "divergent";
/// Findings printed per shard; JSON has them all.
const FINDINGS_SHOWN: usize = 20;

fn name(shard: &ShardReport) -> String {
    match (&shard.owner_name, shard.kind) {
        (Some(name), DIVERGENT) => format!("{name}, divergent"),
        (Some(name), _) => name.clone(),
        (None, "roster") => "roster".to_owned(),
        (None, _) => shard.owner.chars().take(8).collect(),
    }
}
