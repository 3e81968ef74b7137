//! Owners that have forked: what proves it is kept, everybody may see it, and their commits come with the rounds only.

use super::{Alarm, Effect, Engine, Outbox, descent::Build, owners::Owner};
use crate::{
    codec::{DecodeError, Reader, Writer},
    fork::{EVIDENCE_BYTES_MAX, EVIDENCE_VALUE_BYTES_MAX, Evidence, Lost, first_lost, way},
    head::Head,
    id::MemberId,
    store::{Meta, Store, StoreError},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// Pieces of evidence that are kept of one owner, and of all.
const PIECES_MAX: usize = 4;
const PIECES_ALL_MAX: usize = 64;

/// What proves forks.
#[derive(Default)]
pub(super) struct Forks {
    pieces: BTreeMap<MemberId, Vec<Evidence>>,
}

impl Forks {
    /// Whether an owner has forked.
    pub(super) fn has(&self, owner: &MemberId) -> bool {
        !self.pieces.is_empty() && self.pieces.contains_key(owner)
    }

    /// Whether two heads are worth to be looked at: there is room, and they are not known.
    fn wants(&self, first: &Head, second: &Head) -> bool {
        let all: usize = self.pieces.values().map(Vec::len).sum();
        let of_owner = self.pieces.get(&first.owner).map_or(&[][..], Vec::as_slice);
        let pair = |piece: &Evidence| [piece.first.order(), piece.second.order()];
        let known = of_owner.iter().map(pair);
        let order = [first.order(), second.order()];
        all < PIECES_ALL_MAX
            && of_owner.len() < PIECES_MAX
            && !known.into_iter().any(|[a, b]| [a, b] == order || [b, a] == order)
    }

    fn encode(&self) -> Vec<u8> {
        let pieces: Vec<&Evidence> = self.pieces.values().flatten().collect();
        let mut out = Writer::new();
        out.list(&pieces, |out, piece| {
            out.prefixed(&piece.encode());
        });
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut forks = Self::default();
        for piece in pieces(bytes)? {
            forks.pieces.entry(piece.first.owner).or_default().push(piece);
        }
        Ok(forks)
    }
}

/// Reads the pieces of evidence that a store keeps.
pub(crate) fn pieces(bytes: &[u8]) -> Result<Vec<Evidence>, DecodeError> {
    let mut input = Reader::new(bytes);
    let pieces = input.list("evidence", PIECES_ALL_MAX, |input| {
        Evidence::decode(input.prefixed("evidence", EVIDENCE_BYTES_MAX)?)
    })?;
    input.end()?;
    Ok(pieces)
}

impl<S: Store> Engine<S> {
    /// Two heads of one owner and one timestamp: the owner has forked, if it has signed the new one, too.
    pub(super) fn compare_heads(&mut self, held: &Head, head: &Head, out: &mut Outbox) {
        let forked = held.timestamp == head.timestamp && held.root != head.root;
        if forked && self.forks.wants(held, head) && self.check_signature(head) {
            let (mesh, first, second) = (self.config.mesh, *held, *head);
            self.note_fork(Evidence { mesh, first, second, item: None }, out);
        }
    }

    /// A state that was put together is to follow the one that is held: has it an older item that this one lacks?
    pub(super) fn compare_states(
        &mut self,
        build: &Build,
        target: &Head,
        out: &mut Outbox,
    ) -> Result<(), StoreError> {
        let Some((shard, record)) = self.owners.get(&target.owner).and_then(Owner::whole) else {
            return Ok(());
        };
        let (Some(held), root) = (record.head, record.root) else { return Ok(()) };
        if held.timestamp >= target.timestamp || !self.forks.wants(&held, target) {
            return Ok(());
        }
        let (before, after) = (self.view(shard), self.build_view(build));
        let Some(at) = first_lost((&after, build.root()), (&before, root), held.timestamp)? else {
            return Ok(());
        };
        let Some(item) = after.item(at)?.filter(|item| item.value.len() <= EVIDENCE_VALUE_BYTES_MAX) else {
            return Ok(());
        };
        let (absent, present) = (way(&before, root, at)?, way(&after, build.root(), at)?);
        let lost = Lost { item: (*item).clone(), absent, present };
        let mesh = self.config.mesh;
        self.note_fork(Evidence { mesh, first: held, second: *target, item: Some(lost) }, out);
        Ok(())
    }

    fn note_fork(&mut self, evidence: Evidence, out: &mut Outbox) {
        let (first, second) = (evidence.first, evidence.second);
        self.stats.refuse("fork");
        self.forks.pieces.entry(first.owner).or_default().push(evidence);
        self.batch.meta.insert(Meta::Forks, Some(self.forks.encode()));
        out.now.push(Effect::Alarm(Box::new(Alarm::Fork { first, second })));
    }
}
