//! The graph of imports between files, and its cycles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Files and their imports.
#[derive(Default)]
pub struct Graph {
    imports: BTreeMap<String, BTreeMap<String, Import>>,
}

/// The first import of a file from another one.
struct Import {
    line: usize,
    path: String,
}

impl Graph {
    /// Adds that `from` imports `path` from `to`.
    pub fn add(&mut self, from: &str, to: &str, line: usize, path: &str) {
        let import = Import { line, path: path.to_owned() };
        self.imports.entry(from.to_owned()).or_default().entry(to.to_owned()).or_insert(import);
    }

    /// The edges of the graph.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports.iter().flat_map(|(from, all)| all.keys().map(move |to| (from.as_str(), to.as_str())))
    }

    /// Number of pairs of files that import from each other.
    pub fn mutual_pairs(&self) -> usize {
        self.edges().filter(|&(from, to)| from < to && self.imports_from(to, from)).count()
    }

    /// The cycles: maximal sets of files that reach each other. A single file is not a cycle.
    pub fn cycles(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|file| (file.as_str(), self.reached_from(file))).collect();
        let mut cycles: Vec<BTreeSet<&str>> = Vec::new();
        for (file, reaches) in &reached {
            let is_known = cycles.iter().any(|cycle| cycle.contains(file));
            if reaches.contains(file) && !is_known {
                let returns = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
                cycles.push(reaches.iter().filter(returns).copied().collect());
            }
        }
        cycles
    }

    /// One line with the files of `cycle`, then one for each import between two of them. Imports without
    /// which there would be no cycle are marked.
    pub fn describe(&self, cycle: &BTreeSet<&str>) -> String {
        let mut text = format!("a cycle of {} files: {}\n", cycle.len(), join(cycle));
        let closing = self.closing(cycle);
        for from in cycle {
            for (to, Import { line, path }) in self.imports.get(*from).into_iter().flatten() {
                if cycle.contains(to.as_str()) {
                    let mark = if closing.contains(&(*from, to)) { "  <- closes the cycle" } else { "" };
                    let _ = writeln!(text, "    {from}:{line}: {path} ({to}){mark}");
                }
            }
        }
        text
    }

    fn imports_from(&self, from: &str, to: &str) -> bool {
        self.imports.get(from).is_some_and(|all| all.contains_key(to))
    }

    /// The files that `file` imports from, directly or indirectly.
    fn reached_from<'a>(&'a self, file: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(next) = open.pop() {
            let new = self.imports.get(next).into_iter().flat_map(BTreeMap::keys);
            open.extend(new.map(String::as_str).filter(|to| reached.insert(*to)));
        }
        reached
    }

    /// The imports that lead back to a file on the path from the cycle's first file.
    fn closing<'a>(&'a self, cycle: &BTreeSet<&'a str>) -> BTreeSet<(&'a str, &'a str)> {
        let mut search =
            Search { graph: self, cycle, way: Vec::new(), seen: BTreeSet::new(), found: BTreeSet::new() };
        if let Some(first) = cycle.first() {
            search.visit(first);
        }
        search.found
    }
}

/// A depth-first search within a cycle.
struct Search<'a, 'b> {
    graph: &'a Graph,
    cycle: &'b BTreeSet<&'a str>,
    way: Vec<&'a str>,
    seen: BTreeSet<&'a str>,
    found: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Search<'a, '_> {
    fn visit(&mut self, file: &'a str) {
        self.seen.insert(file);
        self.way.push(file);
        for to in self.graph.imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if self.way.contains(&to.as_str()) {
                self.found.insert((file, to));
            } else if self.cycle.contains(to.as_str()) && !self.seen.contains(to.as_str()) {
                self.visit(to);
            }
        }
        self.way.pop();
    }
}

fn join(files: &BTreeSet<&str>) -> String {
    files.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add(from, to, 1, "crate::x");
        }
        graph
    }

    #[test]
    fn what_runs_one_way_has_no_cycle() {
        let graph = graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]);
        assert!(graph.cycles().is_empty());
        assert_eq!(graph.mutual_pairs(), 0);
    }

    #[test]
    fn cycles_are_told_apart() {
        let graph =
            graph(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c"), ("e", "f")]);
        assert_eq!(graph.cycles(), [BTreeSet::from(["a", "b"]), BTreeSet::from(["c", "d", "e"])]);
        assert_eq!(graph.mutual_pairs(), 1);
    }

    #[test]
    fn the_import_that_closes_a_cycle_is_marked() {
        let graph = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]);
        let text = graph.describe(&graph.cycles()[0]);
        let marked: Vec<&str> = text.lines().filter(|line| line.ends_with("closes the cycle")).collect();
        assert_eq!(marked, ["    c:1: crate::x (a)  <- closes the cycle"]);
        assert_eq!(text.lines().count(), 4);
    }
}
