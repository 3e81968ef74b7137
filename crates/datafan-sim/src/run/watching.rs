//! Records what happened: in the ledger, the checkers and the measures.

use super::{EVENTS_MAX, Event, Run, read::Read};
use crate::{
    checkers::{Checked, Checker, Purpose, Scene, Sent, Told, Violation},
    ledger::Ending,
    store::SharedSnapshot,
    world::{Happening, Noted},
};
use datafan_core::{
    connector::Lane,
    engine::{Answer, Ticket},
    grant::GrantState,
    head::Head,
    id::MemberId,
    message::{HeadAnswer, HeadChild, Message},
    time::Time,
};
use std::sync::Arc;

impl Run<'_> {
    /// Records everything that happened since the last call.
    pub(super) fn watch(&mut self) {
        // One snapshot per member and step suffices: nobody could have read a state in between.
        let mut read: Option<(usize, SharedSnapshot)> = None;
        let mut happenings = std::mem::take(&mut self.happenings);
        self.world.happenings_to(&mut happenings);
        for noted in happenings.drain(..) {
            if self.failure.is_some() {
                return;
            }
            if self.observer.wants_events() {
                let event = Event::Noted(noted.clone());
                self.observer.on_event(noted.time, &event.text());
            }
            self.take_in(&noted, &mut read);
            // Kept for the text of a failure.
            match &mut self.failure {
                Some(failure) => return failure.events.push(Event::Noted(noted).text()),
                None if matches!(noted.what, Happening::Synced { .. }) => {}
                None => self.push_event(Event::Noted(noted)),
            }
        }
        self.happenings = happenings;
    }

    fn take_in(&mut self, noted: &Noted, read: &mut Option<(usize, SharedSnapshot)>) {
        match &noted.what {
            Happening::Applied { member, owner, .. } if self.world.runs(*member) => {
                let (_, snapshot) = match read.take() {
                    Some(same) if same.0 == *member => read.insert(same),
                    Some(_) | None => read.insert((*member, self.world.snapshot(*member))),
                };
                self.on_applied(noted.time, *member, owner, snapshot);
            }
            Happening::Applied { .. } => {}
            Happening::Linked { .. } => self.counts.linkings += 1,
            Happening::Sent { from, to, lane, bytes } => self.on_sent(*from, *to, *lane, bytes),
            Happening::Synced { member, own, roster } => self.ledger.synced_by(*member, *own, *roster),
            Happening::Answered { member, ticket, answer } => self.on_answer(*member, *ticket, answer),
            Happening::Alarmed { member, alarm } => {
                self.counts.alarms += 1;
                self.check_all(|checker, scene| checker.on_alarm(scene, *member, alarm));
            }
            Happening::Started { member } => {
                *read = None;
                self.on_started(*member);
                self.disturbed();
            }
            Happening::Stopped { member, .. } => {
                *read = None;
                self.ledger.stopped(*member);
                self.open.retain(|_, of| of != member);
                self.disturbed();
            }
        }
    }

    fn on_applied(&mut self, now: Time, member: usize, owner: &MemberId, snapshot: &SharedSnapshot) {
        let Some(number) = self.ledger.owner(&self.world, owner) else { return };
        if number == self.ledger.roster() && member == 0 {
            // Members drop the data of a revoked owner as soon as they see the roster that says so.
            for leaver in self.revoking.values().copied().collect::<Vec<_>>() {
                self.on_revoked(leaver);
            }
        }
        let state = snapshot.state_of(owner);
        let state = state.filter(|state| state.record().is_some_and(|record| record.head().is_some()));
        match self.ledger.applied(now, member, number, state) {
            Ok(applied) => {
                if applied.now > applied.before && self.ledger.writer(number) != member {
                    self.deliveries.add(now.0 - applied.made_at.0);
                }
                self.check_all(|checker, scene| checker.on_applied(scene, &applied));
            }
            Err(what) => self.check_all(|checker, scene| checker.on_unknown(scene, member, &what)),
        }
    }

    fn on_sent(&mut self, from: usize, to: usize, lane: Lane, bytes: &Arc<[u8]>) {
        self.counts.messages += 1;
        self.counts.bytes += bytes.len() as u64;
        // Most messages go to many members: they are decoded once.
        let read = match self.read.take().filter(|read| Arc::ptr_eq(&read.bytes, bytes)) {
            Some(read) => read,
            None => match Message::decode(bytes) {
                Ok(message) => self.read(bytes.clone(), &message),
                Err(error) => {
                    return self.fail("bounds", format!("m{from} sends a malformed message: {error}"));
                }
            },
        };
        if read.has_data {
            self.counts.data_messages += 1;
            self.counts.data_bytes += bytes.len() as u64;
        }
        let sent = Sent { from, to, lane, bytes, purpose: read.purpose, heads: &read.heads };
        self.check_all(|checker, scene| checker.on_sent(scene, &sent));
        self.read = Some(read);
    }

    fn read(&self, bytes: Arc<[u8]>, message: &Message<'_>) -> Read {
        let told = |head: Head| {
            let owner = self.ledger.owner(&self.world, &head.owner);
            // Never forgotten, so it stays true for all receivers of these bytes.
            let made = owner.and_then(|owner| Some((owner, self.ledger.find(owner, &head.order())?)));
            Told { head, made }
        };
        Read {
            bytes,
            heads: heads_in(message).into_iter().map(told).collect(),
            purpose: purpose(message),
            has_data: matches!(message, Message::Push(_) | Message::Delta(_) | Message::Ranges(..)),
        }
    }

    fn on_answer(&mut self, member: usize, ticket: Ticket, answer: &Answer) {
        self.open.remove(&ticket);
        match answer {
            Answer::Committed(committed) => {
                self.counts.commits += u64::from(committed.changed > 0);
                self.ledger.acknowledged(member, ticket);
                self.revoking.remove(&ticket);
            }
            Answer::Refused(_) => self.ledger.refused(member, ticket),
        }
        self.check_all(|checker, scene| checker.on_answer(scene, member, ticket, answer));
    }

    /// The roster says how the shard of a revoked member ends.
    fn on_revoked(&mut self, leaver: usize) {
        let id = self.world.id(leaver);
        let grants = self.world.status(0).members;
        let state = grants.into_iter().find(|(member, _)| *member == id).map(|(_, grant)| grant.state);
        let ending = match state {
            Some(GrantState::Keep { timestamp, root }) => {
                Ending::Keep(self.ledger.find(leaver, &(timestamp, root)).unwrap_or(0))
            }
            Some(GrantState::Drop) => Ending::Drop,
            Some(GrantState::Active | GrantState::Invited { .. }) | None => return,
        };
        self.ledger.end(leaver, ending);
    }

    fn on_started(&mut self, member: usize) {
        let snapshot = self.world.snapshot(member);
        let unknown = self.ledger.started(&self.world, member, &snapshot);
        for what in unknown {
            self.check_all(|checker, scene| checker.on_unknown(scene, member, &what));
        }
        self.check_all(|checker, scene| checker.on_started(scene, member));
    }

    /// Passes an event to all checkers; the first that fails ends the simulation.
    pub(super) fn check_all(&mut self, mut check: impl FnMut(&mut dyn Checker, &Scene<'_>) -> Checked) {
        if self.failure.is_some() {
            return;
        }
        let scene = Scene {
            world: &self.world,
            ledger: &self.ledger,
            scenario: self.scenario,
            misbehaving: &self.plan.misbehaving,
        };
        let mut found = None;
        for checker in &mut self.checkers {
            if let Err(Violation(what)) = check(&mut **checker, &scene) {
                found = Some((checker.name(), what));
                break;
            }
        }
        if let Some((name, what)) = found {
            self.fail(name, what);
        }
    }

    pub(super) fn report_action(&mut self, what: String) {
        let time = self.world.time();
        self.observer.on_event(time, &what);
        self.push_event(Event::Done(time, what));
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Event {
    /// The event on one line.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Done(time, what) => format!("{:>12} {what}", time.0),
            Self::Noted(noted) => format!("{:>12} {}", noted.time.0, words(&noted.what)),
        }
    }
}

