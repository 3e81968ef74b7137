//! What the driver logs to `tracing`: one line per input and per effect. Short ids, sizes, never a value.

use crate::flapping::{Flapping, Loudness};
use datafan_core::{
    engine::{Alarm, Answer, Command, Effect, Immediate, Input, OwnChange, Write},
    id::MemberId,
};
use std::{collections::BTreeMap, time::Instant};
use tracing::{Span, debug, debug_span, error, info, trace, warn};

/// One span per link, from up to down: its messages are logged inside.
#[derive(Default)]
pub struct Links {
    links: BTreeMap<MemberId, LinkSpan>,
    flapping: Flapping,
}

struct LinkSpan {
    span: Span,
    /// The end of a link that never was up is not interesting.
    was_up: bool,
}

impl Links {
    /// Logs an input.
    pub fn input(&mut self, input: &Input) {
        if let Input::LinkUp { peer, direction, .. } = input {
            let span = debug_span!("link", peer = peer.short(), ?direction);
            self.links.insert(*peer, LinkSpan { span, was_up: false });
        }
        match peer_of(input) {
            Some(peer) => self.within(&peer, || say_input(input)),
            None => say_input(input),
        }
        if let Input::LinkDown { peer, reason } = input {
            match self.links.remove(peer) {
                Some(LinkSpan { was_up: true, .. }) => self.say_down(*peer, reason),
                _ => debug!(peer = peer.short(), reason, "link down, was never up"),
            }
        }
    }

    /// Logs an effect.
    pub fn effect(&mut self, effect: &Effect) {
        if let Effect::Ready { peer } = effect
            && let Some(link) = self.links.get_mut(peer)
        {
            link.was_up = true;
            if self.flapping.is_quiet(peer) {
                return debug!(peer = peer.short(), "link up");
            }
        }
        match effect {
            Effect::Send { to: peer, .. } | Effect::Close { peer, .. } | Effect::Ready { peer } => {
                self.within(peer, || say_effect(effect));
            }
            Effect::Dial { .. }
            | Effect::Answer { .. }
            | Effect::Applied { .. }
            | Effect::Refused(_)
            | Effect::Alarm(_) => {
                say_effect(effect);
            }
        }
    }

    fn say_down(&mut self, peer: MemberId, reason: &str) {
        let loudness = self.flapping.on_end(peer, Instant::now());
        let peer = peer.short();
        match loudness {
            Loudness::Plain => info!(peer, reason, "link down"),
            Loudness::Last => {
                info!(peer, reason, "link down again; from now on logged at level debug")
            }
            Loudness::Quiet => debug!(peer, reason, "link down"),
        }
    }

    fn within(&self, peer: &MemberId, say: impl FnOnce()) {
        match self.links.get(peer) {
            Some(link) => link.span.in_scope(say),
            None => say(),
        }
    }
}

/// The span of a call of the engine: `commit` if callers wait for it, `apply` if messages came.
pub fn span(inputs: &[Input]) -> Span {
    let n_commands = inputs.iter().filter(|input| matches!(input, Input::Command { .. })).count();
    let n_messages = inputs.iter().filter(|input| matches!(input, Input::Message { .. })).count();
    match (n_commands, n_messages) {
        (0, 0) => Span::none(),
        (0, messages) => debug_span!("apply", messages),
        (commands, messages) => debug_span!("commit", commands, messages),
    }
}

fn peer_of(input: &Input) -> Option<MemberId> {
    match input {
        Input::LinkUp { peer, .. }
        | Input::LinkDown { peer, .. }
        | Input::Broken { peer }
        | Input::Full { peer, .. }
        | Input::Room { peer, .. } => Some(*peer),
        Input::Message { from, .. } => Some(*from),
        Input::DialFound { peer, .. } => Some(*peer),
        Input::Command { .. } | Input::DialFailed { .. } | Input::Wake => None,
    }
}

