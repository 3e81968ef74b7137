//! Rounds: compare all heads with one hash, and find those that differ.

use super::{
    handlers::{Exchange, Gossip, Server},
    links::Comparing,
};
use crate::{
    connector::Lane,
    engine::rejection::Rejection,
    hash::Hash,
    head::{HEAD_BYTES, Head},
    id::MemberId,
    limits::HEAD_SLOTS_MAX,
    message::{Ask, HeadAnswer, HeadChild, Hints, Message},
    store::Store,
    trie::{Branch, Place},
};
use alloc::{boxed::Box, vec::Vec};

/// Most messages of one comparison, so that it ends regardless of the answers. Remaining differences are
/// found in the next one.
const MESSAGES_MAX: u32 = 256;
/// The heads of one comparison take at most this fraction of the link's fetch window. Heads are sent again
/// until their data is held, and a slow link has to carry that data too.
const WINDOW_SHARE: u64 = 8;
/// Most slots that differ and wait to be requested. Beyond that, the earliest ones are left to the next
/// comparison.
const LATER_MAX: usize = 1_024;
const _: () = assert!(LATER_MAX >= 16 * HEAD_SLOTS_MAX, "all slots of one answer fit");

impl<V> Exchange<'_, V> {
    /// Sends our root to every peer.
    pub(super) fn begin_round(&mut self) {
        self.cx.stats.rounds += 1;
        let ready = self.links.iter().filter(|(_, link)| link.is_up() && !link.is_full(Lane::Small));
        let ready: Vec<MemberId> = ready.map(|(peer, _)| *peer).collect();
        let frame = Message::Round(self.replicas.root()).frame();
        for peer in ready {
            self.cx.send_frame(peer, frame.clone());
        }
    }

    pub(super) fn send_round(&mut self, peer: MemberId) {
        let ready = self.links.get(&peer).is_some_and(|link| link.is_up() && !link.is_full(Lane::Small));
        if ready {
            let root = self.replicas.root();
            self.cx.send(peer, &Message::Round(root));
        }
    }

    pub(super) fn on_round(&mut self, from: MemberId, root: Hash) {
        if self.links.is_penalized(&from, self.cx.time()) || !self.links.contains_key(&from) {
            return;
        }
        let ours = self.replicas.root();
        let now = self.cx.now.time;
        let Some(link) = self.links.get_mut_untracked(&from) else { return };
        if root == ours {
            link.clear_positions();
            link.comparison.end();
            return;
        }
        if link.comparison.waits((root, ours), now) || link.is_full(Lane::Small) {
            return;
        }
        link.comparison.begin((root, ours), now, self.cx.config.round_micros);
        let ask = Ask { slot: Place::ALL, hash: root, hints: self.head_hints(Place::ALL) };
        self.ask_heads(from, alloc::vec![ask], Comparing::default());
    }

    /// Requests the last of the remaining slots that still differ. The others follow after the answer.
    fn ask_next(&mut self, peer: MemberId, mut comparing: Comparing) {
        let Some(link) = self.links.get_mut_untracked(&peer) else { return };
        let told = comparing.n_heads * HEAD_BYTES as u64;
        let ends =
            comparing.n_messages >= MESSAGES_MAX || told > link.requests.window().bytes() / WINDOW_SHARE;
        if ends || link.is_full(Lane::Small) {
            return;
        }
        let mut asks = Vec::new();
        while asks.len() < HEAD_SLOTS_MAX
            && let Some((slot, hash)) = comparing.later.pop()
        {
            if self.replicas.at_slot(slot).is_none_or(|branch| branch.hash != hash) {
                asks.push(Ask { slot, hash, hints: self.head_hints(slot) });
            }
        }
        if !asks.is_empty() {
            self.ask_heads(peer, asks, comparing);
        }
    }

    fn ask_heads(&mut self, peer: MemberId, asks: Vec<Ask>, mut comparing: Comparing) {
        let Some(link) = self.links.get_mut_untracked(&peer) else { return };
        comparing.asked = asks.iter().map(|ask| ask.slot).collect();
        comparing.n_messages += 1;
        comparing.until = self.cx.now.time.after(self.cx.config.request_micros);
        link.comparison.wait_for(Box::new(comparing));
        self.cx.send(peer, &Message::AskHeads(asks));
    }

    fn head_hints(&mut self, slot: Place) -> Option<Hints> {
        let branch = self.replicas.at_slot(slot)?;
        self.replicas.node_of(&branch).as_ref().map(Hints::of)
    }
}

impl<S: Store> Server<'_, S> {
    pub(super) fn serve_heads(&mut self, from: MemberId, asks: &[Ask]) {
        let answers = asks.iter().map(|ask| self.head_answer(ask)).collect();
        self.cx.send(from, &Message::Heads(answers));
    }

    fn head_answer(&mut self, ask: &Ask) -> HeadAnswer {
        let Some(branch) = self.replicas.at_slot(ask.slot) else { return HeadAnswer::Empty };
        let Some(node) = self.replicas.node_of(&branch) else {
            return self.replicas.head_at(&branch).map_or(HeadAnswer::Empty, |head| HeadAnswer::Leaf(*head));
        };
        let hints = ask.hints.as_ref().filter(|hints| hints.place == node.place);
        let child = |child: &Branch| {
            let digit = node.place.digit_of(child.place.first());
            if hints.is_some_and(|hints| hints.has(digit, &child.hash)) {
                return (digit, HeadChild::Same);
            }
            match self.replicas.head_at(child) {
                Some(head) => (digit, HeadChild::Leaf(*head)),
                None => (digit, HeadChild::Node(child.hash)),
            }
        };
        HeadAnswer::Node { place: node.place, children: node.children.iter().map(child).collect() }
    }
}

