//! Members that announce and do not deliver.

use crate::attack::{Act, Attack, Fate, Stage, Violation, Who};
use datafan_core::{head::Head, message::Message, time::Timestamp};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "claimed position",
        does: "announces the owner's present head and answers no request for its data",
        act: Act::Violates(Violation::Silence),
        ..STALL
    },
    Attack {
        name: "nothing after all",
        does: "announces the owner's present head and has nothing when it is asked",
        act: Act::Violates(Violation::InsteadOfDelta(|shard| Message::UpToDate(shard.head.owner))),
        counter: "state_changed",
        outcome: "not a violation, as a state can go: the attacker is asked again only when it announces \
            the head again",
        ..STALL
    },
    Attack {
        name: "moved for ever",
        does: "answers each reconciliation request with the head that it announced before",
        act: Act::Violates(Violation::Instead(|shard, request| {
            Message::StateChanged(request.id, Some(shard.head))
        })),
        counter: "state_changed",
        outcome: "not a violation, as owners may be busy: reconciliation goes on with another member",
        ..STALL
    },
    Attack {
        name: "moved to nowhere",
        does: "answers each reconciliation request with no head at all",
        act: Act::Violates(Violation::Instead(|_, request| Message::StateChanged(request.id, None))),
        counter: "state_changed",
        outcome: "not a violation, as owners may be busy: reconciliation goes on with another member",
        ..STALL
    },
    Attack {
        name: "moved back",
        does: "answers each reconciliation request with an outdated head",
        act: Act::Violates(Violation::Instead(|shard, request| {
            let timestamp = Timestamp(shard.items[0].timestamp.0);
            Message::StateChanged(request.id, Some(Head { timestamp, ..shard.head }))
        })),
        counter: "state_changed",
        outcome: "not a violation, as owners may be busy: nothing steps back, reconciliation goes on with \
                  another member",
        ..STALL
    },
    Attack {
        name: "gap for ever",
        does: "answers each pull with a gap, and then no request",
        act: Act::Violates(Violation::InsteadOfDelta(|shard| Message::DeltaUnavailable(shard.head))),
        ..STALL
    },
];

const STALL: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Behind,
    act: Act::Violates(Violation::None),
    counter: "late_answer",
    fate: Fate::Heard,
    outcome: "not a violation, as lines may be slow: given up in time, and another member is asked",
};
