//! Imports between the modules of a crate run one way: the graph of its files has no cycle.
//!
//! A file depends on every file of its crate that one of its paths leads to: by a `use`, or by `crate::`,
//! `super::` or a module's name in the code. A path leads to the last module on it, so `use super::Item`
//! depends on the parent, whether the parent defines `Item` or only re-exports it. `mod child;` alone is not
//! a dependency, and neither is anything below `#[cfg(test)]`.

mod allowed;
mod graph;
mod lexer;
mod paths;
mod tree;

use crate::{process::output, workspace};
use allowed::ALLOWED;
use anyhow::{Context, Result, ensure};
use graph::Graph;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Which crates to show.
#[derive(clap::Args)]
pub struct Arguments {
    /// Names of packages; without any, all packages of the workspace
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
}

/// Prints the import cycles of packages.
///
/// # Errors
/// If a package does not exist or cannot be read.
pub fn run(arguments: &Arguments) -> Result<()> {
    let packages = packages()?;
    for name in &arguments.packages {
        ensure!(packages.iter().any(|package| package.name == *name), "there is no package {name}");
    }
    let root = workspace::enter()?;
    for package in packages {
        if arguments.packages.is_empty() || arguments.packages.contains(&package.name) {
            let graph = tree::read(&root, &package.directory)?;
            let cycles = graph.cycles();
            let n_files: usize = cycles.iter().map(BTreeSet::len).sum();
            let n_pairs = graph.mutual_pairs();
            println!("{}: {} cycles of {n_files} files, {n_pairs} mutual pairs", package.name, cycles.len());
            for cycle in &cycles {
                print!("{}", graph.describe(cycle));
            }
        }
    }
    Ok(())
}

/// Judges every package of the workspace.
///
/// # Errors
/// Describes each cycle with a file that is not in [`ALLOWED`], and names each allowed file in no cycle.
pub fn check(root: &Path) -> Result<()> {
    let mut graphs = Vec::new();
    for package in packages()? {
        graphs.push(tree::read(root, &package.directory)?);
    }
    judge(&graphs, &ALLOWED.iter().copied().collect())
}

fn judge(graphs: &[Graph], allowed: &BTreeSet<&str>) -> Result<()> {
    let mut wrong = String::new();
    let mut in_cycles = BTreeSet::new();
    for graph in graphs {
        for cycle in graph.cycles() {
            if !cycle.iter().all(|file| allowed.contains(file)) {
                wrong += &graph.describe(&cycle);
            }
            in_cycles.extend(cycle);
        }
    }
    for file in allowed.difference(&in_cycles) {
        wrong += &format!(
            "{file} is in no cycle any more: remove it from ALLOWED in xtask/src/imports/allowed.rs\n"
        );
    }
    ensure!(wrong.is_empty(), "{}", wrong.trim_end());
    Ok(())
}

/// A package of the workspace.
struct Package {
    name: String,
    directory: PathBuf,
}

fn packages() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Manifest>,
    }
    #[derive(Deserialize)]
    struct Manifest {
        name: String,
        manifest_path: PathBuf,
    }
    let metadata: Metadata = serde_json::from_str(&output("cargo", "metadata --format-version 1 --no-deps")?)
        .context("reading cargo metadata")?;
    let package = |manifest: Manifest| {
        let directory = manifest.manifest_path.parent().context("a manifest lies in a directory")?;
        Ok(Package { name: manifest.name, directory: directory.join("src") })
    };
    metadata.packages.into_iter().map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        tree::parse(&files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect())
    }

    #[test]
    fn a_cycle_fails_with_the_import_that_closes_it() {
        let graphs = [graph(&[
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "use crate::b::B;\nuse crate::c::C;"),
            ("src/b.rs", "\nuse super::a::A;"),
            ("src/c.rs", ""),
        ])];
        let error = judge(&graphs, &BTreeSet::new()).unwrap_err().to_string();
        assert!(error.contains("src/a.rs, src/b.rs"), "{error}");
        assert!(error.contains("src/b.rs:2: super::a::A"), "{error}");
        assert!(!error.contains("src/c.rs"), "{error}");
        judge(&graphs, &["src/a.rs", "src/b.rs"].into()).unwrap();
    }

    #[test]
    fn one_file_of_a_cycle_that_is_not_allowed_fails() {
        let graphs = [graph(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "use crate::a::A;"),
        ])];
        assert!(judge(&graphs, &["src/a.rs"].into()).is_err());
    }

    #[test]
    fn an_allowed_file_without_a_cycle_fails() {
        let graphs = [graph(&[("src/lib.rs", "mod a;"), ("src/a.rs", "")])];
        let error = judge(&graphs, &["src/a.rs"].into()).unwrap_err().to_string();
        assert!(error.contains("src/a.rs is in no cycle any more"), "{error}");
    }
}
