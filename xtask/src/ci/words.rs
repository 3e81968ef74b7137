//! The repository speaks of itself alone: it names no paths of a developer's machine and no hosts of package
//! registries.

use crate::process::output;
use anyhow::{Result, ensure};
use std::{fs, path::Path};

/// Written in pieces, so that this file does not contain them.
const FOREIGN: &[&[&str]] = &[
    &["crates", ".io"],
    &["pypi", ".org"],
    &["npmjs", ".org"],
    &["npmjs", ".com"],
    &["proxy.golang", ".org"],
    &["/ro", "ot/"],
    &["/wo", "rk/"],
    &["/tmp/", "target"],
    &[".car", "go/registry"],
];

/// Checks every text file that git tracks, except lock files, which name the sources of packages.
///
/// # Errors
/// Names each line with a forbidden word.
pub fn check(root: &Path) -> Result<()> {
    let foreign: Vec<String> = FOREIGN.iter().map(|pieces| pieces.concat()).collect();
    let mut found = Vec::new();
    for name in output("git", "ls-files")?.lines().filter(|name| !name.ends_with("Cargo.lock")) {
        // Binary files have no words.
        let Ok(text) = fs::read_to_string(root.join(name)) else { continue };
        for (index, line) in text.lines().enumerate() {
            let words = foreign.iter().filter(|word| names(line, word));
            found.extend(words.map(|word| format!("{name}:{}: {word}", index + 1)));
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// Whether `line` has `word`; an absolute path only at the start of a path, as in `"/a/b"` but not in
/// `x/a/b`.
fn names(line: &str, word: &str) -> bool {
    let inside = |before: char| before.is_ascii_alphanumeric() || "_-.~}".contains(before);
    line.match_indices(word)
        .any(|(at, _)| !word.starts_with('/') || !line[..at].chars().next_back().is_some_and(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_where_it_begins() {
        assert!(names("cd /some/where", "/some/") && names("\"/some/where\"", "/some/"));
        assert!(!names("target/some/where", "/some/") && !names("/awesome/", "/some/"));
        assert!(names("see host.example for more", "host.example"));
    }
}
