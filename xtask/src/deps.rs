//! The allowed edges between crates of the workspace.
//!
//! Arrows point at core, never sideways: a store knows no connector, and only the examples and the fuzzed
//! code know node. `xtask` uses none of our crates. A new edge is a line here and a reason in its commit.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Normal dependencies.
const NORMAL: &[(&str, &[&str])] = &[
    ("datafan-core", &[]),
    ("datafan-store-mem", &["datafan-core"]),
    ("datafan-store-redb", &["datafan-core"]),
    ("datafan-conn-chan", &["datafan-core"]),
    ("datafan-conn-quic", &["datafan-core"]),
    ("datafan-driver", &["datafan-core"]),
    ("datafan-node", &["datafan-core", "datafan-driver", "datafan-store-redb", "datafan-conn-quic"]),
    ("datafan-testkit", &["datafan-core"]),
    // The simulator is a second driver; its random numbers come from the testkit.
    ("datafan-sim", &["datafan-core", "datafan-store-mem", "datafan-testkit"]),
    // For tests only: fuzzing reaches everything.
    (
        "datafan-fuzz",
        &[
            "datafan-core",
            "datafan-store-mem",
            "datafan-store-redb",
            "datafan-node",
            "datafan-sim",
            "datafan-testkit",
        ],
    ),
    (
        "datafan-examples",
        &["datafan-core", "datafan-driver", "datafan-store-mem", "datafan-conn-chan", "datafan-node"],
    ),
    // Only what is counted: engines on stores in memory. The testkit passes them their inputs.
    ("datafan-hot", &["datafan-core", "datafan-store-mem", "datafan-testkit"]),
    // Measures everything; it is not part of xtask, which is built before anything is checked.
    (
        "datafan-bench",
        &[
            "datafan-core",
            "datafan-driver",
            "datafan-store-mem",
            "datafan-store-redb",
            "datafan-conn-chan",
            "datafan-conn-quic",
            "datafan-sim",
            "datafan-testkit",
        ],
    ),
    // Separate from the benchmarks: simulating builds no connector and no store on disk.
    ("datafan-simulate", &["datafan-core", "datafan-sim"]),
];

/// Dependencies of tests.
const DEV: &[(&str, &[&str])] = &[
    ("datafan-store-mem", &["datafan-testkit"]),
    ("datafan-store-redb", &["datafan-testkit"]),
    ("datafan-conn-chan", &["datafan-testkit"]),
    ("datafan-conn-quic", &["datafan-testkit"]),
    ("datafan-driver", &["datafan-store-mem", "datafan-store-redb", "datafan-conn-chan"]),
    ("datafan-node", &["datafan-testkit"]),
];

/// Compares the output of `cargo metadata --no-deps` with the edges above.
///
/// # Errors
/// Names every new edge, and every listed edge that no longer exists.
pub fn check(metadata: &str) -> Result<()> {
    let metadata: Metadata = serde_json::from_str(metadata).context("reading cargo metadata")?;
    let (found, allowed) = (metadata.edges(), allowed());
    let new = found
        .difference(&allowed)
        .map(|edge| format!("new edge {edge}: remove it, or list it with a reason"));
    let gone =
        allowed.difference(&found).map(|edge| format!("the edge {edge} no longer exists: remove its line"));
    let wrong: Vec<String> = new.chain(gone).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("xtask/src/deps.rs: {}", wrong.join("\n"))
}

/// A dependency between two crates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    dev: bool,
}

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.dev { " (of its tests)" } else { "" };
        write!(f, "{} -> {}{kind}", self.from, self.to)
    }
}

fn allowed() -> BTreeSet<Edge> {
    let of = |list: &[(&str, &[&str])], dev| {
        let edge = |from: &str, to: &str| Edge { from: from.into(), to: to.into(), dev };
        list.iter().flat_map(|(from, all)| all.iter().map(|to| edge(from, to))).collect::<Vec<_>>()
    };
    of(NORMAL, false).into_iter().chain(of(DEV, true)).collect()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
}

impl Metadata {
    fn edges(&self) -> BTreeSet<Edge> {
        let members: BTreeSet<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
        let of = |package: &Package| {
            let ours =
                package.dependencies.iter().filter(|dependency| members.contains(dependency.name.as_str()));
            let edge = |dependency: &Dependency| Edge {
                from: package.name.clone(),
                to: dependency.name.clone(),
                dev: dependency.kind.as_deref() == Some("dev"),
            };
            ours.map(edge).collect::<Vec<_>>()
        };
        self.packages.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_edge_is_named() {
        let metadata = r#"{"packages": [
            {"name": "datafan-core", "dependencies": [{"name": "datafan-node", "kind": null}]},
            {"name": "datafan-node", "dependencies": []}
        ]}"#;
        let error = check(metadata).unwrap_err().to_string();
        assert!(error.contains("new edge datafan-core -> datafan-node: "), "{error}");
        assert!(error.contains("the edge datafan-driver -> datafan-core no longer exists"), "{error}");
    }
}
