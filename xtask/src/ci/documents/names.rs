//! The names in a document: files, anchors, packages and tests in commands, items of the code.

use super::prose;
use anyhow::Result;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

/// Names that look like ours but are not in the sources, each with its reason. Remove entries that no
/// document uses.
const FOREIGN: &[(&str, &str)] = &[
    ("CertificateVerify", "a message of TLS"),
    ("fuzz/artifacts/", "where libFuzzer leaves what breaks something"),
];

/// Extensions of files that only this repository can have; other files, such as `member.json`, often belong
/// to a user.
const ENDINGS: &[&str] = &[".rs", ".md", ".svg", ".patch"];

/// Everything that exists.
pub struct Repository {
    files: BTreeSet<String>,
    /// Every directory with a file in it.
    directories: BTreeSet<String>,
    /// First components of paths.
    top: BTreeSet<String>,
    /// Every identifier in the sources, without comments.
    words: BTreeSet<String>,
    /// The same, per file.
    words_of: BTreeMap<String, BTreeSet<String>>,
    /// The names of the packages.
    packages: BTreeSet<String>,
    /// The anchors of each document.
    anchors: BTreeMap<String, Vec<String>>,
}

/// The names in a document that do not exist: those that are missing, by line, and those that are allowed.
#[derive(Default)]
pub struct Found {
    pub missing: Vec<(usize, String)>,
    pub allowed: Vec<&'static str>,
}

impl Repository {
    /// Reads the sources and the headings of documents.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(root: &Path, names: &[&str]) -> Result<Self> {
        let mut repository = Self::of(names);
        for name in names.iter().filter(|name| name.ends_with(".rs") || name.ends_with(".toml")) {
            let text = fs::read_to_string(root.join(name))?;
            repository.add_words(name, &text);
            if name.ends_with("Cargo.toml") {
                repository.add_package(&text);
            }
        }
        for name in names.iter().filter(|name| name.ends_with(".md")) {
            let anchors = prose::anchors(&fs::read_to_string(root.join(name))?);
            repository.anchors.insert((*name).to_owned(), anchors);
        }
        Ok(repository)
    }

    fn of(names: &[&str]) -> Self {
        let files: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let parents = names.iter().flat_map(|name| Path::new(name).ancestors().skip(1));
        let directories: BTreeSet<String> = parents.map(|path| path.to_string_lossy().into_owned()).collect();
        let top =
            directories.iter().filter(|name| !name.is_empty() && !name.contains('/')).cloned().collect();
        Self {
            files,
            directories,
            top,
            words_of: BTreeMap::new(),
            packages: BTreeSet::new(),
            words: BTreeSet::new(),
            anchors: BTreeMap::new(),
        }
    }

    fn add_words(&mut self, name: &str, source: &str) {
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let words = code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        let words: BTreeSet<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        self.words.extend(words.iter().cloned());
        self.words_of.insert(name.to_owned(), words);
    }

    /// A manifest names its package in the first line with a name.
    fn add_package(&mut self, manifest: &str) {
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        self.packages.extend(name.map(|name| name.trim_matches('"').to_owned()));
    }

    /// The names that do not exist in `text`, the document `name`.
    pub fn missing(&self, name: &str, text: &str) -> Found {
        let mut found = Found::default();
        for (line, target) in prose::links(text) {
            if let Err(what) = self.link(name, &target) {
                found.missing.push((line, what));
            }
        }
        for (line, span) in prose::spans(text) {
            if let Some((allowed, _)) = FOREIGN.iter().find(|(foreign, _)| *foreign == span) {
                found.allowed.push(allowed);
            } else if let Some(what) = self.span(name, &span) {
                found.missing.push((line, what));
            }
        }
        for (line, file, item) in prose::pairs(text) {
            found.missing.extend(self.item_of(&file, &item).map(|what| (line, what)));
        }
        for (line, code) in prose::code_lines(text) {
            found.missing.extend(self.command(code).map(|what| (line, what)));
        }
        found
    }

    /// A link to a file of the repository, relative to the document, or to a heading.
    fn link(&self, document: &str, target: &str) -> Result<(), String> {
        if target.contains("://") {
            return Ok(());
        }
        let (path, anchor) = target.split_once('#').map_or((target, None), |(path, at)| (path, Some(at)));
        let directory = Path::new(document).parent().unwrap_or(Path::new(""));
        let file = if path.is_empty() { document.to_owned() } else { joined(directory, path) };
        if !self.files.contains(&file) && !self.directories.contains(&file) {
            return Err(format!("the link {target} leads nowhere"));
        }
        let anchors = self.anchors.get(&file);
        match anchor {
            Some(anchor) if !anchors.is_some_and(|all| all.iter().any(|one| one == anchor)) => {
                Err(format!("the heading {target} does not exist"))
            }
            _ => Ok(()),
        }
    }

    /// The error in a code span.
    fn span(&self, document: &str, span: &str) -> Option<String> {
        if span.contains(' ') {
            return self.command(span);
        }
        if self.is_path(span) {
            return match self.n_files(span) {
                _ if span.contains('/') && self.has_path(span) => None,
                0 => Some(format!("the file {span} does not exist")),
                1 => None,
                n => Some(format!("{n} files are named {span}: add its directory")),
            };
        }
        // Names of measurements are assembled from parts; the changelog mentions removed names.
        let is_told_otherwise = document.ends_with("performance.md") || document.ends_with("CHANGELOG.md");
        let is_known = is_told_otherwise && !span.contains("::") || self.has_item(span);
        (!is_known).then(|| format!("{span} does not occur in the sources"))
    }

    fn is_path(&self, span: &str) -> bool {
        let first = span.split('/').next().unwrap_or_default();
        let is_ours = span.contains('/') && self.top.contains(first);
        let is_plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c));
        is_plain && (is_ours || ENDINGS.iter().any(|ending| span.ends_with(ending)))
    }

    fn n_files(&self, name: &str) -> usize {
        let inside = format!("/{name}");
        self.files.iter().filter(|file| *file == name || file.ends_with(&inside)).count()
    }

    /// Whether some path ends with these components.
    fn has_path(&self, span: &str) -> bool {
        let (span, inside) = (span.trim_end_matches('/'), format!("/{}", span.trim_end_matches('/')));
        self.files.iter().chain(&self.directories).any(|name| name == span || name.ends_with(&inside))
    }

    /// The error in an item that is named right after its file.
    fn item_of(&self, file: &str, item: &str) -> Option<String> {
        let is_item = item.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !file.ends_with(".rs") || !is_item || !self.is_path(file) {
            return None;
        }
        let inside = format!("/{file}");
        let mut words = self.words_of.iter().filter(|(name, _)| *name == file || name.ends_with(&inside));
        let found = words.any(|(_, words)| words.contains(item));
        (!found).then(|| format!("{item} does not occur in {file}"))
    }

    /// Whether the span is not the name of an item, or all parts of the name are in the sources.
    fn has_item(&self, span: &str) -> bool {
        let name = span.strip_suffix("()").unwrap_or(span);
        let parts: Vec<&str> = name.split("::").collect();
        let is_name = |part: &&str| {
            let mut letters = part.chars();
            letters.next().is_some_and(|c| c.is_ascii_alphabetic())
                && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let upper = name.starts_with(|c: char| c.is_ascii_uppercase());
        let is_item = parts.len() > 1
            || name != span
            || name.contains('_')
            || upper && name.contains(|c: char| c.is_ascii_lowercase());
        !is_item || !parts.iter().all(is_name) || parts.iter().all(|part| self.words.contains(*part))
    }

    /// The error in a shell command: a package, test, example or file of ours that does not exist.
    fn command(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if !words.contains(&"cargo") {
            return None;
        }
        let exists = |pair: &[&str]| match pair[0] {
            "-p" => self.packages.contains(pair[1]),
            "--test" => {
                self.has_path(&format!("tests/{}.rs", pair[1]))
                    || self.has_path(&format!("tests/{}", pair[1]))
            }
            "--example" => pair[1] == "NAME" || self.has_path(&format!("examples/{}.rs", pair[1])),
            _ => true,
        };
        let wrong = words.windows(2).find(|pair| !exists(pair));
        wrong.map(|pair| format!("the workspace has no {} {}", pair[0], pair[1]))
    }
}

