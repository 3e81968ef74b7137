//! Members that promise and do not deliver.

use crate::attack::{Act, Attack, Fate, Lie, Stage, Who};
use datafan_core::{head::Head, message::Message, time::Timestamp};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "claimed position",
        does: "tells of the owner's present head and answers no request for its data",
        act: Act::Lies(Lie::Silence),
        ..STALL
    },
    Attack {
        name: "nothing after all",
        does: "tells of the owner's present head and has nothing when it is asked",
        act: Act::Lies(Lie::InsteadOfDelta(|shard| Message::Nothing(shard.head.owner))),
        counter: "moved",
        outcome: "no lie, as a state can go: asked again only when it tells of it again",
        ..STALL
    },
    Attack {
        name: "moved for ever",
        does: "answers each request of a descent with the head that it told of before",
        act: Act::Lies(Lie::Instead(|shard, request| Message::Moved(request.id, Some(shard.head)))),
        counter: "moved",
        outcome: "no lie, as owners may be busy: the descent goes on with another member",
        ..STALL
    },
    Attack {
        name: "moved to nowhere",
        does: "answers each request of a descent with no head at all",
        act: Act::Lies(Lie::Instead(|_, request| Message::Moved(request.id, None))),
        counter: "moved",
        outcome: "no lie, as owners may be busy: the descent goes on with another member",
        ..STALL
    },
    Attack {
        name: "moved back",
        does: "answers each request of a descent with a head that was left behind",
        act: Act::Lies(Lie::Instead(|shard, request| {
            let timestamp = Timestamp(shard.items[0].timestamp.0);
            Message::Moved(request.id, Some(Head { timestamp, ..shard.head }))
        })),
        counter: "moved",
        outcome: "no lie, as owners may be busy: nothing steps back, the descent goes on with another member",
        ..STALL
    },
    Attack {
        name: "gap for ever",
        does: "answers each pull with a gap, and then no request",
        act: Act::Lies(Lie::InsteadOfDelta(|shard| Message::Gap(shard.head))),
        ..STALL
    },
];

const STALL: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Behind,
    act: Act::Lies(Lie::None),
    counter: "late_answer",
    fate: Fate::Heard,
    outcome: "no lie, as lines may be slow: given up in time and asked of another member",
};
