//! Dependencies: licences, duplicate versions, forbidden crates, and sources. Needs the lock file and the
//! crates that it names, but no network once they are fetched.
//!
//! cargo-deny checks the same from a configuration file, also without a network (only advisories need one),
//! and in about the same time. But a new checkout would have to build it first: 141 crates and more than five
//! minutes of processor time.

use crate::process::output;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Licences that require only attribution.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates under another licence, and what it means for us.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("imbl", "MPL-2.0+", "asks for changes of its own files only, and we make none"),
    ("imbl-sized-chunks", "MPL-2.0+", "as imbl"),
];

/// Crates with two versions, and who needs the older one.
const TWICE: &[(&str, &str)] = &[
    ("getrandom", "ring 0.17 has its own"),
    ("rand_core", "imbl has its own"),
    ("syn", "macros of tracing and curve25519-dalek are a step behind"),
    ("windows-sys", "ring 0.17 has its own; on Windows only"),
];

/// Forbidden crates, and why.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "a second crypto provider: rustls uses ring here"),
    ("aws-lc-sys", "a second crypto provider: rustls uses ring here"),
    ("openssl", "a second crypto provider, and a system library"),
    ("openssl-sys", "a second crypto provider, and a system library"),
    ("boring", "a second crypto provider"),
    ("native-tls", "another TLS than rustls"),
    ("libsodium-sys", "a second crypto provider"),
    ("rustls-native-certs", "certificates are of members' keys: no authority of the web is trusted"),
    ("webpki-roots", "certificates are of members' keys: no authority of the web is trusted"),
];

/// Prefix of the public registry in a lock file; other sources are repositories.
const REGISTRY: &str = "registry+";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None for crates of the workspace.
    source: Option<String>,
}

/// Checks everything that the lock file names.
pub fn check(root: &Path) -> Result<()> {
    // Packages for other systems are not fetched by a build here: then the network is needed once.
    let metadata = output("cargo", "metadata --format-version 1 --locked --offline")
        .or_else(|_| output("cargo", "metadata --format-version 1 --locked"))?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("reading cargo metadata")?;
    let mut wrong = problems(&metadata);
    wrong.extend(crates_without_lints(root)?);
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"))
}

fn problems(metadata: &Metadata) -> Vec<String> {
    let outside: Vec<&Package> =
        metadata.packages.iter().filter(|package| package.source.is_some()).collect();
    let mut wrong = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &outside {
        let Package { name, version, license, source } = package;
        versions.entry(name).or_default().insert(version);
        if !source.as_deref().is_some_and(|source| source.starts_with(REGISTRY)) {
            wrong.push(format!("{name} {version} is from {}", source.as_deref().unwrap_or_default()));
        }
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| banned == name) {
            wrong.push(format!("{name} is forbidden: {why}"));
        }
        let licence = license.as_deref().unwrap_or("none");
        let excepted = EXCEPTIONS.iter().any(|(crate_, known, _)| crate_ == name && *known == licence);
        if !excepted && !is_allowed(licence) {
            wrong.push(format!("{name} {version} has the licence {licence}, which is not in the list"));
        }
    }
    let sources: BTreeSet<_> = outside.iter().filter_map(|package| package.source.as_deref()).collect();
    if sources.iter().filter(|source| source.starts_with(REGISTRY)).count() > 1 {
        wrong.push(format!("crates are from several registries: {sources:?}"));
    }
    for (name, versions) in versions {
        let known = TWICE.iter().any(|(twice, _)| *twice == name);
        match (versions.len() > 1, known) {
            (true, false) => {
                let versions: Vec<&str> = versions.into_iter().collect();
                wrong.push(format!("{name} has several versions, {}: agree on one", versions.join(" and ")));
            }
            (false, true) => wrong.push(format!("{name} has only one version: remove its line")),
            _ => {}
        }
    }
    wrong
}

/// Whether an SPDX expression allows a choice of known licences only.
fn is_allowed(expression: &str) -> bool {
    let known = |licence: &str| LICENCES.contains(&licence.trim());
    let all = |part: &str| part.split(" AND ").all(known);
    // More than one level of brackets does not occur: (A OR B) AND C.
    if let Some((choice, rest)) = expression.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        return is_allowed(choice) && rest.strip_prefix(" AND ").is_none_or(is_allowed);
    }
    expression.replace('/', " OR ").split(" OR ").any(all)
}

/// Every crate uses the lints of the workspace, which forbid unsafe code.
fn crates_without_lints(root: &Path) -> Result<Vec<String>> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let mut wrong = Vec::new();
    if !read(&root.join("Cargo.toml"))?.contains("unsafe_code = \"forbid\"") {
        wrong.push("Cargo.toml does not forbid unsafe code".to_owned());
    }
    let listed = output("git", "ls-files -- */Cargo.toml")?;
    // Fuzz targets are a separate workspace, whose macros need what is forbidden here.
    for path in listed.lines().filter(|path| !path.starts_with("fuzz/")) {
        if !read(&root.join(path))?.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{path} does not use the lints of the workspace"));
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read() {
        for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "none", "(MIT OR ISC) AND GPL-3.0", "(GPL-3.0) AND MIT", ""]
        {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn what_must_not_come_in_is_named() {
        let package = |name: &str, version: &str, licence: &str, source: &str| Package {
            name: name.into(),
            version: version.into(),
            license: Some(licence.into()),
            source: Some(source.into()),
        };
        let twice = |(name, _): &(&str, &str)| {
            ["1.0.0", "2.0.0"].map(|version| package(name, version, "MIT", "registry+one"))
        };
        let sound = || Metadata { packages: TWICE.iter().flat_map(twice).collect() };
        assert_eq!(problems(&sound()), Vec::<String>::new());
        for (bad, what) in [
            (package("openssl", "1.0.0", "MIT", "registry+one"), "is forbidden"),
            (package("left", "1.0.0", "GPL-3.0", "registry+one"), "has the licence GPL-3.0"),
            (package("right", "1.0.0", "MIT", "git+https://example.org"), "is from git"),
            (package("wrong", "1.0.0", "MIT", "registry+two"), "from several registries"),
        ] {
            let mut metadata = sound();
            metadata.packages.push(bad);
            let told = problems(&metadata);
            assert!(told.len() == 1 && told[0].contains(what), "{told:?}");
        }
        let mut metadata = sound();
        metadata
            .packages
            .extend(["1.0.0", "1.1.0"].map(|version| package("both", version, "MIT", "registry+one")));
        assert_eq!(problems(&metadata), ["both has several versions, 1.0.0 and 1.1.0: agree on one"]);
        let mut once = sound();
        once.packages.remove(0);
        assert!(problems(&once)[0].contains("remove its line"));
    }
}
