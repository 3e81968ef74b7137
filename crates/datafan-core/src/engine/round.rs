//! Rounds: comparing all heads with one hash, and finding those that differ.

use super::{
    Engine, Outbox,
    link::{Comparing, Fruitless, Link},
};
use crate::{
    connector::{Frame, Lane},
    hash::Hash,
    id::MemberId,
    limits::HEAD_SLOTS_MAX,
    message::{Ask, HeadAnswer, HeadChild, Hints, Message},
    store::Store,
    trie::{Branch, Place},
};
use alloc::{boxed::Box, vec::Vec};

/// Messages of one comparison: so it ends, whatever a peer answers. What it has not come to is found in the next.
const ASKED_MAX: u32 = 256;
/// Slots that differ and wait to be asked for; of more, those that were found first are left to the next comparison.
const LATER_MAX: usize = 1_024;
/// Fruitless comparisons are repeated after 2, 4, 8 ... rounds, at most this many.
const FRUITLESS_ROUNDS_MAX: u64 = 64;

impl<S: Store> Engine<S> {
    /// Tells every peer our root.
    pub(super) fn begin_round(&mut self, out: &mut Outbox) {
        self.stats.rounds += 1;
        let ready = self.links.iter().filter(|(_, link)| link.is_up() && !link.is_full(Lane::Small));
        let ready: Vec<MemberId> = ready.map(|(peer, _)| *peer).collect();
        let frame = Message::Round(self.owners.root()).frame();
        for peer in ready {
            self.send_frame(peer, frame.clone(), true, out);
        }
    }

    /// The message that changes nothing while all stays as it is, whoever of the peers sends it: a Round with our own root.
    /// `None` where it would change something, and until the next round after something has changed. A driver need not
    /// wake for it: it may be handed over with what comes next.
    pub fn calm(&self) -> Option<Frame> {
        let root = self.owners.known_root()?;
        let waits = |link: &Link<_>| {
            !link.positions.is_empty() || link.fruitless.is_some() || link.comparing.is_some()
        };
        let is_awaited = self.links.values().any(waits) || self.is_unheard(&self.me);
        (!is_awaited).then(|| Message::Round(root).frame())
    }

    pub(super) fn send_round(&mut self, peer: MemberId, out: &mut Outbox) {
        let ready = self.links.get(&peer).is_some_and(|link| link.is_up() && !link.is_full(Lane::Small));
        if ready {
            let root = self.owners.root();
            self.send(peer, &Message::Round(root), out);
        }
    }

    pub(super) fn on_round(&mut self, from: MemberId, root: Hash, out: &mut Outbox) {
        if self.is_penalized(&from) || !self.links.contains_key(&from) {
            return;
        }
        let ours = self.owners.root();
        let now = self.now.time;
        let Some(link) = self.links.quietly(&from) else { return };
        if root == ours {
            link.positions.clear();
            link.fruitless = None;
            link.comparing = None;
            self.note_heard(&self.me.clone());
            return;
        }
        let busy = link.comparing.as_ref().is_some_and(|comparing| comparing.until > now);
        let fruitless =
            link.fruitless.as_ref().is_some_and(|last| last.roots == (root, ours) && last.until > now);
        if busy || fruitless || link.is_full(Lane::Small) {
            return;
        }
        let rounds = match &link.fruitless {
            Some(last) if last.roots == (root, ours) => (last.rounds * 2).min(FRUITLESS_ROUNDS_MAX),
            _ => 2,
        };
        let until = now.after(rounds * self.config.round_micros);
        link.fruitless = Some(Box::new(Fruitless { roots: (root, ours), until, rounds }));
        let ask = Ask { slot: Place::ALL, hash: root, hints: self.head_hints(Place::ALL) };
        self.ask_heads(from, alloc::vec![ask], Vec::new(), 1, out);
    }

    /// Asks for the last of the slots in `later` that still differ. The others follow the answer.
    fn ask_on(&mut self, peer: MemberId, mut later: Vec<(Place, Hash)>, n_asked: u32, out: &mut Outbox) {
        let mut asks = Vec::new();
        while asks.len() < HEAD_SLOTS_MAX
            && let Some((slot, hash)) = later.pop()
        {
            let same = self.owners.at_slot(slot).is_some_and(|branch| branch.hash == hash);
            if !same && slot.level > 0 {
                asks.push(Ask { slot, hash, hints: self.head_hints(slot) });
            }
        }
        if !asks.is_empty() && n_asked < ASKED_MAX {
            self.ask_heads(peer, asks, later, n_asked + 1, out);
        }
    }

