//! Going on with a descent: whom to ask, what next, and the end.

use super::super::roster::keeps_members;
use super::{
    super::{
        Engine,
        replaced::Replaced,
        replicas::Reason,
        replicas::invalid_spans::{RESTAMPED_KEY, names},
    },
    Build, Descent,
    lending::Going,
    state::{Expect, Flight, PASSES_MAX, Slot, What},
};
use crate::engine::rejection::Rejection;
use crate::{
    connector::Lane,
    head::Head,
    id::MemberId,
    limits::{DELTA_BYTES_MAX, RANGE_BYTES_MAX, RANGE_ITEMS_MAX, REQUESTS_IN_FLIGHT_MAX, SLOTS_MAX},
    message::{Ask, Hints, Message, Request},
    store::{ShardChange, ShardRecord, ShardState, Store, StoreError},
    trie::{Branch, Node, Nodes, at_slot, root_hash},
};
use alloc::vec::Vec;

type Slots = Vec<(Slot, Expect, Option<Node>)>;

impl<S: Store> Engine<S> {
    /// Goes on with the descent of `owner` as far as it can without an answer.
    pub(in crate::engine) fn go_on(&mut self, owner: &MemberId) -> Result<(), StoreError> {
        self.with_descent(owner, |engine, descent| engine.step(descent))
    }

    fn step(&mut self, descent: &mut Descent) -> Result<Going, StoreError> {
        let wanted = descent.is_aside() || self.is_wanted(&descent.target);
        if !wanted || !self.has_source(descent) {
            self.give_up_aside(descent);
            return Ok(Going::Over);
        }
        if descent.build.is_none() {
            descent.build = Some(self.begin_build(descent)?);
        }
        if self.copy_page(descent)? {
            return Ok(Going::On);
        }
        if descent.target.items == 0 && self.clear_build(descent)? {
            self.cx.more_to_do = true;
            return Ok(Going::On);
        }
        if !descent.has_much_absent() {
            self.request(descent)?;
        }
        if descent.flight.is_empty() && self.clear_absent(descent)? {
            self.cx.more_to_do = true;
            return Ok(Going::On);
        }
        if descent.work.is_empty() && descent.flight.is_empty() {
            return self.conclude(descent);
        }
        Ok(Going::On)
    }

    /// What has come of a state that was only looked at is of no use.
    fn give_up_aside(&mut self, descent: &mut Descent) {
        if let Some(build) = descent.build.take_if(|_| descent.aside) {
            self.disk.retire(descent.target.owner, build.shard());
        }
    }

    /// Whether there is somebody to ask; looks for another one where the present one is gone or silent.
    fn has_source(&mut self, descent: &mut Descent) -> bool {
        let now = self.cx.now.time;
        for late in descent.late(now) {
            self.cx.stats.reject(Rejection::LateAnswer);
            if let Some(link) = self.links.get_mut(&late) {
                link.requests.on_late(now);
            }
            self.leave_source(descent, &late);
        }
        if let Some(from) = descent.from.filter(|from| self.links.is_penalized(from, self.cx.time())) {
            self.leave_source(descent, &from);
        }
        if descent.from.is_some() {
            return true;
        }
        if !descent.is_aside() {
            descent.from = self.source(&descent.target.owner, &descent.target);
        }
        if descent.from.is_none() {
            // Nobody who is linked has it: the rounds will tell of it again, and a hidden copy waits for
            // that.
            if !descent.is_aside() {
                self.replicas.forget(&descent.target.owner);
            }
        }
        descent.from.is_some()
    }

    /// Asks a peer no more, and waits for no answer of it; where it is with the owner is not known any more.
    pub(super) fn leave_source(&mut self, descent: &mut Descent, peer: &MemberId) {
        let owner = descent.target.owner;
        descent.leave(peer);
        self.links.set_position(peer, &owner, None);
        if let Some(link) = self.links.get_mut(peer) {
            link.requests.drop_about(&owner, |_| false);
        }
    }

    /// Asks a peer no more that has answered what cannot be; all is compared again, and what is equal by now
    /// is skipped.
    pub(super) fn distrust_source(&mut self, descent: &mut Descent, peer: &MemberId) {
        self.leave_source(descent, peer);
        descent.restart();
    }

