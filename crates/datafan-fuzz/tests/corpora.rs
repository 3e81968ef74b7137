//! Every corpus is replayed and mutated briefly, on any toolchain: one test per target.
//!
//! `DATAFAN_FUZZ_TRIES` makes the attack longer, `DATAFAN_FUZZ_SEED` changes it. A failure names the file
//! with the input.

// Tests fail by panicking, in their helpers too.
#![allow(clippy::unwrap_used)]

use datafan_fuzz::{TARGETS, Target, mutate::mutated};
use datafan_testkit::rng::Rng;
use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

macro_rules! stands {
    ($($test:ident)*) => {$(
        #[test]
        fn $test() {
            stands(stringify!($test));
        }
    )*};
}

stands!(message session record store_file ticket request evidence backup import home scenario word);

#[test]
fn every_target_has_a_test_and_a_binary() {
    let source = include_str!("corpora.rs");
    let tested = source.lines().find_map(|line| line.strip_prefix("stands!(")?.strip_suffix(");"));
    let tested: Vec<&str> = tested.unwrap().split(' ').collect();
    assert_eq!(tested, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
    for target in TARGETS {
        let binary = format!("fuzz/targets/{}.rs", target.name);
        assert!(root().join(&binary).exists(), "{binary} is missing");
    }
}

#[test]
fn the_corpora_begin_with_the_seeds() {
    for target in TARGETS {
        let files = corpus(target);
        for (name, bytes) in (target.seeds)() {
            let file = format!("seed-{name}");
            let found = files.get(&file);
            assert_eq!(found, Some(&bytes), "{}/{file}: run the example `corpora`", target.name);
        }
    }
}

/// Replays the corpus, then tries mutated inputs.
fn stands(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = corpus(target);
    for (file, bytes) in &files {
        try_one(target, bytes, || format!("fuzz/corpus/{name}/{file}"));
    }
    let inputs: Vec<Vec<u8>> = files.into_values().collect();
    let (tries, seed) = (number("DATAFAN_FUZZ_TRIES", target.tries), number("DATAFAN_FUZZ_SEED", 1));
    let mut rng = Rng::new(seed);
    for _ in 0..tries {
        let bytes = mutated(&inputs, &mut rng.fork());
        try_one(target, &bytes, || kept(target, &bytes).display().to_string());
    }
}

fn try_one(target: &Target, bytes: &[u8], name: impl Fn() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.attack)(bytes))) {
        eprintln!("target {} fails with {}: add it to its corpus and fix the code", target.name, name());
        resume_unwind(panic);
    }
}

/// Saves an input that caused a failure.
fn kept(target: &Target, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("datafan-{}-{}", target.name, std::process::id()));
    fs::write(&path, bytes).unwrap();
    path
}

fn corpus(target: &Target) -> BTreeMap<String, Vec<u8>> {
    let directory = root().join("fuzz/corpus").join(target.name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let file = |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into(), fs::read(&path).unwrap());
    entries.map(|entry| file(entry.unwrap().path())).collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
