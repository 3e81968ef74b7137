//! Rounds: comparing all heads with one hash, and finding those that differ.

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

/// Messages of one comparison: so it ends, whatever a peer answers. What it has not come to is found in the
/// next.
const MESSAGES_MAX: u32 = 256;
/// Heads of one comparison take at most this part of what may be on its way over the link. Those that are
/// learned are told again until they are held, and a thin line has to carry what they describe as well.
const WINDOW_SHARE: u64 = 8;
/// Slots that differ and wait to be asked for; of more, those that were found first are left to the next
/// comparison.
const LATER_MAX: usize = 1_024;
const _: () = assert!(LATER_MAX >= 16 * HEAD_SLOTS_MAX, "what one answer names has room");

impl<V> Exchange<'_, V> {
    /// Tells every peer our root.
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

    /// Asks for the last of the slots that are left and still differ. The others follow the answer.
    fn ask_on(&mut self, peer: MemberId, mut comparing: Comparing) {
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
    /// Learns the heads that differ, and asks on below the nodes that do. The peer does the same with its own
    /// rounds, so nobody tells what was not asked. An answer that lies outside what was asked for is dropped:
    /// it may be a late one, and asking on below it need not come to an end.
    pub(super) fn on_heads(&mut self, from: MemberId, answers: Vec<HeadAnswer>) {
        let Some(mut comparing) = self.links.get_mut(&from).and_then(|link| link.comparison.take()) else {
            self.cx.stats.reject(Rejection::Unasked);
            return;
        };
        let fits = answers.len() == comparing.asked.len();
        if !fits || !comparing.asked.iter().zip(&answers).all(|(slot, answer)| lies_in(slot, answer)) {
            self.cx.stats.reject(Rejection::OtherHeads);
            // The right one may still come.
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
            // What others look at first is found there meanwhile.
            let random = self.cx.rng.next() % found.len() as u64;
            found.rotate_left(random as usize);
        }
        comparing.later.drain(..comparing.later.len().saturating_sub(LATER_MAX));
        self.exchange().ask_on(from, *comparing);
    }

    fn learn_compared(&mut self, from: MemberId, head: &Head, comparing: &mut Comparing) {
        comparing.n_heads += 1;
        let grace = self.cx.now.time.after(self.cx.config.grace_micros);
        self.learn(from, head, grace);
    }
}

/// Whether the node of an answer lies in the slot that was asked for: so what is asked for below it comes to
/// an end.
fn lies_in(slot: &Place, answer: &HeadAnswer) -> bool {
    match answer {
        HeadAnswer::Node { place, .. } => slot.contains(place),
        // Heads prove themselves, wherever they are told.
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
    fn an_equal_root_says_that_the_peer_is_where_we_are_and_another_is_looked_into_once() {
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
        assert_eq!(parts.sent(), [], "nobody is linked there");
    }
}