fn words(happening: &Happening) -> String {
    match happening {
        Happening::Applied { member, owner, timestamp } => {
            format!("m{member} shows {} at {timestamp}", owner.short())
        }
        Happening::Sent { from, to, bytes, .. } => {
            let name = Message::decode(bytes).map_or("nonsense", |message| kind(&message));
            format!("m{from} -> m{to} {name} {} B", bytes.len())
        }
        Happening::Synced { member, own, .. } => format!("m{member} synced up to {own}"),
        Happening::Answered { member, ticket, answer } => {
            format!("m{member} answers {}: {answer:?}", ticket.0)
        }
        Happening::Alarmed { member, alarm } => format!("m{member} alarm {alarm:?}"),
        Happening::Started { member } => format!("m{member} started"),
        Happening::Stopped { member, error: None } => format!("m{member} stopped"),
        Happening::Stopped { member, error: Some(error) } => format!("m{member} stopped: {error}"),
        Happening::Linked { a, b, up: true } => format!("link m{a} m{b} up"),
        Happening::Linked { a, b, up: false } => format!("link m{a} m{b} down"),
    }
}

fn kind(message: &Message<'_>) -> &'static str {
    match message {
        Message::Hello(_) => "hello",
        Message::Welcome => "welcome",
        Message::Refuse(_) => "refuse",
        Message::Push(_) => "push",
        Message::Announce(_) => "announce",
        Message::Round(_) => "round",
        Message::AskHeads(_) => "ask heads",
        Message::Heads(_) => "heads",
        Message::Pull(_) => "pull",
        Message::Delta(_) => "delta",
        Message::DeltaUnavailable(_) => "delta unavailable",
        Message::UpToDate(_) => "up to date",
        Message::AskNodes(_) => "ask nodes",
        Message::Nodes(..) => "nodes",
        Message::AskRanges(_) => "ask ranges",
        Message::Ranges(..) => "ranges",
        Message::StateChanged(..) => "state changed",
        Message::Prune(_) => "prune",
        Message::Graft(_) => "graft",
        Message::Probe => "probe",
        Message::Alive => "alive",
        Message::Diverged(_) => "diverged",
        Message::OtherRun { .. } => "other run",
        Message::Claim(_) => "claim",
    }
}

fn purpose(message: &Message<'_>) -> Purpose {
    match message {
        Message::Hello(_) => Purpose::Greet,
        Message::DeltaUnavailable(_) => Purpose::DeltaUnavailable,
        Message::AskNodes(request) | Message::AskRanges(request) => Purpose::Compare(request.owner),
        Message::Welcome | Message::Refuse(_) | Message::Round(_) | Message::AskHeads(_) => Purpose::Other,
        Message::Heads(_) | Message::Push(_) | Message::Announce(_) | Message::Pull(_) => Purpose::Other,
        Message::Delta(_) | Message::UpToDate(_) | Message::Nodes(..) | Message::Ranges(..) => Purpose::Other,
        Message::StateChanged(..) | Message::Prune(_) | Message::Graft(_) | Message::Diverged(_) => {
            Purpose::Other
        }
        Message::Probe | Message::Alive | Message::OtherRun { .. } | Message::Claim(_) => Purpose::Other,
    }
}

fn heads_in(message: &Message<'_>) -> Vec<Head> {
    match message {
        Message::Hello(hello) => hello.yours.iter().chain(&hello.roster).copied().collect(),
        Message::Push(delta) | Message::Delta(delta) => vec![delta.head],
        Message::Announce(heads) => heads.clone(),
        Message::DeltaUnavailable(head) => vec![*head],
        Message::StateChanged(_, head) => head.iter().copied().collect(),
        Message::Heads(answers) => answers.iter().flat_map(heads_of).collect(),
        Message::Welcome | Message::Refuse(_) | Message::Round(_) | Message::AskHeads(_) => Vec::new(),
        Message::Pull(_) | Message::UpToDate(_) | Message::AskNodes(_) | Message::Nodes(..) => Vec::new(),
        Message::AskRanges(_) | Message::Ranges(..) => Vec::new(),
        Message::Prune(_) | Message::Graft(_) | Message::Probe | Message::Alive => Vec::new(),
        Message::OtherRun { .. } | Message::Claim(_) => Vec::new(),
        // Heads that their owner has left behind.
        Message::Diverged(_) => Vec::new(),
    }
}

fn heads_of(answer: &HeadAnswer) -> Vec<Head> {
    match answer {
        HeadAnswer::Empty => Vec::new(),
        HeadAnswer::Leaf(head) => vec![*head],
        HeadAnswer::Node { children, .. } => {
            let leaf = |(_, child): &(u8, HeadChild)| match child {
                HeadChild::Leaf(head) => Some(*head),
                HeadChild::Same | HeadChild::Node(_) => None,
            };
            children.iter().filter_map(leaf).collect()
        }
    }
}
