//! `cargo xtask ci`: everything that must hold besides the tests, one line per check.

mod documents;
mod lengths;
mod supply;
mod words;

use crate::{
    deps, imports, instructions, mutants,
    process::{cargo, cargo_with, output},
    programs, workspace,
};
use anyhow::{Result, ensure};
use std::{error::Error, fmt, path::Path, time::Instant};

/// Which checks to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only checks with NAME in their name
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Print the checks instead of running them
    #[arg(long)]
    list: bool,
}

struct Check {
    name: &'static str,
    /// What holds if it passes.
    what: &'static str,
    /// What to do if it fails.
    remedy: &'static str,
    run: fn(&Path) -> Result<()>,
}

/// Returned instead of an error: why a check cannot run on this machine.
#[derive(Debug)]
struct Skipped(&'static str);

impl Error for Skipped {}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

/// Quick ones first; then in an order in which the build of one serves the next.
const CHECKS: &[Check] = &[
    Check {
        name: "format",
        what: "code is formatted as rustfmt does it",
        remedy: "run `cargo fmt --all`, in xtask/peers too",
        run: format,
    },
    Check {
        name: "lengths",
        what: "files and functions are not too long",
        remedy: "split it: a file has one idea, a function fits a screen",
        run: lengths::check,
    },
    Check {
        name: "words",
        what: "no path of a machine and no host name of a package registry",
        remedy: "do not name paths of a machine or hosts of package registries",
        run: words::check,
    },
    Check {
        name: "documents",
        what: "documents wrap, use the standard terms, and name only what exists",
        remedy: "wrap prose at 100 columns, use the standard terms, and name only what exists, or give a \
                 reason in documents/names.rs",
        run: documents::check,
    },
    Check {
        name: "arrows",
        what: "dependencies between our crates point at core",
        remedy: "arrows point at core, never sideways; see docs/architecture.md",
        run: |_| deps::check(&output("cargo", "metadata --format-version 1 --no-deps")?),
    },
    Check {
        name: "imports",
        what: "imports between modules run one way, and every file is part of a module",
        remedy: "move what both modules use into a file of its own (`cargo xtask imports PACKAGE` shows the \
                 cycles), and declare or remove a file that no `mod` declaration reaches",
        run: imports::check,
    },
    Check {
        name: "supply",
        what: "dependencies, licences and versions that are expected",
        remedy: "remove it, or add a line with a reason in xtask/src/ci/supply.rs",
        run: supply::check,
    },
    Check {
        name: "mutants",
        what: "every mutant's patch still applies",
        remedy: "make the patch again, as docs/testing.md says, and try it with `cargo xtask mutants NAME`",
        run: mutants::check,
    },
    Check {
        name: "no_std core",
        what: "core builds without the standard library",
        remedy: "turn the feature off in crates/datafan-core/Cargo.toml",
        run: no_std_core,
    },
    Check {
        name: "clippy",
        what: "no warning of the compiler or of clippy",
        remedy: "run `cargo clippy --workspace --all-targets` and follow it",
        run: |_| cargo("clippy --workspace --all-targets -- -D warnings"),
    },
    Check {
        name: "embedding",
        what: "datafan-node builds without the command line and HTTP",
        remedy: "datafan-node must build without `http` and `cli`: check the features of new code",
        run: |_| cargo("check -p datafan-node --no-default-features --features redb,quic"),
    },
    Check {
        name: "docs",
        what: "the API documentation builds without a warning",
        remedy: "run `RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps` and follow it",
        run: |_| cargo_with("doc --workspace --no-deps", "RUSTDOCFLAGS", "-D warnings"),
    },
    Check {
        name: "examples",
        what: "every example runs and does what it says",
        remedy: "run `cargo test -p datafan-examples`",
        run: examples,
    },
    Check {
        name: "demo",
        what: "`datafan demo` ends with equal members",
        remedy: "run `cargo run -p datafan-node -- demo`",
        run: |_| cargo("run -p datafan-node --bin datafan -- --json demo --members 3"),
    },
    Check {
        name: "simulate",
        what: "a few hundred simulated runs pass all checks",
        remedy: "replay it with the command above, and keep its seed as a test",
        run: |_| programs::SIMULATE.output(&["seeds"]).map(drop),
    },
    Check {
        name: "instructions",
        what: "core's hot functions take no more instructions (needs valgrind)",
        remedy: "make it faster again; or, if it is worth the cost, run `cargo xtask instructions --update` \
                 and say so in the commit",
        run: self::instructions,
    },
    Check {
        name: "bench",
        what: "every benchmark still runs",
        remedy: "run `cargo xtask bench --quick`",
        run: |_| programs::BENCH.output(&["--quick"]).map(drop),
    },
];

/// Runs the checks, all of them even if some fail.
///
/// # Errors
/// If any check failed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let root = workspace::enter()?;
    let wanted = |check: &&Check| arguments.only.as_deref().is_none_or(|only| check.name.contains(only));
    let checks: Vec<&Check> = CHECKS.iter().filter(wanted).collect();
    ensure!(!checks.is_empty(), "unknown check; use one of {}", names());
    if arguments.list {
        checks.iter().for_each(|check| println!("{:13} {}", check.name, check.what));
        return Ok(());
    }
    let failed: Vec<&str> =
        checks.into_iter().filter(|check| !passes(check, &root)).map(|check| check.name).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn passes(check: &Check, root: &Path) -> bool {
    let began = Instant::now();
    let result = (check.run)(root);
    let seconds = began.elapsed().as_secs_f64();
    match result {
        Ok(()) => println!("ok      {:<12} {seconds:7.1} s", check.name),
        Err(error) if error.is::<Skipped>() => println!("{error}: {}", check.name),
        Err(error) => {
            eprintln!("{error:#}");
            println!("FAILED  {:<12} {seconds:7.1} s  {}", check.name, check.remedy);
            return false;
        }
    }
    true
}

fn names() -> String {
    CHECKS.iter().map(|check| check.name).collect::<Vec<_>>().join(", ")
}

/// The peers are a separate workspace; nothing of it is built here.
fn format(_: &Path) -> Result<()> {
    cargo("fmt --all --check")?;
    cargo("fmt --check --manifest-path xtask/peers/Cargo.toml")
}

fn instructions(root: &Path) -> Result<()> {
    ensure!(instructions::can_count(), Skipped("no valgrind"));
    instructions::check(root)
}

fn no_std_core(_: &Path) -> Result<()> {
    let tree = output("cargo", "tree -p datafan-core -e normal,features")?;
    let found: Vec<&str> = tree.lines().filter(|line| line.contains("feature \"std\"")).collect();
    ensure!(found.is_empty(), "datafan-core needs the standard library:\n{}", found.join("\n"));
    Ok(())
}

fn examples(root: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root.join("examples"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    ensure!(!names.is_empty(), "there are no examples");
    names.sort();
    names.iter().try_for_each(|name| cargo(&format!("run -p datafan-examples --example {name}")))
}
