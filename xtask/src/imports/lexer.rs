//! Splits Rust source into the tokens that paths consist of.

/// A token and its line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// The identifiers, `::` and single characters of `text`, without comments, literals and lifetimes.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while let Some(sign) = lexer.rest.chars().next() {
        let Lexer { rest: before, line } = lexer;
        match sign {
            '/' if before.starts_with("//") => lexer.skip_while(|sign| sign != '\n'),
            '/' if before.starts_with("/*") => lexer.skip_block_comment(),
            '"' => lexer.skip_string(),
            '\'' => lexer.skip_char_or_lifetime(),
            _ if sign.is_whitespace() => lexer.skip(1),
            _ if lexer.raw_string_hashes().is_some() => lexer.skip_raw_string(),
            _ => {
                let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
                if is_word(sign) {
                    lexer.skip_while(is_word);
                } else {
                    lexer.skip(if before.starts_with("::") { 2 } else { 1 });
                }
                // The prefix of a string such as `b"..."` is not an identifier.
                if !(is_word(sign) && lexer.rest.starts_with('"')) {
                    tokens.push(Token { text: &before[..before.len() - lexer.rest.len()], line });
                }
            }
        }
    }
    tokens
}

#[derive(Clone, Copy)]
struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl Lexer<'_> {
    fn skip(&mut self, n: usize) {
        let mut signs = self.rest.chars();
        self.line += signs.by_ref().take(n).filter(|sign| *sign == '\n').count();
        self.rest = signs.as_str();
    }

    fn skip_while(&mut self, goes_on: impl Fn(char) -> bool) {
        self.skip(self.rest.chars().take_while(|sign| goes_on(*sign)).count());
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip(1);
            }
        }
    }

    fn skip_string(&mut self) {
        self.skip(1);
        while let Some(sign) = self.rest.chars().next() {
            self.skip(if sign == '\\' { 2 } else { 1 });
            if sign == '"' {
                return;
            }
        }
    }

    fn skip_char_or_lifetime(&mut self) {
        let mut signs = self.rest.chars().skip(1);
        let (first, second) = (signs.next(), signs.next());
        self.skip(1);
        if first == Some('\\') {
            self.skip(2);
            self.skip_while(|sign| sign != '\'');
            self.skip(1);
        } else if second == Some('\'') {
            self.skip(2);
        } else {
            self.skip_while(|sign| sign.is_alphanumeric() || sign == '_');
        }
    }

    /// The number of `#` before the quote, if a raw string starts here.
    fn raw_string_hashes(&mut self) -> Option<usize> {
        let rest = self.rest.strip_prefix("br").or_else(|| self.rest.strip_prefix('r'))?;
        let quoted = rest.trim_start_matches('#');
        quoted.starts_with('"').then_some(rest.len() - quoted.len())
    }

    fn skip_raw_string(&mut self) {
        let end = format!("\"{}", "#".repeat(self.raw_string_hashes().unwrap_or(0)));
        self.skip_while(|sign| sign != '"');
        self.skip(1);
        while !self.rest.is_empty() && !self.rest.starts_with(&end) {
            self.skip(1);
        }
        self.skip(end.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn paths_are_split() {
        assert_eq!(texts("a::b_1(c)"), ["a", "::", "b_1", "(", "c", ")"]);
    }

    #[test]
    fn comments_are_skipped() {
        assert_eq!(texts("a // x::y\nb /* c /* d */ e */ f"), ["a", "b", "f"]);
    }

    #[test]
    fn literals_and_lifetimes_are_skipped() {
        assert_eq!(texts(r#"a "x \" y" b"z" c"#), ["a", "c"]);
        assert_eq!(texts("a r#\"x \" y\"# br\"z\" c"), ["a", "c"]);
        assert_eq!(texts(r"a '\'' '\u{7f}' 'x' '{' &'static b"), ["a", "&", "b"]);
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<usize> = tokens("a\n\"\n\"\n/*\n*/ b").into_iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 5]);
    }
}
