//! Publishes this member's links, and learns the links that others publish.

use super::{
    discovery::{LINKS_KEY, UpLink, decode_links},
    handlers::{Commits, Conflicts},
    input::Write,
};
use crate::{
    engine::rejection::Rejection,
    id::MemberId,
    item::Key,
    store::{Store, StoreError},
};
use alloc::vec::Vec;

impl<S: Store> Commits<'_, S> {
    /// Whether this member's links may have to be published.
    pub(super) fn is_links_check_due(&self) -> bool {
        self.cx.config.publish_links && self.discovery.own_links.wakes_at() <= self.cx.now.time
    }

    /// The own links cannot be written now. Tries again a little later if `soon`, else when the links change.
    pub(super) fn postpone_links(&mut self, soon: bool) {
        if self.is_links_check_due() {
            self.discovery.own_links.postpone(soon, self.cx.now.time);
        }
    }

    /// Adds the write of the own links, if they changed and the change lasted long enough.
    pub(super) fn links_writes(&mut self, writes: &mut Vec<Write>) -> Result<(), StoreError> {
        if !self.is_links_check_due() {
            return Ok(());
        }
        let seen = self.conflicts().seen_runs()?;
        let links = self.links.iter().filter(|(_, link)| link.is_up());
        let links: Vec<UpLink> = links
            .map(|(peer, link)| {
                let run = link.run();
                UpLink { peer: *peer, run, since: link.up_since() }
            })
            .collect();
        if let Some(links) = self.discovery.own_links.due(self.cx.now.time, &links, seen) {
            self.discovery.own_links.on_written(self.cx.now.time);
            let key = Key::new(LINKS_KEY).expect("a key");
            writes.push(Write::Put { key, value: links.encode().into(), expiry: None });
        }
        Ok(())
    }
}

impl<S: Store> Conflicts<'_, S> {
    /// Learns the links that `owner` publishes.
    pub(super) fn learn_links(&mut self, owner: &MemberId, value: &[u8]) {
        let links = decode_links(value);
        if *owner == self.cx.me {
            let links = links.unwrap_or_default();
            self.on_seen(&links.seen);
            self.discovery.own_links.on_published(links);
            return;
        }
        match links {
            Ok(links) => {
                let peers: Vec<MemberId> = links.peers.iter().map(|(peer, _)| *peer).collect();
                self.discovery.reach.list(owner, &peers);
                self.learn_listed(owner, links.run_of(&self.cx.me));
            }
            Err(_) => {
                self.cx.stats.reject(Rejection::Links);
                self.discovery.reach.unlist(owner);
                self.key_conflicts.listed.forget(owner);
            }
        }
    }
}
