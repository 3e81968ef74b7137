//! Orphans: files that no `mod` declaration reaches from a crate root. The compiler ignores such a file, so
//! nothing in it is checked or tested.
//!
//! `#[path]` attributes are not followed: a file that only they reach counts as an orphan.

use super::lexer::tokens;
use std::collections::{BTreeMap, BTreeSet};

/// The names of `files`, given as name and text, that no declaration reaches from `roots`. Roots elsewhere,
/// such as tests, reach none of them.
pub fn find(files: &BTreeMap<String, String>, roots: &[String]) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let mut pending: Vec<(&String, String)> =
        roots.iter().map(|root| (root, directory(root).to_owned())).collect();
    while let Some((name, directory)) = pending.pop() {
        if let Some((name, text)) = files.get_key_value(name)
            && reached.insert(name)
        {
            let children = declared(text).into_iter().map(|module| format!("{directory}/{module}"));
            let children = children.flat_map(|child| [format!("{child}.rs"), format!("{child}/mod.rs")]);
            let children = children.filter_map(|child| files.get_key_value(&child));
            pending.extend(children.map(|(child, _)| (child, children_directory(child))));
        }
    }
    files.keys().filter(|name| !reached.contains(name)).cloned().collect()
}

/// The directory of the files that a file other than a crate root declares.
fn children_directory(name: &str) -> String {
    match name.strip_suffix("/mod.rs") {
        Some(directory) => directory.to_owned(),
        None => name.trim_end_matches(".rs").to_owned(),
    }
}

fn directory(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The modules with files of their own that `text` declares: `a/b` for `mod a { mod b; }`.
fn declared(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    // Inline modules, each with the depth of braces around it.
    let mut inside: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0_usize;
    for at in 0..tokens.len() {
        match (text(at), text(at + 2)) {
            ("mod", ";") => {
                let names: Vec<&str> = inside.iter().map(|(name, _)| *name).chain([text(at + 1)]).collect();
                found.push(names.join("/"));
            }
            ("mod", "{") => inside.push((text(at + 1), depth)),
            ("{", _) => depth += 1,
            ("}", _) => {
                depth = depth.saturating_sub(1);
                inside.pop_if(|(_, around)| *around == depth);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphans(files: &[(&str, &str)], roots: &[&str]) -> Vec<String> {
        let files = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        find(&files, &roots.iter().map(|root| root.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_that_no_declaration_reaches_is_found() {
        let files = [
            ("x/src/lib.rs", "mod a; // mod comment;"),
            ("x/src/a.rs", ""),
            ("x/src/b.rs", "mod c;"),
            ("x/src/b/c.rs", ""),
            ("x/src/comment.rs", ""),
        ];
        let expected = ["x/src/b.rs", "x/src/b/c.rs", "x/src/comment.rs"];
        assert_eq!(orphans(&files, &["x/src/lib.rs", "x/tests/b.rs"]), expected);
    }

    #[test]
    fn every_form_of_module_is_reached() {
        let files = [
            ("x/src/lib.rs", "pub mod a; #[cfg(test)] mod tests { fn f() {} mod deep; } mod last;"),
            ("x/src/a/mod.rs", "#[cfg(feature = \"y\")]\nmod b;\n#[cfg(test)]\nmod tests;"),
            ("x/src/a/b.rs", "pub(crate) mod c;"),
            ("x/src/a/b/c.rs", ""),
            ("x/src/a/tests.rs", ""),
            ("x/src/tests/deep.rs", ""),
            ("x/src/last.rs", ""),
            ("x/src/main.rs", "mod cli;"),
            ("x/src/cli.rs", ""),
            ("x/src/bin/tool.rs", "mod part;"),
            ("x/src/bin/part.rs", ""),
        ];
        let roots = ["x/src/lib.rs", "x/src/main.rs", "x/src/bin/tool.rs"];
        assert_eq!(orphans(&files, &roots), [""; 0]);
        assert_eq!(orphans(&files, &roots[..2]), ["x/src/bin/part.rs", "x/src/bin/tool.rs"]);
    }
}
