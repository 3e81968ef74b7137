//! What people and scripts see: JSON as it is, tables and escaped text on a terminal.

use super::Failure;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Where a command's data goes.
pub struct Output {
    to: io::BufWriter<io::StdoutLock<'static>>,
    /// Whether scripts read it.
    pub json: bool,
    /// Whether it is a terminal, on which foreign control characters must not take effect.
    pub terminal: bool,
    /// What the command has changed, in words.
    done: Option<String>,
}

/// Whether a command has changed anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It has, whether or not that can be printed.
    Changed,
    /// Everything is as it was.
    None,
}

impl Effect {
    /// Of a number of things that were changed.
    pub fn of(changed: u64) -> Self {
        if changed == 0 { Self::None } else { Self::Changed }
    }
}

impl Output {
    /// Standard output.
    pub fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { to: io::BufWriter::new(io::stdout().lock()), json, terminal, done: None }
    }

    /// What the command has changed, whatever becomes of what it prints: said where that cannot be written.
    pub fn has_done(&mut self, what: impl Into<String>) {
        self.done = Some(what.into());
    }

    /// What the command came to, as an object or a line.
    pub fn answer(&mut self, effect: Effect, value: &impl Serialize, text: &str) -> io::Result<()> {
        if effect == Effect::Changed {
            self.has_done(text);
        }
        if self.json { self.object(value) } else { self.line(text) }
    }

    /// What the command has changed, as an object or a line.
    pub fn change(&mut self, value: &impl Serialize, text: &str) -> io::Result<()> {
        self.answer(Effect::Changed, value, text)
    }

    /// Hands over what was written, and tells how a command ended that came to `outcome`.
    pub fn finish(mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let flushed = self.flush().map_err(Failure::from);
        let done = self.done.take().map_or(String::new(), |what| format!("; done all the same: {what}"));
        match (outcome, flushed) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(Failure::Output(why)), _) | (Ok(()), Err(Failure::Output(why))) => {
                Err(Failure::Output(format!("{why}{done}")))
            }
            (Err(failure), Err(Failure::Output(why))) => Err(failure.and(format!("{why}{done}"))),
            (Err(failure), _) | (Ok(()), Err(failure)) => Err(failure),
        }
    }

    /// One JSON object on one line.
    pub fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.json_line(&text)
    }

    /// A line of JSON that somebody else made.
    pub fn json_line(&mut self, line: &str) -> io::Result<()> {
        if self.terminal && line.chars().any(takes_effect) {
            // Within JSON such characters stand in strings only, where an escape means the same.
            let safe: String =
                line.chars().map(|c| if takes_effect(c) { utf16_escape(c) } else { c.into() }).collect();
            return writeln!(self.to, "{safe}");
        }
        writeln!(self.to, "{line}")
    }

    /// A line for people; `text` is safe already.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// A foreign key, name or text as people should see it: escaped on a terminal, as it is in a pipe.
    pub fn shown(&self, text: &str) -> String {
        if self.terminal { escape(text) } else { text.to_owned() }
    }

    /// Hands over what was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A line for people beside the data. Nobody may be there to read it.
pub fn note(text: &str) {
    super::logs::say(text);
}

/// A table with a header, its columns as wide as their content.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Without trailing spaces, so that a copied line is what it seems.
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Control characters, and those that reorder text, as `\u{..}`.
pub fn escape(text: &str) -> String {
    text.chars().map(|c| if takes_effect(c) { c.escape_unicode().to_string() } else { c.into() }).collect()
}

/// A value as people should see it on a terminal: lines stay lines, everything else that takes effect is
/// escaped.
pub fn readable(value: &[u8]) -> String {
    spelled(value, |c| {
        if takes_effect(c) && !matches!(c, '\n' | '\t') { c.escape_unicode().to_string() } else { c.into() }
    })
}

/// A value on one line, from which its bytes can be told: `\\` for a backslash, `\xff` for a byte that is
/// not UTF-8.
pub fn lossless(value: &[u8]) -> String {
    spelled(value, |c| match c {
        '\\' => r"\\".to_owned(),
        c if takes_effect(c) => c.escape_unicode().to_string(),
        c => c.into(),
    })
}

fn spelled(value: &[u8], spell: impl Fn(char) -> String) -> String {
    let mut text = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        chunk.valid().chars().for_each(|c| text += &spell(c));
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

/// Several lines as one, escaped: an error is one line, whatever it quotes.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    escape(&words.join(" "))
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// So many things: `1 row`, `2 rows`.
pub fn count(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

fn takes_effect(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn utf16_escape(c: char) -> String {
    // All of them lie below U+10000.
    format!("\\u{:04x}", c as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_effect_is_escaped() {
        assert_eq!(escape("a\u{1b}[2J\u{9b}b\u{202e}c grün"), r"a\u{1b}[2J\u{9b}b\u{202e}c grün");
        assert_eq!(one_line("error: a\n\n  b\x07\n"), r"error: a b\u{7}");
    }

    #[test]
    fn values_are_readable_or_lossless() {
        let value = b"a\tb\n\x1b[2J\xff\\ gr\xc3\xbcn";
        assert_eq!(readable(value), "a\tb\n\\u{1b}[2J\\xff\\ gr\u{fc}n");
        assert_eq!(lossless(value), r"a\u{9}b\u{a}\u{1b}[2J\xff\\ grün");
    }

    #[test]
    fn things_are_counted() {
        assert_eq!(
            (count(0, "row"), count(1, "row"), count(2, "row")),
            ("0 rows".into(), "1 row".into(), "2 rows".into())
        );
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(26_413_882), "25.2 MiB");
    }
}
