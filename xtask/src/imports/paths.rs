//! The paths in a source file.

use super::lexer::{Token, tokens};

/// The modules and paths of a file.
#[derive(Default, Debug)]
pub struct Source {
    pub paths: Vec<Path>,
    /// Modules that are compiled for tests only and have files of their own.
    pub test_modules: Vec<String>,
}

/// A path in a `use` or in code.
#[derive(Debug, PartialEq, Eq)]
pub struct Path {
    pub line: usize,
    /// The inline modules around it.
    pub inside: Vec<String>,
    pub segments: Vec<String>,
    /// The name that a `use` gives to its last segment; `None` in code.
    pub alias: Option<String>,
}

/// Parses a file.
pub fn read(text: &str) -> Source {
    let mut reader =
        Reader { tokens: tokens(text), at: 0, depth: 0, inside: Vec::new(), found: Source::default() };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.found
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// The nesting depth of braces.
    depth: usize,
    /// Inline modules, each with the depth around it.
    inside: Vec<(String, usize)>,
    found: Source,
}

impl Reader<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn is_next(&self, texts: &[&str]) -> bool {
        texts.iter().enumerate().all(|(ahead, text)| self.text(ahead) == *text)
    }

    fn step(&mut self) {
        if self.is_next(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            self.at += 7;
            return self.skip_item();
        }
        if self.is_next(&["pub", "("]) {
            return self.skip_to(")");
        }
        match self.text(0) {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.inside.pop_if(|(_, depth)| *depth == self.depth);
            }
            "mod" if self.text(2) == "{" => {
                self.inside.push((self.text(1).to_owned(), self.depth));
                self.depth += 1;
                self.at += 2;
            }
            // Not `impl Trait + use<'a>`.
            "use" if self.text(1) != "<" => {
                self.at += 1;
                return self.use_tree(Vec::new());
            }
            text if is_name(text) && self.text(1) == "::" => return self.path_in_code(),
            _ => {}
        }
        self.at += 1;
    }

    /// Skips the item after a `#[cfg(test)]`.
    fn skip_item(&mut self) {
        while self.is_next(&["#", "["]) {
            self.skip_to("]");
        }
        if self.is_next(&["pub", "("]) {
            self.skip_to(")");
        } else if self.is_next(&["pub"]) {
            self.at += 1;
        }
        if self.text(0) == "mod" && self.text(2) == ";" {
            let name = self.text(1).to_owned();
            self.found.test_modules.push(name);
        }
        let is_field = self.text(1) == ":";
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" | "(" | "[" => depth += 1,
                // The end of the enclosing item.
                "}" | ")" | "]" if depth == 0 => return,
                "}" if depth == 1 => return self.at += 1,
                "}" | ")" | "]" => depth -= 1,
                ";" if depth == 0 => return self.at += 1,
                "," if depth == 0 && is_field => return self.at += 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn skip_to(&mut self, end: &str) {
        while self.at < self.tokens.len() && self.text(0) != end {
            self.at += 1;
        }
        self.at += 1;
    }

    /// One branch of a `use`, up to the character that ends it.
    fn use_tree(&mut self, mut segments: Vec<String>) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.use_tree(segments.clone());
                        if self.text(0) != "}" {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "," | "}" | ";" | "" => break,
                "as" => {
                    let alias = Some(self.text(1).to_owned());
                    self.at += 2;
                    return self.found_path(line, segments, alias);
                }
                "::" | "*" => {}
                "self" if !segments.is_empty() => {}
                name => segments.push(name.to_owned()),
            }
            self.at += 1;
        }
        let alias = segments.last().cloned();
        self.found_path(line, segments, alias);
    }

    fn path_in_code(&mut self) {
        let Token { line, .. } = self.tokens[self.at];
        // A path that starts with `::`, and the rest of one after generic arguments, do not lead to a module
        // of this crate.
        let is_begun = self.at > 0 && self.tokens[self.at - 1].text == "::";
        let mut segments = vec![self.text(0).to_owned()];
        while self.text(1) == "::" && is_name(self.text(2)) {
            segments.push(self.text(2).to_owned());
            self.at += 2;
        }
        self.at += 1;
        if !is_begun {
            self.found_path(line, segments, None);
        }
    }

    fn found_path(&mut self, line: usize, segments: Vec<String>, alias: Option<String>) {
        let inside = self.inside.iter().map(|(name, _)| name.clone()).collect();
        self.found.paths.push(Path { line, inside, segments, alias });
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|sign: char| sign.is_alphabetic() || sign == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        read(text).paths.into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn every_branch_of_a_use_is_a_path() {
        let text = "pub(crate) use crate::{a::{self, B}, c::*, d as e}; use super::f;";
        assert_eq!(paths(text), ["crate::a", "crate::a::B", "crate::c", "crate::d", "super::f"]);
    }

    #[test]
    fn what_is_captured_is_not_imported() {
        let text = "fn f<'a>(&self) -> impl Iterator<Item = u8> + use<'a, S> { let x = crate::a::b(); x; }";
        assert_eq!(paths(text), ["crate::a::b"]);
        assert!(read("use a::{b; c};").paths.len() < 9);
    }

    #[test]
    fn paths_in_code_are_found() {
        let text =
            "pub(in crate::x) fn f(a: super::A) { let b: Vec<u8> = c::d(crate::e::E::new::<B>()); g::<h>() }";
        assert_eq!(paths(text), ["super::A", "c::d", "crate::e::E::new", "g"]);
    }

    #[test]
    fn what_is_for_tests_is_skipped() {
        let text = "
            #[cfg(test)] use crate::a;
            #[cfg(test)] #[path = \"x\"] mod b;
            #[cfg(test)] mod tests { use crate::c::{C}; fn f() { crate::d::e() } }
            #[cfg(test)] pub(crate) fn g(x: crate::h::H) {}
            struct S { #[cfg(test)] i: crate::j::J, k: crate::l::L }
        ";
        assert_eq!(paths(text), ["crate::l::L"]);
        assert_eq!(read(text).test_modules, ["b"]);
    }

    #[test]
    fn an_inline_module_is_around_its_paths() {
        let found = read("mod a { fn f() { crate::b() } use super::c; } use crate::d;");
        let inside: Vec<usize> = found.paths.iter().map(|path| path.inside.len()).collect();
        assert_eq!(inside, [1, 1, 0]);
    }
}
