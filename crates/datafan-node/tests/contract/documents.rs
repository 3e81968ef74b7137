//! The installation section of the README, and its list of commands.

use crate::common::datafan;
use std::{fs, path::PathBuf};

fn document(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_is_installed_is_locked_and_stripped_and_tickets_are_private() {
    let readme = document("README.md");
    assert!(readme.contains("cargo install --locked --path crates/datafan-node"));
    assert!(readme.contains("Linux") && readme.contains("x86-64"), "the platforms are named");
    assert!(readme.contains("invite beta  --out beta.ticket") && !readme.contains("> beta.ticket"));
    let manifest = document("Cargo.toml");
    let release = manifest.split("[profile.release]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(release.contains("strip = true"), "{release}");
}

#[test]
fn every_command_in_the_documents_exists() {
    let help = datafan(&["help"]).out;
    let names: Vec<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let mut seen = 0;
    for name in ["README.md", "docs/cli.md", "docs/guide.md", "docs/membership.md", "docs/http.md"] {
        let text = document(name);
        // Every second part lies between fences.
        let shell = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
        let lines = shell.flat_map(str::lines);
        for line in lines.filter_map(|line| line.strip_prefix("datafan ")) {
            let mut words = line.split_whitespace();
            let command = loop {
                match words.next() {
                    Some("--data-dir" | "--api" | "--api-token-file" | "--timeout") => {
                        let _ = words.next();
                    }
                    Some(word) if word.starts_with(['-', '[']) => {}
                    word => break word,
                }
            };
            let Some(command) = command.filter(|word| *word != "COMMAND" && !word.ends_with(']')) else {
                continue;
            };
            assert!(names.contains(&command), "{name}: datafan {line}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} commands");
}
