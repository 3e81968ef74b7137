//! Rosters that are forged, old or incomplete; and strangers.

use crate::{
    attack::{Act, Attack, Facts, Fate, Stage, Who},
    heads::{puppet, shard},
    scene::Scene,
};
use datafan_core::{
    connector::Frame,
    engine::Disposition,
    grant::{Grant, GrantState, Quota, Role},
    head::Head,
    id::{MemberId, MeshId},
    item::Item,
    message::{Hello, Message, Refusal, Want},
    time::Timestamp,
};
use datafan_testkit::shard::Shard;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "forged roster",
        does: "greets with a roster's head that it signed itself",
        stage: Stage::New,
        act: Act::Greets(|facts| greets(facts, facts.forged(altered(facts, Vec::pop).head))),
        counter: "signature",
        fate: Fate::ClosedAndBackedOff,
        outcome: "not the authority's signature; no roster is taken from it",
        ..ROSTER
    },
    Attack {
        name: "roster of another owner",
        does: "greets with a head of its own in place of the roster's",
        act: Act::Greets(|facts| greets(facts, shard(&facts.key, facts, &["forged"]).head)),
        counter: "malformed",
        fate: Fate::ClosedAndBackedOff,
        outcome: "a mesh has one authority",
        ..ROSTER
    },
    Attack {
        name: "roster that forgets",
        does: "serves a later roster without a member, which the authority signed (restored, or stolen)",
        act: Act::Runs(|scene| {
            let roster = altered(&scene.facts, |items| Some(items.remove(1)));
            let gone = scene.facts.roster.items[1].key.clone();
            let tombstone = (roster.head.timestamp, gone);
            Box::pin(serves(scene, roster.with(vec![tombstone])))
        }),
        ..ROSTER
    },
    Attack {
        name: "roster that steps back",
        does: "serves a later roster of the authority in which a member's entry is an older one",
        act: Act::Runs(|scene| {
            let roster = altered(&scene.facts, |items| {
                let entry = items.first_mut()?;
                entry.timestamp.0 -= 1;
                Some(entry.clone())
            });
            Box::pin(serves(scene, roster))
        }),
        ..ROSTER
    },
    Attack {
        name: "older roster",
        does: "pushes a roster that the authority signed before others were admitted",
        act: Act::Says(|facts| vec![young(facts).delta(Timestamp::ZERO).push()]),
        counter: "stale_head",
        outcome: "not a violation, as data may come late over a longer path; the held roster stays",
        ..ROSTER
    },
    Attack {
        name: "roster older than the ticket",
        does: "greets a new member with a roster from before it was invited",
        stage: Stage::New,
        act: Act::Runs(|scene| {
            Box::pin(async {
                scene.violator.links().await;
                let hello = greets(&scene.facts, young(&scene.facts).head);
                hello.into_iter().for_each(|frame| scene.violator.says(frame));
                scene.counts("old_roster").await;
                scene.violator.leaves().await;
                scene.meets().await;
            })
        }),
        outcome: "refused; the member waits for one at least as late as its ticket",
        ..ROSTER
    },
    Attack {
        name: "grant in another shard",
        does: "grants membership to a sock puppet in its own shard, and announces the puppet's shard",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let facts = scene.facts.clone();
                let mut shard = shard(&facts.key, &facts, &["forged"]);
                shard.items[0].key = Grant::key(&puppet().id());
                shard.items[0].value = grant("puppet").encode().into();
                let own = Shard::made(&facts.key, &facts.mesh, shard.head.timestamp, shard.items);
                let timestamp = own.head.timestamp;
                scene.violator.meets().await;
                scene.violator.tells_of(own);
                scene.holds(facts.key.id(), timestamp).await;
                let puppets = crate::heads::shard(&puppet(), &facts, &["forged"]);
                scene.violator.tells_of(puppets);
            })
        }),
        counter: "unknown_owner",
        outcome: "not a violation: keys of grants have a meaning only in the authority's shard",
        ..ROSTER
    },
    Attack {
        name: "shard of a former member",
        does: "announces the shard of a revoked member whose data was to be dropped",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let former = puppet();
                scene.owner.admit(former.id(), "former".parse().unwrap()).await.unwrap();
                let revoked = scene.owner.revoke(former.id(), Disposition::Drop).await.unwrap();
                scene.holds(scene.facts.mesh.authority(), revoked.timestamp).await;
                let shard = shard(&former, &scene.facts, &["forged"]);
                scene.violator.meets().await;
                scene.violator.tells_of(shard);
            })
        }),
        counter: "revoked_head",
        outcome: "not a violation, as not everybody knows of the revocation yet; remembered, nothing is \
            fetched",
        ..ROSTER
    },
    Attack {
        name: "stranger",
        does: "links without having been admitted",
        who: Who::Stranger,
        act: Act::Greets(Facts::greeting),
        counter: "not_admitted",
        fate: Fate::Closed,
        outcome: "gets a refusal and nothing else; shown as pending",
        ..ROSTER
    },
    Attack {
        name: "stranger asks for the roster",
        does: "asks for the roster before it greets, without having been admitted",
        who: Who::Stranger,
        act: Act::Greets(|facts| [vec![asks(facts.mesh.authority())], facts.greeting()].concat()),
        counter: "not_served",
        fate: Fate::Closed,
        outcome: "the roster is served to members only",
        ..ROSTER
    },
    Attack {
        name: "former member",
        does: "links after it was revoked",
        who: Who::Revoked,
        act: Act::Greets(Facts::greeting),
        counter: "revoked",
        fate: Fate::Closed,
        outcome: "gets a refusal and nothing else",
        ..ROSTER
    },
    Attack {
        name: "false refusal",
        does: "tells the victim that it was revoked, without having been admitted",
        who: Who::Stranger,
        act: Act::Greets(|_| vec![Message::Refuse(Refusal::Revoked).frame()]),
        counter: "refused_by_peer",
        fate: Fate::Closed,
        outcome: "one peer's word: while any other link is up, the victim's state stays `up`",
        ..ROSTER
    },
    Attack {
        name: "member of another mesh",
        does: "greets as a member of another mesh",
        act: Act::Greets(|facts| {
            let hello = Hello { mesh: MeshId(facts.key.id()), ..facts.hello() };
            vec![Message::Hello(hello.into()).frame()]
        }),
        counter: "other_mesh",
        fate: Fate::Closed,
        outcome: "gets a refusal and nothing else",
        ..ROSTER
    },
];