/// Allowances that are no longer needed.
pub fn unused(used: &[&str]) -> Vec<String> {
    let unused = FOREIGN.iter().filter(|(name, _)| !used.contains(name));
    unused.map(|(name, _)| format!("no document names {name}: remove it from FOREIGN")).collect()
}

fn joined(directory: &Path, path: &str) -> String {
    let mut joined = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::ParentDir => drop(joined.pop()),
            other => joined.push(other),
        }
    }
    joined.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let mut repository = Repository::of(&[
            "docs/a.md",
            "README.md",
            "crates/core/src/engine/mod.rs",
            "crates/core/src/trie/mod.rs",
            "x/tests/t.rs",
        ]);
        repository.anchors.insert("docs/a.md".into(), vec!["one-two".into()]);
        repository.add_package("[package]\nname = \"core\"\n");
        repository.add_words(
            "crates/core/src/engine/mod.rs",
            "// Ghost\npub struct Engine { n_links: u8 }\nmod engine { fn run() {} }\n",
        );
        repository.missing("docs/a.md", text).missing.into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn what_exists_is_found() {
        let text = "`engine/mod.rs` `run`, `crates/core/src/engine/` `Engine::run` `n_links` `run()` `put`
            `member.json` `GET /v1/x` `/v1/status` `cargo test -p core --test t`
            [r](../README.md) [b](#one-two) [c](a.md#one-two) [d](https://example.net)";
        assert_eq!(missing(text), [""; 0]);
    }

    #[test]
    fn what_does_not_exist_is_named() {
        assert_eq!(missing("`engine/gone.rs`"), ["the file engine/gone.rs does not exist"]);
        assert_eq!(missing("`gone.rs`"), ["the file gone.rs does not exist"]);
        assert_eq!(missing("`mod.rs`"), ["2 files are named mod.rs: add its directory"]);
        assert_eq!(missing("`crates/gone/`"), ["the file crates/gone/ does not exist"]);
        assert_eq!(missing("`Ghost`"), ["Ghost does not occur in the sources"]);
        assert_eq!(missing("`Engine::walk`"), ["Engine::walk does not occur in the sources"]);
        assert_eq!(missing("`n_gone`"), ["n_gone does not occur in the sources"]);
        assert_eq!(missing("`trie/mod.rs` `run`"), ["run does not occur in trie/mod.rs"]);
        assert_eq!(missing("[a](gone.md)"), ["the link gone.md leads nowhere"]);
        assert_eq!(missing("[a](#three)"), ["the heading #three does not exist"]);
        assert_eq!(
            missing("```sh\ncargo test -p core --test gone\n```"),
            ["the workspace has no --test gone"]
        );
        assert_eq!(missing("`cargo run --example gone`"), ["the workspace has no --example gone"]);
        assert_eq!(missing("`cargo test -p gone`"), ["the workspace has no -p gone"]);
    }

    #[test]
    fn an_allowance_that_nothing_needs_is_named() {
        assert_eq!(unused(&[]).len(), FOREIGN.len());
    }
}
