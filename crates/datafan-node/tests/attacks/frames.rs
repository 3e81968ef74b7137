//! Bytes on a link that are not frames, or arrive too slowly: attacks below the messages.

use crate::{
    attack::{Act, Attack, Fate, Stage, Who},
    heads::shard,
    raw::{Raw, header},
    scene::Scene,
};
use datafan_core::{
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
    message::Message,
};
use std::time::Duration;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "oversized small frame",
        does: "announces a frame of 128 KiB and a byte in the small lane",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let mut link = Raw::meets(&scene.facts, &scene.victim).await;
                link.small.write_all(&header(SMALL_BYTES_MAX + 1)).await.unwrap();
                closes(&link, "frame of 131073 bytes, limit 131072").await;
            })
        }),
        ..FRAME
    },
    Attack {
        name: "oversized bulk frame",
        does: "announces a frame of 4 GiB in the bulk lane",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let mut link = Raw::meets(&scene.facts, &scene.victim).await;
                assert!(MESSAGE_BYTES_MAX < u32::MAX as usize);
                link.bulk.write_all(&header(u32::MAX as usize)).await.unwrap();
                closes(&link, "frame of 4294967295 bytes").await;
            })
        }),
        ..FRAME
    },
    Attack {
        name: "cut frame",
        does: "ends a lane in the middle of a frame",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let mut link = Raw::meets(&scene.facts, &scene.victim).await;
                link.bulk.write_all(&[&header(9)[..], &[1]].concat()).await.unwrap();
                link.bulk.finish().unwrap();
                closes(&link, "incomplete frame").await;
            })
        }),
        ..FRAME
    },
    Attack {
        name: "third lane",
        does: "ends a lane and opens one that does not exist",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let mut link = Raw::meets(&scene.facts, &scene.victim).await;
                link.bulk.finish().unwrap();
                let _lane = link.opens(&[2]).await;
                closes(&link, "unknown lane 2").await;
            })
        }),
        ..FRAME
    },
    Attack {
        name: "slow drip",
        does: "answers a pull byte by byte, without end",
        act: Act::Runs(|scene| Box::pin(drips(scene))),
        counter: "late_answer",
        fate: Fate::Heard,
        outcome: "not a violation, as lines may be slow: given up in time; only its own lane is held up",
        ..FRAME
    },
    Attack {
        name: "silent link",
        does: "links and never greets",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let link = Raw::links(&scene.facts.key, &scene.victim).await;
                closes(&link, "hello was not answered in time").await;
            })
        }),
        counter: "late_hello",
        fate: Fate::Heard,
        outcome: "closed after 15 s; not a violation, as a member that holds no roster yet waits as well",
        ..FRAME
    },
];

const FRAME: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "frame",
    fate: Fate::ClosedAndBackedOff,
    outcome: "refused before memory is reserved for it",
};

async fn closes(link: &Raw, reason: &str) {
    let closed = link.sees_down().await;
    assert!(closed.contains(reason), "closed for {closed:?}, not {reason:?}");
}

/// Announces its own shard, and sends the delta ever more slowly until the victim gives up.
async fn drips(scene: &mut Scene) {
    let mut link = Raw::meets(&scene.facts, &scene.victim).await;
    let shard = shard(&scene.facts.key, &scene.facts, &["forged"]);
    link.says(&Message::Announce(vec![shard.head])).await;
    link.hears(9).await;
    link.bulk.write_all(&header(MESSAGE_BYTES_MAX)).await.unwrap();
    let dripping = async {
        let mut drip = tokio::time::interval(Duration::from_millis(20));
        loop {
            drip.tick().await;
            link.bulk.write_all(&[1]).await.unwrap();
        }
    };
    tokio::select! {
        never = dripping => never,
        () = scene.counts("late_answer") => {}
    }
    // The small lane works as before: the victim still asks and answers.
    link.says(&Message::AskHeads(Vec::new())).await;
    link.hears(8).await;
}
