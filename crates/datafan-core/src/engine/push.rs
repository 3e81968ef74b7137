//! Push: every commit is sent at once, as a delta if it is small, else as a head.
//!
//! Nothing is queued for a slow peer: the link keeps one position per owner, and one combined delta follows
//! when there is room.

use super::{
    handlers::{Exchange, Pusher},
    replicas::Owner,
    serve::delta_body,
};
use crate::{
    connector::{Frame, Lane},
    head::Head,
    id::MemberId,
    limits::PUSH_BYTES_MAX,
    message::{Delta, Message},
    store::{Store, StoreError},
    time::Timestamp,
};
use alloc::{sync::Arc, vec::Vec};

/// The frames made for one owner in one call, by base. Most links need the same frame.
type Frames = Vec<(Timestamp, Frame)>;

impl<S: Store> Pusher<'_, S> {
    /// Sends the changes of this call to all peers that are not known to have them.
    pub(super) fn push_changes(&mut self) -> Result<(), StoreError> {
        if !self.replicas.has_moved() {
            return Ok(());
        }
        let mut behind = Vec::new();
        for (owner, moved) in self.replicas.take_moved() {
            // Peers find the change in their rounds.
            if self.replicas.has_lost_push(&owner) {
                continue;
            }
            let Some(now) = self.replicas.get(&owner).map(|state| state.timestamp()) else { continue };
            // A peer that joins through us gets the roster as soon as we have it; without it, the peer cannot
            // accept us.
            let roster = owner == self.cx.config.mesh.authority();
            let (tree, may_push) = (self.replicas[&owner].tree(), roster || self.cx.may_push());
            for (peer, link) in self.links.iter_mut_untracked() {
                // A peer that announced this head no longer has a position.
                let base = link.position(&owner).unwrap_or(moved.before);
                let hears = link.is_up() || roster && link.peer_accepted();
                if !hears || base >= now || !tree.is_eager(link.place()) || moved.told.contains(peer) {
                    continue;
                }
                if link.is_full(Lane::Small) || !may_push {
                    link.set_position(&owner, Some(base));
                    if !may_push {
                        link.begin_catching_up();
                    }
                } else {
                    link.set_position(&owner, None);
                    behind.push((*peer, base));
                }
            }
            let mut frames: Frames = moved.message.map(|frame| (moved.before, frame)).into_iter().collect();
            for (peer, base) in behind.drain(..) {
                self.push_to(peer, &owner, base, &mut frames)?;
            }
            if !may_push {
                self.links.mark_dirty();
            }
        }
        Ok(())
    }

    /// Sends what peers missed while their links were full: one delta per owner, regardless of the number of
    /// commits, and a limited amount per call.
    pub(super) fn catch_up(&mut self) -> Result<(), StoreError> {
        let peers: Vec<MemberId> = self
            .links
            .iter()
            .filter(|(_, link)| link.is_catching_up() && link.is_up() && !link.is_full(Lane::Small))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in peers {
            let before = self.cx.stats.bytes_sent;
            let place = self.links[&peer].place();
            let positions: Vec<(MemberId, Timestamp)> = self.links[&peer].positions().collect();
            let behind = positions.into_iter().filter(|(owner, position)| {
                let state = self.replicas.get(owner);
                state.is_some_and(|state| *position < state.timestamp() && state.tree().is_eager(place))
            });
            let mut behind = behind.collect::<Vec<_>>().into_iter();
            while let Some((owner, position)) = behind
                .next()
                .filter(|_| self.cx.stats.bytes_sent - before < CATCH_UP_BYTES_MAX && self.cx.may_push())
            {
                self.links.set_position(&peer, &owner, None);
                self.push_to(peer, &owner, position, &mut Frames::new())?;
            }
            let all = self.cx.stats.bytes_sent - before < CATCH_UP_BYTES_MAX && self.cx.may_push();
            self.cx.more_to_do |= !all && self.cx.may_push();
            if let Some(link) = self.links.get_mut(&peer) {
                match all {
                    true => link.end_catching_up(),
                    false => link.begin_catching_up(),
                }
            }
        }
        Ok(())
    }

    fn push_to(
        &mut self,
        peer: MemberId,
        owner: &MemberId,
        base: Timestamp,
        frames: &mut Frames,
    ) -> Result<(), StoreError> {
        let made = frames.iter().find(|(from, _)| *from == base).map(|(_, frame)| frame.clone());
        let frame = match made {
            Some(frame) => frame,
            None => {
                let Some((shard, record)) = self.replicas.get(owner).and_then(Owner::whole) else {
                    return Ok(());
                };
                let head = *record.head().expect("a visible shard has a head");
                let frame = match delta_body(self.disk, shard, record, base, PUSH_BYTES_MAX)? {
                    Some(body) => Message::Push(Delta::new(head, base, &body)).frame(),
                    None => Message::Announce(alloc::vec![head]).frame(),
                };
                frames.push((base, frame.clone()));
                frame
            }
        };
        self.cx.count_pushed(frame.bytes.len());
        match self.cx.is_own(owner) {
            true => self.cx.send_frame(peer, frame),
            false => self.cx.send_frame_at_once(peer, frame),
        }
        Ok(())
    }
}

impl<V> Exchange<'_, V> {
    /// Records that the visible shard moved to `head`, either from `before` or from where an earlier step of
    /// this call brought it.
    pub(super) fn on_shard_moved(&mut self, head: &Head, before: Timestamp) {
        let mut told = Vec::new();
        for (peer, link) in self.links.iter_mut_untracked() {
            if link.position(&head.owner) == Some(head.timestamp) {
                link.set_position(&head.owner, None);
                told.push(*peer);
            }
        }
        self.replicas.on_moved(head.owner, before, told);
    }

    /// Records that `peer` brought the delta that was just applied. `message` holds it if it may be relayed
    /// unchanged.
    pub(super) fn on_delta_applied(
        &mut self,
        peer: MemberId,
        delta: &Delta<'_>,
        message: Option<&Arc<[u8]>>,
    ) {
        let owner = delta.head.owner;
        self.links.set_position(&peer, &owner, None);
        let message = message.filter(|bytes| bytes.len() <= PUSH_BYTES_MAX);
        let message = message.map(|bytes| Frame { lane: Lane::Small, bytes: bytes.clone() });
        self.replicas.record_sender(&owner, peer, delta.base, message);
    }
}

/// Bytes that one peer gets per call when it catches up. The rest follows while its lane has room.
const CATCH_UP_BYTES_MAX: u64 = 1 << 20;
