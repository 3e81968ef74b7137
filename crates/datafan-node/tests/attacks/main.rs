//! A misbehaving member over real QUIC: each attack alters one thing, is counted under its name, and harms
//! nobody.
//!
//! The honest mesh consists of an owner, the victim and a witness that knows only the victim. After each
//! attack everything that readers of these members saw was correct, and all members end equal.
//! `DATAFAN_ATTACK=NAME` runs one attack.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod attack;
mod deltas;
mod formats;
mod frames;
mod heads;
mod load;
mod nodes;
mod pins;
mod processes;
mod ranges;
mod raw;
mod roster;
mod scene;
mod stalls;
mod truth;
mod unasked;
mod violator;

use attack::{Act, Attack, Stage};
use scene::Scene;
use std::{collections::BTreeSet, env, fs, path::Path, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

#[test]
fn every_attack_is_counted_and_harms_nobody() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let failed = runtime.block_on(async {
        let (mut running, room) = (JoinSet::new(), Arc::new(Semaphore::new(TOGETHER)));
        let only = env::var("DATAFAN_ATTACK").ok();
        let chosen = attacks().filter(|attack| only.as_ref().is_none_or(|only| only == attack.name));
        // The longest ones are last in the table.
        for attack in chosen.collect::<Vec<_>>().into_iter().rev() {
            let room = room.clone();
            running.spawn(async move {
                let _place = room.acquire().await.unwrap();
                // A separate task, so that a failed attack is reported by name.
                (attack.name, tokio::spawn(run(attack)).await.is_ok())
            });
        }
        let outcomes = running.join_all().await;
        assert!(!outcomes.is_empty(), "there is no such attack");
        let failed = outcomes.into_iter().filter(|(_, good)| !good);
        failed.map(|(name, _)| name).collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "these did not end as the table says: {failed:?}");
    println!("{}", table());
}

#[test]
fn the_document_has_this_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security.md");
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains(&table()),
        "docs/security.md is out of date: put there what \
         `cargo test -p datafan-node --test attacks -- --nocapture` prints"
    );
}

#[test]
fn every_attack_has_a_name_of_its_own() {
    let names: BTreeSet<_> = attacks().map(|attack| attack.name).collect();
    assert_eq!(names.len(), attacks().count());
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == ' ')), "{names:?}");
    assert!(names.len() >= 30);
}

async fn run(attack: &'static Attack) {
    let mut scene = Scene::new(attack).await;
    match attack.act {
        Act::Violates(violation) => {
            if attack.stage != Stage::Behind {
                scene.meets().await;
            }
            scene.violator.violation = violation;
            scene.violator.tells_of(scene.facts.second.clone());
        }
        Act::Says(say) => {
            if attack.stage != Stage::Behind {
                scene.meets().await;
            }
            say(&scene.facts).into_iter().for_each(|frame| scene.violator.says(frame));
        }
        Act::Greets(greet) => {
            scene.violator.links().await;
            greet(&scene.facts).into_iter().for_each(|frame| scene.violator.says(frame));
        }
        Act::Runs(scenario) => scenario(&mut scene).await,
    }
    scene.counts(attack.counter).await;
    scene.treats(attack.fate).await;
    scene.ends_well().await;
}

/// All attacks, in the order of the table.
fn attacks() -> impl Iterator<Item = &'static Attack> {
    let files = [
        deltas::ATTACKS,
        heads::ATTACKS,
        nodes::ATTACKS,
        ranges::ATTACKS,
        roster::ATTACKS,
        unasked::ATTACKS,
        stalls::ATTACKS,
        formats::ATTACKS,
        frames::ATTACKS,
        load::ATTACKS,
    ];
    files.into_iter().flatten()
}

fn table() -> String {
    let mut text = String::from(
        "| attack | what the attacker does | counted as | the attacker is | what comes of it |\n",
    );
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for Attack { name, does, counter, fate, outcome, .. } in attacks() {
        text.push_str(&format!("| {name} | {does} | `{counter}` | {} | {outcome} |\n", fate.text()));
    }
    text
}

/// Waits with a timeout that a loaded machine does not reach.
async fn patience<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("no {what} in time"))
}

/// Timeout of everything; a machine that is busy with other tests is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of concurrent attacks, which mostly wait.
const TOGETHER: usize = 8;