impl<S: Store> Gossip<'_, S> {
    /// Learns the heads that differ, and requests the slots below nodes that differ. The peer does the same
    /// in its own rounds, so nothing is sent without a request. An answer outside the requested slots is
    /// dropped: it may be a late one, and following it might never end.
    pub(super) fn on_heads(&mut self, from: MemberId, answers: Vec<HeadAnswer>) {
        let Some(mut comparing) = self.links.get_mut(&from).and_then(|link| link.comparison.take()) else {
            self.cx.stats.reject(Rejection::Unasked);
            return;
        };
        let fits = answers.len() == comparing.asked.len();
        if !fits || !comparing.asked.iter().zip(&answers).all(|(slot, answer)| lies_in(slot, answer)) {
            self.cx.stats.reject(Rejection::OtherHeads);
            // The matching answer may still arrive.
            if let Some(link) = self.links.get_mut_untracked(&from) {
                link.comparison.wait_for(comparing);
            }
            return;
        }
        let n_later = comparing.later.len();
        for answer in answers {
            if self.links.is_penalized(&from, self.cx.time()) {
                return;
            }
            match answer {
                HeadAnswer::Empty => {}
                HeadAnswer::Leaf(head) => self.learn_compared(from, &head, &mut comparing),
                HeadAnswer::Node { place, children } => {
                    for (digit, child) in children {
                        match child {
                            HeadChild::Leaf(head) => self.learn_compared(from, &head, &mut comparing),
                            HeadChild::Node(hash) if place.level > 1 => {
                                comparing.later.push((place.slot(digit), hash));
                            }
                            HeadChild::Same | HeadChild::Node(_) => {}
                        }
                    }
                }
            }
        }
        let found = &mut comparing.later[n_later..];
        if found.len() > HEAD_SLOTS_MAX {
            // Members start at random slots, so that they find different differences first.
            let random = self.cx.rng.next() % found.len() as u64;
            found.rotate_left(random as usize);
        }
        comparing.later.drain(..comparing.later.len().saturating_sub(LATER_MAX));
        self.exchange().ask_next(from, *comparing);
    }

    fn learn_compared(&mut self, from: MemberId, head: &Head, comparing: &mut Comparing) {
        comparing.n_heads += 1;
        let grace = self.cx.now.time.after(self.cx.config.grace_micros);
        self.learn(from, head, grace);
    }
}

/// Whether the node of an answer lies in the requested slot. This guarantees that the comparison ends.
fn lies_in(slot: &Place, answer: &HeadAnswer) -> bool {
    match answer {
        HeadAnswer::Node { place, .. } => slot.contains(place),
        // Heads are signed, so their place does not matter.
        HeadAnswer::Empty | HeadAnswer::Leaf(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::testing::{Parts, owner},
        time::Timestamp,
    };

    fn exchange(parts: &mut Parts) -> Exchange<'_, ()> {
        Exchange { cx: &mut parts.cx, replicas: &mut parts.replicas, links: &mut parts.links }
    }

    #[test]
    fn a_round_goes_to_all_links_that_have_room() {
        let mut parts = Parts::new();
        [1, 2].into_iter().for_each(|peer| parts.link(peer));
        parts.links.set_full(&owner(2), Lane::Small, true);
        exchange(&mut parts).begin_round();
        let root = parts.replicas.root();
        assert_eq!(parts.sent(), [(owner(1), alloc::format!("Round({root:?})"))]);
        exchange(&mut parts).send_round(owner(2));
        assert_eq!((parts.sent(), parts.cx.stats.rounds), (Vec::new(), 1));
    }

    #[test]
    fn an_equal_root_means_equal_state_and_another_is_compared_once() {
        let mut parts = Parts::new();
        parts.link(1);
        parts.hold(9, 5);
        let root = parts.replicas.root();
        parts.links.set_position(&owner(1), &owner(9), Some(Timestamp(3)));
        exchange(&mut parts).on_round(owner(1), root);
        assert!(!parts.links[&owner(1)].has_positions() && parts.sent().is_empty());
        exchange(&mut parts).on_round(owner(1), Hash([7; 32]));
        exchange(&mut parts).on_round(owner(1), Hash([7; 32]));
        let sent = parts.sent();
        assert!(
            matches!(&sent[..], [(to, text)] if *to == owner(1) && text.starts_with("AskHeads")),
            "{sent:?}"
        );
        exchange(&mut parts).on_round(owner(3), root);
        assert_eq!(parts.sent(), [], "no peer is linked there");
    }
}
