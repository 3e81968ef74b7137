//! The hot functions of the core as users use them, one subject per run; `cargo xtask instructions` counts
//! their instructions.
//!
//! Without arguments it lists the subjects, one per line: the name and a description of one operation,
//! separated by a tab. With a name it runs that subject and prints the number of operations. Only the code
//! inside `measured` of `meter.rs` is counted.
//!
//! Keys, values, secrets and clocks are fixed, and random numbers come from fixed seeds, so a count is
//! repeatable. The allocator is that of the system: the one of the binary `datafan` returns pages after some
//! time, and times differ between runs.

mod data;
mod deltas;
mod heads;
mod meter;
mod net;
mod own;
mod reads;
mod relay;
mod rounds;

use anyhow::{Context, Result, ensure};
use meter::Meter;
use std::process::ExitCode;

/// A subject to count.
struct Subject {
    name: &'static str,
    /// A description of one operation.
    operation: &'static str,
    run: fn(&mut Meter) -> Result<()>,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        name: "decode_push",
        operation: "read a push of one item of 100 B, without verifying it",
        run: heads::decode_push,
    },
    Subject { name: "verify_head", operation: "verify the signature of a head", run: heads::verify },
    Subject { name: "sign_head", operation: "sign a head", run: heads::sign },
    Subject {
        name: "own_commit",
        operation: "replace one of 10,000 own items, sync it, push it to 3 links",
        run: own::commit,
    },
    Subject {
        name: "relay_push",
        operation: "take in a push of one of 10,000 items, pass it on to 2 links",
        run: relay::push,
    },
    Subject {
        name: "redundant_push",
        operation: "drop a push that is held already, prune the link it came by",
        run: relay::redundant,
    },
    Subject {
        name: "round_equal",
        operation: "take in a round with an equal root, 1,000 owners",
        run: rounds::equal,
    },
    Subject {
        name: "round_begun",
        operation: "begin a round on 2 links after one of 1,000 owners changed",
        run: rounds::begun,
    },
    Subject {
        name: "delta_taken",
        operation: "take in a delta of 4,096 new items, beside 10,000",
        run: |meter| deltas::pull(meter, deltas::Side::Asker),
    },
    Subject {
        name: "delta_answered",
        operation: "answer a pull with a delta of 4,096 items",
        run: |meter| deltas::pull(meter, deltas::Side::Answerer),
    },
    Subject {
        name: "reconciliation",
        operation: "find and copy 100 changes among 10,000 items by nodes and ranges, both sides",
        run: deltas::reconciliation,
    },
    Subject { name: "read_key", operation: "read one of 10,000 keys from a snapshot", run: reads::key },
    Subject { name: "read_all", operation: "read 10,000 items from a snapshot, by key", run: reads::all },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(name) = std::env::args().nth(1) else {
        SUBJECTS.iter().for_each(|subject| println!("{}\t{}", subject.name, subject.operation));
        return Ok(());
    };
    let subject = SUBJECTS.iter().find(|subject| subject.name == name);
    let mut meter = Meter::default();
    (subject.with_context(|| format!("unknown subject {name:?}"))?.run)(&mut meter)?;
    ensure!(meter.operations() > 0, "{name} measured nothing");
    println!("{}", meter.operations());
    Ok(())
}
