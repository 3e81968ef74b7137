//! Makes a state visible, and writes the changes that a call staged.

use super::{context::News, effect::Effect, handlers::Replication};
use crate::{
    store::{ShardChange, ShardNumber, ShardRecord, Store, StoreError, StoreSnapshot},
    trie::root_hash,
};
use alloc::sync::Arc;

impl<S: Store> Replication<'_, S> {
    /// Writes the changes that this call staged, so that what was announced can be read.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.disk.has_staged() {
            let changed = self.disk.write(self.cx)?;
            self.end_pins_of_grown_store();
            for shard in changed {
                if let Some(record) = self.disk.current().shard(shard)? {
                    self.replicas.share(record);
                }
            }
        }
        Ok(())
    }

    /// Makes `record`, which has a head, the visible state of its owner.
    pub(super) fn adopt(&mut self, shard: ShardNumber, record: ShardRecord, mut change: ShardChange) {
        let head = *record.head().expect("a visible shard has a head");
        assert_eq!(
            root_hash(record.root.as_ref()),
            head.root,
            "the root of a visible shard matches its head"
        );
        let before = self.replicas.get_or_insert(&head.owner).timestamp();
        self.replicas.forget_up_to(&head);
        if let Some(building) = self.replicas.take_building(&head.owner).filter(|building| *building != shard)
        {
            self.disk.retire(head.owner, building);
        }
        if head.owner == self.cx.config.mesh.authority() {
            self.members.learn(self.cx, self.replicas, &change);
        }
        self.system_items().learn_change(&head.owner, &change);
        if self.cx.config.publish_links {
            self.cx.add_news(News::Moved { owner: head.owner });
        }
        let record = Arc::new(record);
        change.record = Some(record.clone());
        self.replicas.hold(&head.owner, Some((shard, record)));
        self.disk.stage(shard, change);
        self.exchange().on_shard_moved(&head, before);
        self.members.on_seen(self.cx, self.replicas, &head.owner);
        self.cx.emit(Effect::Applied { owner: head.owner, timestamp: head.timestamp });
    }

    /// Ends pins for peers once the store has grown too much: a copying peer must not make it grow without
    /// bound.
    pub(super) fn end_pins_of_grown_store(&mut self) {
        if self.links.values().all(|link| !link.has_pins()) {
            return;
        }
        // An error here shows up at the next write.
        let file_bytes = self.disk.file_bytes().unwrap_or_default();
        let (written, max) =
            (self.disk.written_bytes(), (file_bytes / 4).max(self.cx.config.pin_growth_bytes));
        for (_, link) in self.links.iter_mut_untracked() {
            link.end_pins_written(written, max);
        }
    }
}
