//! Builds the state of a reconciliation: a layer in memory, or a hidden copy on disk.

use super::{
    super::handlers::Reconciler,
    build::{Build, Copy},
    state::Reconciliation,
};
use crate::{
    limits::RANGE_ITEMS_MAX,
    shard::Edit,
    store::{Page, ShardChange, ShardRecord, ShardState, Store, StoreError},
    time::Timestamp,
    trie::Branch,
};

/// Largest layer in bytes. A larger one becomes a hidden copy.
pub(super) const LAYER_BYTES_MAX: usize = crate::limits::DELTA_BYTES_MAX;
/// Target for all layers together, in bytes. A single layer may always have [`LAYER_BYTES_MIN`].
const LAYERS_BYTES_MAX: usize = 64 << 20;
const LAYER_BYTES_MIN: usize = 256 << 10;
/// Bytes that a row takes in a layer beside its item.
pub(super) const ROW_BYTES: usize = 256;

impl<S: Store> Reconciler<'_, S> {
    /// Chooses the kind of build: a layer over the visible shard, or a hidden copy if nothing is visible and
    /// much is expected.
    pub(super) fn begin_build(&mut self, reconciliation: &Reconciliation) -> Result<Build, StoreError> {
        let owner = reconciliation.target.owner;
        let state = &self.replicas[&owner];
        // A divergent copy must not change the visible shard.
        if reconciliation.is_of_divergent() {
            let from = state.whole().map(|(shard, _)| shard);
            let copy = from.map(|from| Copy { from, layer: ShardChange::default(), next: Timestamp::ZERO });
            return self.begin_hidden(reconciliation, copy);
        }
        if let Some((shard, record)) = state.whole() {
            let root = record.root;
            return Ok(Build::Layer { shard, change: ShardChange::default(), root, bytes: 0 });
        }
        let rows = reconciliation.target.items.saturating_mul(ROW_BYTES as u64);
        let large = reconciliation.target.bytes.saturating_add(rows) > LAYER_BYTES_MAX as u64;
        if large || state.building().is_some() {
            return self.begin_hidden(reconciliation, None);
        }
        let shard = self.disk.new_shard();
        Ok(Build::Layer { shard, change: ShardChange::default(), root: None, bytes: 0 })
    }

    /// A hidden copy: the one of an earlier run, or a new one that copies `copy`.
    fn begin_hidden(
        &mut self,
        reconciliation: &Reconciliation,
        copy: Option<Copy>,
    ) -> Result<Build, StoreError> {
        let owner = reconciliation.target.owner;
        if let Some(shard) = self.replicas[&owner].building().filter(|_| !reconciliation.is_of_divergent())
            && let Some(record) = self.disk.record(shard)?
            && let ShardState::Building { copied } = record.state
        {
            let whole = self.replicas.whole(&owner).map(|(shard, _)| shard);
            let copy = copied
                .next()
                .and_then(|next| Some(Copy { from: whole?, layer: ShardChange::default(), next }));
            return Ok(Build::Hidden { shard, root: record.root, copy });
        }
        let shard = self.disk.new_shard();
        if !reconciliation.is_of_divergent() {
            self.replicas.set_building(&owner, shard);
        }
        let build = Build::Hidden { shard, root: None, copy };
        self.disk.stage(
            shard,
            ShardChange {
                record: Some(hidden_record(reconciliation, &build).into()),
                ..ShardChange::default()
            },
        );
        Ok(build)
    }

    /// Turns a layer that has grown too large into a hidden copy.
    pub(super) fn hide_large_layer(&mut self, reconciliation: &mut Reconciliation) -> Result<(), StoreError> {
        match &reconciliation.build {
            Some(Build::Layer { bytes, .. }) if *bytes > self.layer_bytes_max() => self.hide(reconciliation),
            _ => Ok(()),
        }
    }

    /// Turns a layer into a hidden copy, which leaves the visible shard unchanged.
    pub(super) fn hide(&mut self, reconciliation: &mut Reconciliation) -> Result<(), StoreError> {
        match reconciliation.build.take() {
            Some(Build::Layer { shard, change, .. }) => {
                let copy = Copy { from: shard, layer: change, next: Timestamp::ZERO };
                reconciliation.build = Some(self.begin_hidden(reconciliation, Some(copy))?);
                reconciliation.restart();
                self.cx.more_to_do = true;
            }
            build => reconciliation.build = build,
        }
        Ok(())
    }

    /// The size limit of a layer: all layers share [`LAYERS_BYTES_MAX`].
    fn layer_bytes_max(&self) -> usize {
        let share = LAYERS_BYTES_MAX / self.replicas.n_compared().max(1);
        share.clamp(LAYER_BYTES_MIN, LAYER_BYTES_MAX)
    }

    /// Copies one page into the hidden copy. True while the copy is not finished.
    pub(super) fn copy_page(&mut self, reconciliation: &mut Reconciliation) -> Result<bool, StoreError> {
        let Some(Build::Hidden { shard, root, copy }) = &mut reconciliation.build else { return Ok(false) };
        let Some(Copy { from, layer, next }) = copy else { return Ok(false) };
        let source = self.disk.view_with(*from, Some(layer));
        let (items, rest) = source.log(*next..=Timestamp::MAX, Page::rows(RANGE_ITEMS_MAX))?;
        let mut edit = Edit::new(self.disk.view(*shard));
        edit.put_all(&items)?;
        let (new_root, mut change) = edit.finish(*root)?;
        let shard = *shard;
        *root = new_root;
        match rest {
            Some(rest) => *next = rest,
            None => *copy = None,
        }
        let build = reconciliation.build.as_ref().expect("matched above");
        change.record = Some(hidden_record(reconciliation, build).into());
        self.disk.stage(shard, change);
        self.cx.more_to_do = true;
        Ok(true)
    }

    /// Adds verified changes to the state under construction.
    pub(super) fn add_to_build(
        &mut self,
        reconciliation: &mut Reconciliation,
        root: Option<Branch>,
        mut change: ShardChange,
        grown: usize,
    ) -> Result<(), StoreError> {
        match &mut reconciliation.build {
            Some(Build::Layer { change: layer, root: layer_root, bytes, .. }) => {
                layer.absorb(change);
                *layer_root = root;
                *bytes += grown;
            }
            Some(Build::Hidden { shard, root: hidden_root, .. }) => {
                *hidden_root = root;
                let shard = *shard;
                // A hidden copy keeps no tombstones: they start at its head.
                change.tombstones.clear();
                let build = reconciliation.build.as_ref().expect("matched above");
                change.record = Some(hidden_record(reconciliation, build).into());
                self.disk.stage(shard, change);
            }
            None => {}
        }
        self.hide_large_layer(reconciliation)
    }
}

/// The record of a hidden copy.
fn hidden_record(reconciliation: &Reconciliation, build: &Build) -> ShardRecord {
    let owner = reconciliation.target.owner;
    // A divergent state is not continued after a restart.
    if reconciliation.is_of_divergent() {
        return ShardRecord::dead(owner);
    }
    let copied = match build {
        Build::Hidden { copy: Some(copy), .. } => Timestamp(copy.next.0.saturating_sub(1)),
        Build::Hidden { copy: None, .. } | Build::Layer { .. } => Timestamp::MAX,
    };
    ShardRecord::building(owner, build.root(), copied)
}