    fn ask_heads(
        &mut self,
        peer: MemberId,
        asks: Vec<Ask>,
        later: Vec<(Place, Hash)>,
        n_asked: u32,
        out: &mut Outbox,
    ) {
        let until = self.now.time.after(self.config.request_micros);
        let Some(link) = self.links.quietly(&peer) else { return };
        let asked = asks.iter().map(|ask| ask.slot).collect();
        link.comparing = Some(Box::new(Comparing { asked, later, n_asked, until }));
        self.send(peer, &Message::AskHeads(asks), out);
    }

    fn head_hints(&mut self, slot: Place) -> Option<Hints> {
        let branch = self.owners.at_slot(slot)?;
        self.owners.node_of(&branch).as_ref().map(Hints::of)
    }

    pub(super) fn serve_heads(&mut self, from: MemberId, asks: &[Ask], out: &mut Outbox) {
        let answers = asks.iter().map(|ask| self.head_answer(ask)).collect();
        self.send(from, &Message::Heads(answers), out);
    }

    fn head_answer(&mut self, ask: &Ask) -> HeadAnswer {
        let Some(branch) = self.owners.at_slot(ask.slot) else { return HeadAnswer::Empty };
        let Some(node) = self.owners.node_of(&branch) else {
            return self.owners.head_at(&branch).map_or(HeadAnswer::Empty, |head| HeadAnswer::Leaf(*head));
        };
        let hints = ask.hints.as_ref().filter(|hints| hints.place == node.place);
        let child = |child: &Branch| {
            let digit = node.place.digit_of(child.place.first());
            if hints.is_some_and(|hints| hints.has(digit, &child.hash)) {
                return (digit, HeadChild::Same);
            }
            match self.owners.head_at(child) {
                Some(head) => (digit, HeadChild::Leaf(*head)),
                None => (digit, HeadChild::Node(child.hash)),
            }
        };
        HeadAnswer::Node { place: node.place, children: node.children.iter().map(child).collect() }
    }

    /// Learns the heads that differ, and asks on below the nodes that do. The peer does the same with its own rounds,
    /// so nobody tells what was not asked. An answer that lies outside what was asked for is dropped: it may be a late one, and
    /// asking on below it need not come to an end.
    pub(super) fn on_heads(&mut self, from: MemberId, answers: Vec<HeadAnswer>, out: &mut Outbox) {
        let Some(comparing) = self.links.get_mut(&from).and_then(|link| link.comparing.take()) else {
            self.stats.refuse("unasked");
            return;
        };
        let fits = answers.len() == comparing.asked.len();
        if !fits || !comparing.asked.iter().zip(&answers).all(|(slot, answer)| lies_in(slot, answer)) {
            self.stats.refuse("other_heads");
            // The right one may still come.
            if let Some(link) = self.links.quietly(&from) {
                link.comparing = Some(comparing);
            }
            return;
        }
        let grace = self.now.time.after(self.config.grace_micros);
        let (mut later, n_asked) = (comparing.later, comparing.n_asked);
        let n_later = later.len();
        for answer in answers {
            if self.is_penalized(&from) {
                return;
            }
            match answer {
                HeadAnswer::Empty => {}
                HeadAnswer::Leaf(head) => drop(self.learn(from, &head, grace, out)),
                HeadAnswer::Node { place, children } => {
                    for (digit, child) in children {
                        match child {
                            HeadChild::Same => {}
                            HeadChild::Leaf(head) => drop(self.learn(from, &head, grace, out)),
                            HeadChild::Node(hash) => later.push((place.slot(digit), hash)),
                        }
                    }
                }
            }
        }
        let found = &mut later[n_later..];
        if found.len() > HEAD_SLOTS_MAX {
            // What others look at first is found there meanwhile.
            let lot = self.rng.next() % found.len() as u64;
            found.rotate_left(lot as usize);
        }
        later.drain(..later.len().saturating_sub(LATER_MAX));
        self.ask_on(from, later, n_asked, out);
    }
}

/// Whether the node of an answer lies in the slot that was asked for: so what is asked for below it comes to an end.
fn lies_in(slot: &Place, answer: &HeadAnswer) -> bool {
    match answer {
        HeadAnswer::Node { place, .. } => slot.contains(place),
        // Heads prove themselves, wherever they are told.
        HeadAnswer::Empty | HeadAnswer::Leaf(_) => true,
    }
}