    /// Sends requests while there is work and few are under way.
    fn request(&mut self, descent: &mut Descent) -> Result<(), StoreError> {
        let Some(from) = descent.from else { return Ok(()) };
        let owner = descent.target.owner;
        for link in self.links.values_mut() {
            link.requests.drop_about(&owner, |id| descent.flight.contains_key(&id));
        }
        self.request_of(from, descent)?;
        for helper in self.helpers(descent) {
            if descent.work.is_empty() {
                break;
            }
            self.request_of(helper, descent)?;
        }
        Ok(())
    }

    /// Others that hold the very target, and may be asked too.
    fn helpers(&self, descent: &Descent) -> Vec<MemberId> {
        if descent.work.is_empty() || descent.is_aside() {
            return Vec::new();
        }
        let (owner, timestamp) = (descent.target.owner, descent.target.timestamp);
        let holds = self.links.iter().filter(|(peer, link)| {
            link.is_up()
                && link.position(&owner) == Some(timestamp)
                && !self.links.is_penalized(peer, self.cx.time())
        });
        let others = holds.map(|(peer, _)| *peer).filter(|peer| descent.from != Some(*peer));
        others.take(HELPERS_MAX).collect()
    }

    fn request_of(&mut self, from: MemberId, descent: &mut Descent) -> Result<(), StoreError> {
        let owner = descent.target.owner;
        while descent.n_asked(&from) < REQUESTS_IN_FLIGHT_MAX
            && self
                .links
                .get(&from)
                .is_some_and(|link| !link.is_full(Lane::Small) && link.requests.has_room())
            && self.replicas.pause(&self.cx, &owner).is_none()
            && (descent.flight.is_empty()
                || !self.replicas.would_exceed(&self.cx, &owner, descent.bytes_asked()))
        {
            let (credit, left) =
                (self.links[&from].requests.credit().bytes(), self.links[&from].requests.credit_left());
            if left == 0 && descent.n_asked(&from) > 0 {
                return Ok(());
            }
            let (nodes, ranges) = self.next_slots(descent, credit, left)?;
            if nodes.is_empty() && ranges.is_empty() {
                return Ok(());
            }
            self.send_request(from, descent, What::Nodes, nodes);
            self.send_request(from, descent, What::Ranges, ranges);
        }
        Ok(())
    }

    fn send_request(&mut self, from: MemberId, descent: &mut Descent, what: What, slots: Slots) {
        if slots.is_empty() {
            return;
        }
        let id = self.replicas.new_request();
        let ask = |(slot, expect, node): &(Slot, Expect, Option<Node>)| Ask {
            slot: slot.place,
            hash: expect.hash,
            hints: node.as_ref().map(Hints::of),
        };
        let (owner, root) = (descent.target.owner, descent.target.root);
        let request = Request { id, owner, root, slots: slots.iter().map(ask).collect() };
        let message = match what {
            What::Nodes => Message::AskNodes(request),
            What::Ranges => Message::AskRanges(request),
        };
        let bytes = match what {
            What::Nodes => slots.len() as u64 * NODE_BYTES,
            What::Ranges => slots.iter().fold(0, |sum: u64, (_, expect, _)| sum.saturating_add(expect.bytes)),
        };
        // What an owner says of a single item is checked when it comes.
        let bytes = bytes.min(DELTA_BYTES_MAX as u64);
        let sent = self.cx.now.time;
        let mut deadline = sent.after(self.cx.config.request_micros);
        if let Some(link) = self.links.get_mut(&from) {
            deadline = deadline.after(link.requests.credit().extra_micros(bytes));
            link.requests.begin(id, owner, bytes);
        }
        descent.flight.insert(id, Flight { from, what, slots, bytes, sent, deadline });
        self.cx.send(from, &message);
    }

