//! The modules of a crate, and the file to which a path leads.

use super::{
    graph::Graph,
    paths::{self, Path, Source},
};
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A module by its path from the crate's root.
type Module = Vec<String>;

/// The texts of the Rust files below `directory`, by their names relative to `root`.
///
/// # Errors
/// If a file cannot be read.
pub fn read(root: &std::path::Path, directory: &std::path::Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let name = path.strip_prefix(root).unwrap_or(&path);
                files.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    Ok(files)
}

/// The graph of a crate with these files, given as name and text.
pub fn parse(files: &BTreeMap<String, String>) -> Graph {
    let mut tree = Tree::default();
    for (name, text) in files {
        tree.sources.insert(module(name), (name, paths::read(text)));
    }
    tree.remove_tests();
    let mut graph = Graph::default();
    for (module, (name, source)) in &tree.sources {
        for path in &source.paths {
            if let Some(to) = tree.leads_to(module, path).filter(|to| to != name) {
                graph.add(name, to, path.line, &path.segments.join("::"));
            }
        }
    }
    graph
}

/// The module in a file: `src/a/b.rs` and `src/a/b/mod.rs` contain `a::b`.
fn module(name: &str) -> Module {
    let inside = name.rsplit_once("src/").map_or(name, |(_, inside)| inside);
    let stem = inside.trim_end_matches(".rs");
    let mut module: Module = stem.split('/').map(str::to_owned).collect();
    if module == ["lib"] || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

#[derive(Default)]
struct Tree<'a> {
    sources: BTreeMap<Module, (&'a str, Source)>,
}

impl<'a> Tree<'a> {
    fn remove_tests(&mut self) {
        let child = |module: &Module, name: &String| [&module[..], std::slice::from_ref(name)].concat();
        let tests: BTreeSet<Module> = self
            .sources
            .iter()
            .flat_map(|(module, (_, source))| source.test_modules.iter().map(|name| child(module, name)))
            .collect();
        self.sources.retain(|module, _| !tests.iter().any(|tests| module.starts_with(tests)));
    }

    /// The file of the last module on `path`, if the path stays in this crate.
    fn leads_to(&self, module: &Module, path: &Path) -> Option<&'a str> {
        let here = [&module[..], &path.inside[..]].concat();
        let end = self.walk(&here, &path.segments).or_else(|| self.walk_alias(module, path))?;
        // An inline module is in the file of its parent.
        (0..=end.len()).rev().find_map(|n| self.sources.get(&end[..n])).map(|(name, _)| *name)
    }

    /// The last module on `segments`, as seen from `here`.
    fn walk(&self, here: &Module, segments: &[String]) -> Option<Module> {
        let (first, mut rest) = segments.split_first()?;
        let mut end = match first.as_str() {
            "crate" => Module::new(),
            "self" => here.clone(),
            "super" => parent(here)?,
            name => self.child(here, name)?,
        };
        while let Some((next, behind)) = rest.split_first() {
            end = match next.as_str() {
                "super" => parent(&end)?,
                name => match self.child(&end, name) {
                    Some(child) => child,
                    None => break,
                },
            };
            rest = behind;
        }
        Some(end)
    }

    /// Like `walk`, for a path that starts with a module that a `use` of this file imports.
    fn walk_alias(&self, module: &Module, path: &Path) -> Option<Module> {
        let (first, rest) = path.segments.split_first()?;
        let (_, source) = self.sources.get(module)?;
        let is_meant = |known: &&Path| known.alias.as_ref() == Some(first) && known.segments[0] != *first;
        let known = source.paths.iter().find(is_meant)?;
        let here = [&module[..], &known.inside[..]].concat();
        self.walk(&here, &[&known.segments[..], rest].concat())
    }

    fn child(&self, module: &Module, name: &str) -> Option<Module> {
        let child = [&module[..], &[name.to_owned()]].concat();
        self.sources.contains_key(&child).then_some(child)
    }
}

fn parent(module: &Module) -> Option<Module> {
    module.split_last().map(|(_, parent)| parent.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        parse(&files).edges().map(|(from, to)| format!("{from} {to}")).collect()
    }

    #[test]
    fn a_path_leads_to_its_last_module() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod c; pub use c::C;"),
            ("src/a/c.rs", "pub struct C;"),
            ("src/b.rs", "use crate::a::c::C;"),
        ];
        assert_eq!(edges(&files), ["src/a/mod.rs src/a/c.rs", "src/b.rs src/a/c.rs"]);
    }

    #[test]
    fn what_a_parent_re_exports_leads_to_the_parent() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod c; mod d; pub use c::C;"),
            ("src/a/c.rs", ""),
            ("src/a/d.rs", "use super::C;"),
        ];
        assert_eq!(edges(&files), ["src/a.rs src/a/c.rs", "src/a/d.rs src/a.rs"]);
    }

    #[test]
    fn modules_are_known_by_other_names() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "mod c;"),
            ("src/a/c.rs", ""),
            ("src/b.rs", "use crate::a as x; fn f() { x::c::g() }"),
        ];
        assert_eq!(edges(&files), ["src/b.rs src/a.rs", "src/b.rs src/a/c.rs"]);
    }

    #[test]
    fn other_crates_and_test_files_are_left_out() {
        let files = [
            ("src/lib.rs", "mod a; use std::fmt;"),
            ("src/a.rs", "#[cfg(test)] mod tests; use other::a::b; fn f() { ::b::c() }"),
            ("src/a/tests.rs", "use super::*; use crate::f;"),
        ];
        assert!(edges(&files).is_empty());
    }

    #[test]
    fn inline_modules_belong_to_their_file() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod x { use super::y; use super::super::z; } use x::y;"),
        ];
        assert_eq!(edges(&files), ["src/a.rs src/lib.rs"]);
    }
}
