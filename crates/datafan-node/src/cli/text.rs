//! Foreign text, sizes and counts, for people.

/// Writes control characters, and characters that reorder text, as `\u{..}`.
pub fn escape(text: &str) -> String {
    text.chars().map(|c| if takes_effect(c) { c.escape_unicode().to_string() } else { c.into() }).collect()
}

/// Joins lines and escapes them: an error is one line, whatever it quotes.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    escape(&words.join(" "))
}

/// A value for a terminal: line breaks stay, other control characters are escaped.
pub fn readable(value: &[u8]) -> String {
    spelled(value, |c| {
        if takes_effect(c) && !matches!(c, '\n' | '\t') { c.escape_unicode().to_string() } else { c.into() }
    })
}

/// A value on one line, without loss: `\\` for a backslash, `\xff` for a byte that is not UTF-8.
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

/// A size for people.
pub fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// A count with its noun: `1 row`, `2 rows`.
pub fn count(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// Whether a terminal would act on the character instead of showing it.
pub fn takes_effect(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A character, escaped for JSON.
pub fn utf16_escape(c: char) -> String {
    // All of them are below U+10000.
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