fn say_input(input: &Input) {
    match input {
        Input::Command { ticket, command } => say_command(ticket.0, command),
        Input::LinkUp { peer, address, direction } => {
            debug!(peer = peer.short(), ?address, ?direction, "link connected");
        }
        // Logged when it is known whether it was up.
        Input::LinkDown { .. } => {}
        Input::Broken { peer } => debug!(peer = peer.short(), "peer violated the format of the link"),
        Input::DialFailed { address, expected, error } => {
            debug!(%address, expected = expected.map(|id| id.short()), error, "dial failed");
        }
        Input::DialFound { address, peer, .. } => {
            debug!(%address, peer = peer.short(), "dial found a peer that is already linked");
        }
        Input::Message { from, bytes } => trace!(from = from.short(), bytes = bytes.len(), "message"),
        Input::Full { peer, lane } => trace!(peer = peer.short(), ?lane, "full"),
        Input::Room { peer, lane } => trace!(peer = peer.short(), ?lane, "room"),
        Input::Wake => trace!("wake"),
    }
}

fn say_command(ticket: u64, command: &Command) {
    match command {
        Command::Immediate(Immediate::Publish(addresses)) => trace!(ticket, ?addresses, "command: publish"),
        Command::Immediate(Immediate::Connect { address, expected }) => {
            trace!(ticket, %address, expected = expected.map(|id| id.short()), "command: connect");
        }
        Command::Change(change) => say_change(ticket, change),
        Command::ApplySignedRoster(bytes) => trace!(ticket, bytes = bytes.len(), "command: apply"),
    }
}

fn say_change(ticket: u64, change: &OwnChange) {
    match change {
        OwnChange::Commit(writes) => {
            let bytes: usize = writes.iter().map(Write::bytes).sum();
            trace!(ticket, writes = writes.len(), bytes, "command: commit");
        }
        OwnChange::Restamp => trace!(ticket, "command: restamp"),
        OwnChange::CloseForks { owner } => trace!(ticket, owner = owner.short(), "command: close forks"),
        OwnChange::DiscardDivergent { .. } => trace!(ticket, "command: forget"),
        OwnChange::Admit { id, name } => trace!(ticket, id = id.short(), %name, "command: admit"),
        OwnChange::ChangeRoster(changes) => trace!(ticket, changes = changes.len(), "command: roster"),
        OwnChange::Revoke { id, disposition } => {
            trace!(ticket, id = id.short(), ?disposition, "command: revoke")
        }
    }
}

fn say_effect(effect: &Effect) {
    match effect {
        Effect::Send { to, frame } => {
            trace!(to = to.short(), lane = ?frame.lane, bytes = frame.bytes.len(), "send");
        }
        Effect::Dial { address, expected } => {
            trace!(%address, expected = expected.map(|id| id.short()), "dial");
        }
        Effect::Close { peer, reason } => debug!(peer = peer.short(), reason, "close"),
        Effect::Answer { ticket, answer: Answer::Committed(committed) } => {
            trace!(ticket = ticket.0, timestamp = committed.timestamp.0, changed = committed.changed, "done");
        }
        Effect::Answer { ticket, answer: Answer::Refused(error) } => {
            debug!(ticket = ticket.0, %error, "refused");
        }
        Effect::Applied { owner, timestamp } => {
            trace!(owner = owner.short(), timestamp = timestamp.0, "applied");
        }
        Effect::Ready { peer } => info!(peer = peer.short(), "link up"),
        Effect::Refused(refused) => warn!("{refused}"),
        Effect::Alarm(alarm) if matches!(**alarm, Alarm::Recovered { .. }) => info!("{alarm}"),
        Effect::Alarm(alarm) => match **alarm {
            Alarm::OtherProcess { .. } | Alarm::Contested { .. } | Alarm::ContestOver { .. } => {
                warn!("{alarm}")
            }
            _ => error!("{alarm}"),
        },
    }
}