const ROSTER: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "old_roster",
    fate: Fate::Heard,
    outcome: "not a violation by the relay: refused, remembered, with an alarm; the held roster stays",
};

/// Announces a roster and serves it.
async fn serves(scene: &mut Scene, roster: Shard) {
    scene.violator.meets().await;
    scene.violator.tells_of(roster);
}

fn greets(facts: &Facts, roster: Head) -> Vec<Frame> {
    let hello = Hello { roster: Some(roster), ..facts.hello() };
    vec![Message::Hello(hello.into()).frame(), Message::Welcome.frame()]
}

fn asks(owner: MemberId) -> Frame {
    Message::Pull(vec![Want { owner, since: Timestamp::ZERO }]).frame()
}

/// The first roster of the mesh.
fn young(facts: &Facts) -> Shard {
    let first = facts.roster.items[0].clone();
    Shard::made(&facts.authority_key, &facts.mesh, first.timestamp, vec![first])
}

/// A later roster with a change, as the authority would sign it.
fn altered(facts: &Facts, change: fn(&mut Vec<Item>) -> Option<Item>) -> Shard {
    let mut items = facts.roster.items.clone();
    change(&mut items).unwrap();
    let timestamp = Timestamp(facts.roster.head.timestamp.0 + 1_000);
    Shard::made(&facts.authority_key, &facts.mesh, timestamp, items)
}

fn grant(name: &str) -> Grant {
    let (quota, state) = (Quota::default(), GrantState::Active);
    Grant { name: name.parse().unwrap(), role: Role::Member, quota, state, granted: Timestamp::ZERO }
}
