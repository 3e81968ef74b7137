//! Runs a scenario with one seed after another until a check fails, and prints one JSON object with the
//! result. Its `digest` covers every message, event and counter of every seed: a change that is not meant to
//! alter behavior leaves it unchanged.
//!
//! `cargo run --release -p datafan-sim --example seeds -- SCENARIO FIRST LAST [MEMBERS]`

use datafan_core::hash::Hasher;
use datafan_sim::{run::Unwatched, scenario::Scenario, simulate};
use serde_json::json;
use std::{env, error::Error, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (scenario, first, last) = (next()?, next()?, next()?);
    let (first, last): (u64, u64) = (first.parse()?, last.parse()?);
    let loaded = Scenario::load(&scenario)?;
    let loaded = match arguments.next() {
        Some(members) => loaded.with_members(members.parse()?),
        None => loaded,
    };
    // An engine that panics is a finding, reported below.
    std::panic::set_hook(Box::new(|_| ()));
    let began = Instant::now();
    let (mut failure, mut virtual_micros) = (None, 0);
    let mut digest = Hasher::new(0xff);
    for seed in first..=last {
        let outcome = simulate(&loaded, seed, &mut Unwatched)?;
        virtual_micros += outcome.virtual_micros;
        digest.bytes(&outcome.trace_digest.0).bytes(format!("{:?}", outcome.counts).as_bytes());
        if let Some(found) = outcome.failure {
            failure = Some(
                json!({ "seed": seed, "checker": found.checker, "what": found.what, "at_micros": found.at }),
            );
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let days = virtual_micros as f64 / 86_400e6;
    let digest: String = digest.finish().0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    println!(
        "{}",
        json!({
            "scenario": scenario, "failure": failure, "digest": digest,
            "seconds": seconds, "virtual_days": days,
        })
    );
    Ok(())
}

const USAGE: &str = "usage: seeds SCENARIO FIRST LAST [MEMBERS]";