    /// The next slots to ask for: nodes, and ranges that we lack entirely. Slots that are equal by now are
    /// dropped. What is more than `credit` is asked for by its parts, and no more than is `left` of that at
    /// once, but for one slot.
    fn next_slots(
        &self,
        descent: &mut Descent,
        credit: u64,
        left: u64,
    ) -> Result<(Slots, Slots), StoreError> {
        let request = if credit < FAST_CREDIT { RANGE_BYTES_MAX as u64 } else { REQUEST_BYTES_MAX };
        let (range_bytes_max, left) = (credit.min(request), left.min(request));
        let build = descent.build.take().expect("begun before");
        let view = build.view(&self.disk);
        let (mut nodes, mut ranges) = (Slots::new(), Slots::new());
        let (mut items, mut bytes) = (0, 0_u64);
        let mut right_first =
            descent.flight.values().flat_map(|flight| &flight.slots).any(|(slot, ..)| !slot.left);
        while let Some((&slot, &expect)) = descent.work.first_key_value() {
            let enough = bytes.saturating_add(NODE_BYTES * nodes.len() as u64) > left
                && !(nodes.is_empty() && ranges.is_empty());
            if slot.left && right_first || nodes.len() == SLOTS_MAX || ranges.len() == SLOTS_MAX || enough {
                break;
            }
            let local = at_slot(&view, build.root(), slot.place)?;
            if is_equal(local.as_ref(), &expect) {
                descent.work.pop_first();
                continue;
            }
            let fits = expect.count <= RANGE_ITEMS_MAX as u64 && expect.bytes <= range_bytes_max;
            if expect.count <= 1 || local.is_none() && fits {
                (items, bytes) = (items + expect.count, bytes.saturating_add(expect.bytes));
                if !ranges.is_empty() && (items > RANGE_ITEMS_MAX as u64 || bytes > left) {
                    break;
                }
                ranges.push((slot, expect, None));
            } else {
                let hinted = local.filter(|local| local.place.level > 0 && !expect.plain);
                let node = hinted.map(|local| view.node(local.place)).transpose()?;
                nodes.push((slot, expect, node));
            }
            right_first |= !slot.left;
            descent.work.pop_first();
        }
        drop(view);
        descent.build = Some(build);
        Ok((nodes, ranges))
    }

    /// All was compared: the target is reached, or it is compared again, or it is void.
    fn conclude(&mut self, descent: &mut Descent) -> Result<Going, StoreError> {
        let build = descent.build.as_ref().expect("begun before");
        let root = build.root();
        let sums = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let target = &descent.target;
        if root_hash(root.as_ref()) == target.root && sums == (target.items, target.bytes) {
            return self.complete(descent);
        }
        descent.passes += 1;
        if descent.passes < PASSES_MAX {
            descent.restart();
            self.cx.more_to_do = true;
            return Ok(Going::On);
        }
        if descent.is_aside() {
            self.cx.stats.reject(Rejection::DivergentCopy);
            self.give_up_aside(descent);
        } else {
            self.refuse_void(&descent.target);
        }
        Ok(Going::Over)
    }

    /// A head's own verified content contradicts it: no relay is to blame.
    pub(in crate::engine) fn refuse_void(&mut self, head: &Head) {
        self.replicas.refuse(&mut self.cx, head, Reason::Void);
        self.replicas.distrust(&head.owner);
        self.replicas.forget(&head.owner);
    }

    /// Whether the target is later than what is held, or replaces it for good: a revocation has named it, or
    /// it makes what is held void.
    fn may_step_back(&self, build: &Build, target: &Head) -> Result<bool, StoreError> {
        let Some(held) = self.replicas[&target.owner].head().filter(|held| held.order() > target.order())
        else {
            return Ok(true);
        };
        if self.members.of(&self.replicas, &target.owner).is_some_and(|terms| !terms.is_active()) {
            return Ok(true);
        }
        let view = build.view(&self.disk);
        let at = view.timestamp_of(RESTAMPED_KEY)?;
        let item = at.map(|at| view.item(at)).transpose()?.flatten();
        Ok(item.is_some_and(|item| names(&item.value, held.timestamp)))
    }

    /// What has to be done before a state replaces another one; where that is all for now, whether the
    /// descent goes on.
    fn before_replacing(
        &mut self,
        descent: &mut Descent,
        replaced: Replaced,
    ) -> Result<Option<Going>, StoreError> {
        let target = descent.target;
        match replaced {
            Replaced::Continued => Ok(None),
            Replaced::Taken { diverged, same_run } => {
                self.contest(&target, diverged || same_run);
                Ok(Some(Going::Over))
            }
            Replaced::Diverged(_) if self.keeps_own(&target.owner) => {
                self.go_on_from_own(&target, true);
                Ok(Some(Going::Over))
            }
            Replaced::Diverged(_) if !self.has_room_for_divergent(&target.owner)? => {
                self.replicas.refuse(&mut self.cx, &target, Reason::Divergent);
                self.replicas.forget(&target.owner);
                Ok(Some(Going::Over))
            }
            Replaced::Diverged(_) if descent.build.as_ref().is_some_and(|build| !build.is_hidden()) => {
                self.hide(descent)?;
                Ok(Some(Going::On))
            }
            Replaced::Diverged(_) => {
                if target.owner == self.cx.me && self.own.is_run_named(&self.replicas, &self.cx.me) {
                    // What was written under this name is on the branch that is kept.
                    self.own.run.renew(&mut self.cx.rng);
                }
                Ok(None)
            }
        }
    }

