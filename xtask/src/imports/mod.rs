//! Imports between the modules of a crate are one-way: the graph of its files has no cycle.
//!
//! A file depends on every file of its crate to which one of its paths leads: in a `use`, or as `crate::`,
//! `super::` or a module's name in code. A path leads to its last module, so `use super::Item` depends on the
//! parent, whether the parent defines `Item` or only re-exports it. `mod child;` alone is not a dependency,
//! and neither is anything below `#[cfg(test)]`.
//!
//! Every file must also be part of its crate: an orphan, which no `mod` declaration reaches, is an error.

mod graph;
mod lexer;
mod orphans;
mod paths;
mod tree;

use crate::{process::output, workspace};
use anyhow::{Context, Result, ensure};
use graph::Graph;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The packages to show.
#[derive(clap::Args)]
pub struct Arguments {
    /// Names of packages; all packages of the workspace by default
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
        ensure!(packages.iter().any(|package| package.name == *name), "unknown package {name}");
    }
    let root = workspace::enter()?;
    for package in packages {
        if arguments.packages.is_empty() || arguments.packages.contains(&package.name) {
            let graph = tree::parse(&tree::read(&root, &package.directory)?);
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

/// Checks every package of the workspace.
///
/// # Errors
/// Describes each cycle, and names each orphan.
pub fn check(root: &Path) -> Result<()> {
    let mut graphs = Vec::new();
    let mut orphans = Vec::new();
    for package in packages()? {
        let files = tree::read(root, &package.directory)?;
        graphs.push(tree::parse(&files));
        orphans.extend(orphans::find(&files, &package.roots(root)));
    }
    judge(&graphs, &orphans)
}

fn judge(graphs: &[Graph], orphans: &[String]) -> Result<()> {
    let cycles =
        graphs.iter().flat_map(|graph| graph.cycles().into_iter().map(|cycle| graph.describe(&cycle)));
    let orphans = orphans.iter().map(|name| format!("{name}: no `mod` declaration reaches this file\n"));
    let wrong: String = cycles.chain(orphans).collect();
    ensure!(wrong.is_empty(), "{}", wrong.trim_end());
    Ok(())
}

/// A package of the workspace.
struct Package {
    name: String,
    directory: PathBuf,
    targets: Vec<Target>,
}

/// A library, binary, test, example or build script of a package.
#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

impl Package {
    /// The crate roots, relative to `root`.
    fn roots(&self, root: &Path) -> Vec<String> {
        let name =
            |target: &Target| target.src_path.strip_prefix(root).unwrap_or(&target.src_path).to_owned();
        self.targets.iter().map(|target| name(target).to_string_lossy().into_owned()).collect()
    }
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
        targets: Vec<Target>,
    }
    let metadata: Metadata = serde_json::from_str(&output("cargo", "metadata --format-version 1 --no-deps")?)
        .context("reading cargo metadata")?;
    let package = |manifest: Manifest| {
        let directory = manifest.manifest_path.parent().context("a manifest lies in a directory")?;
        Ok(Package { name: manifest.name, directory: directory.join("src"), targets: manifest.targets })
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
        let error = judge(&graphs, &[]).unwrap_err().to_string();
        assert!(error.contains("src/a.rs, src/b.rs"), "{error}");
        assert!(error.contains("src/b.rs:2: super::a::A"), "{error}");
        assert!(!error.contains("src/c.rs"), "{error}");
    }

    #[test]
    fn imports_that_run_one_way_pass() {
        let graphs =
            [graph(&[("src/lib.rs", "mod a; mod b;"), ("src/a.rs", "use crate::b::B;"), ("src/b.rs", "")])];
        judge(&graphs, &[]).unwrap();
    }
    #[test]
    fn an_orphan_fails_with_its_name() {
        let error = judge(&[], &["src/lost.rs".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "src/lost.rs: no `mod` declaration reaches this file");
    }
}
