//! A client that writes to a member and logs the answers.

use super::common::api::Api;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Writes numbers, each under two of its own keys in one commit, and knows what must be stored.
pub struct Client {
    dir: PathBuf,
    name: String,
    /// The number of the last attempted write.
    tried: u64,
    /// The possible values of each pair of keys: the last acknowledged or read one, then later unanswered
    /// ones. 0 means no value.
    may_be: BTreeMap<u64, Vec<u64>>,
    value_bytes: usize,
    /// The timestamp of the last acknowledged write.
    pub last: u64,
    pub acknowledged: u64,
}

const PAIRS: u64 = 43;

impl Client {
    /// A client of the member in `dir`; its keys start with `name`.
    pub fn new(dir: &Path, name: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            tried: 0,
            may_be: BTreeMap::new(),
            value_bytes: 20,
            last: 0,
            acknowledged: 0,
        }
    }

    /// The same, with values that fill 13 MB at the end.
    pub fn of_large_values(dir: &Path, name: &str) -> Self {
        Self { value_bytes: 150_000, ..Self::new(dir, name) }
    }

    /// Writes until the member is gone, or until told to stop. Calls `on_acknowledged` after each answer.
    pub fn write_until(&mut self, stop: &AtomicBool, mut on_acknowledged: impl FnMut()) {
        let Ok(mut api) = Api::open(&self.dir) else { return };
        while !stop.load(Ordering::Relaxed) {
            if !self.write(&mut api) {
                return;
            }
            on_acknowledged();
        }
    }

    /// Makes one commit; returns whether it was acknowledged.
    pub fn write(&mut self, api: &mut Api) -> bool {
        self.tried += 1;
        let (number, pair) = (self.tried, self.tried % PAIRS);
        let may_be = self.may_be.entry(pair).or_insert_with(|| vec![0]);
        may_be.push(number);
        // Every tenth value is long, so that commits span several pages.
        let value = format!(
            "{number} {}",
            "x".repeat(if number.is_multiple_of(10) { 9_000 } else { self.value_bytes })
        );
        let writes = self.keys(pair).map(|key| (key, value.clone()));
        let Ok(answer) = api.put(&writes) else { return false };
        if answer.status != 200 {
            println!("{}: {}", self.name, answer.body);
            // The text says whether the write may still be made; this is always possible.
            return false;
        }
        let timestamp = answer.json()["timestamp"].as_u64().unwrap();
        assert!(timestamp > self.last, "timestamps go up, over restarts too");
        self.last = timestamp;
        self.acknowledged += 1;
        self.may_be.insert(pair, vec![number]);
        true
    }

    /// Compares the member's own items with the log; the current values must stay from now on.
    pub fn check(&mut self, held: &BTreeMap<String, u64>) {
        for (pair, may_be) in &mut self.may_be {
            let [one, other] = keys(&self.name, *pair).map(|key| held.get(&key).copied().unwrap_or(0));
            assert_eq!(one, other, "{} {pair}: a commit is there whole or not at all", self.name);
            assert!(may_be.contains(&one), "{} {pair} is {one}, may be {may_be:?}", self.name);
            *may_be = vec![one];
        }
    }

    fn keys(&self, pair: u64) -> [String; 2] {
        keys(&self.name, pair)
    }
}

/// The numbers in the member's own shard, by key.
pub fn own(dir: &Path) -> BTreeMap<String, u64> {
    let rows = Api::open(dir).unwrap().get("/v1/export").unwrap();
    assert_eq!(rows.status, 200, "{}", rows.body);
    numbers(&rows.body)
}

/// Reads the member's own items until the member is gone, and returns the last ones read.
pub fn read_until_gone(dir: &Path) -> BTreeMap<String, u64> {
    let mut last = BTreeMap::new();
    let Ok(mut api) = Api::open(dir) else { return last };
    while let Ok(rows) = api.get("/v1/export") {
        last = numbers(&rows.body);
    }
    last
}

/// The numbers of exported lines, by key.
fn numbers(lines: &str) -> BTreeMap<String, u64> {
    let number = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let value = row["value"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        (row["key"].as_str().unwrap().to_owned(), value)
    };
    lines.lines().map(number).collect()
}

fn keys(name: &str, pair: u64) -> [String; 2] {
    [format!("{name}/{pair}"), format!("{name}/{pair}/twin")]
}