    /// Makes the state under construction the visible one.
    fn complete(&mut self, descent: &mut Descent) -> Result<Going, StoreError> {
        let target = descent.target;
        let owner = target.owner;
        let build = descent.build.take().expect("begun before");
        if descent.is_aside() {
            self.on_fetched_aside(build.shard(), build.root(), &target)?;
            return Ok(Going::Over);
        }
        let mut change = match &build {
            Build::Layer { change, .. } => change.clone(),
            Build::Hidden { .. } => ShardChange::default(),
        };
        if owner == self.cx.config.mesh.authority()
            && !keeps_members(&self.cx, &self.disk, &self.replicas, &build.view(&self.disk), &change)?
        {
            self.refuse_roster(&target);
            return Ok(Going::Over);
        }
        if !self.may_step_back(&build, &target)? {
            self.replicas.refuse(&mut self.cx, &target, Reason::StepBack);
            self.replicas.forget(&owner);
            return Ok(Going::Over);
        }
        let replaced = self.judge_replacement(&owner, &build.view(&self.disk))?;
        descent.build = Some(build);
        if let Some(going) = self.before_replacing(descent, replaced)? {
            return Ok(going);
        }
        let build = descent.build.take().expect("just put there");
        self.compare_states(&build, &target)?;
        let whole = self.replicas[&owner].whole().map(|(shard, record)| (shard, record.clone()));
        let fresh =
            || ShardRecord { graves_floor: target.timestamp, ..ShardRecord::new(owner, ShardState::Whole) };
        let mut record = match &whole {
            Some((_, record)) if !build.is_hidden() => (**record).clone(),
            _ => fresh(),
        };
        // A key that moved has no grave: only what is gone for good leaves one.
        let view = build.view(&self.disk);
        let mut gone = Vec::new();
        for (at, key) in core::mem::take(&mut change.graves).into_keys() {
            if view.timestamp_of(key.as_str())?.is_none() {
                gone.push(((at, key), true));
            }
        }
        change.graves = gone.into_iter().collect();
        record.head = Some(target);
        record.root = build.root();
        self.disk.trim_graves(build.shard(), &mut record, &mut change, self.cx.config.graves_max)?;
        if let (true, Some((old, record))) = (build.is_hidden(), &whole) {
            match replaced {
                Replaced::Diverged(diverged) => self.keep_divergent(*old, record, diverged),
                Replaced::Continued | Replaced::Taken { .. } => self.disk.retire(owner, *old),
            }
        }
        self.cx.stats.applied += 1;
        self.own.on_own_head(&target, &mut self.disk);
        self.adopt(build.shard(), record, change);
        if let Some(from) = descent.from {
            self.note_brought(from, &owner);
        }
        if build.is_hidden() {
            self.flush()?;
            self.load_system(&owner, build.shard())?;
        }
        Ok(Going::Over)
    }
}

/// Others that are asked beside the first.
const HELPERS_MAX: usize = 3;
/// Most bytes of items that one request asks for over a fast line, but for those of one item. All of an
/// answer is read, and later verified, in one call of an engine, and a push that comes meanwhile waits for
/// that. A slow line is better asked for much at once: what waits behind another answer comes too late.
const REQUEST_BYTES_MAX: u64 = 1 << 20;
const FAST_CREDIT: u64 = 8 * REQUEST_BYTES_MAX;
const _: () = assert!(REQUEST_BYTES_MAX <= RANGE_BYTES_MAX as u64);
/// What the answer to a slot's node takes, or nearly.
const NODE_BYTES: u64 = 512;

/// Whether what is there is what is expected.
fn is_equal(local: Option<&Branch>, expect: &Expect) -> bool {
    match local {
        Some(local) => local.hash == expect.hash,
        None => expect.count == 0,
    }
}
