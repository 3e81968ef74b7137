//! One word for one thing: terms that the documents no longer use in prose.

use super::prose;

/// What was said before, and the field's term that took its place. Names in code font are the code's.
const REPLACED: &[(&str, &str)] = &[
    ("grave", "tombstone"),
    ("graves", "tombstones"),
    ("descent", "reconciliation"),
    ("descents", "reconciliation"),
    ("liar", "misbehaving peer"),
    ("liars", "misbehaving peers"),
    ("rogue", "misbehaving peer"),
    ("rogues", "misbehaving peers"),
    ("void", "invalid"),
];

/// The lines of prose with such a word, and what to write.
pub fn replaced(text: &str) -> Vec<(usize, String)> {
    let words = prose::words(text).into_iter();
    let found = words.filter_map(|(line, word)| {
        let (_, term) = REPLACED.iter().find(|(before, _)| word.eq_ignore_ascii_case(before))?;
        Some((line, format!("{word}: the term is {term}")))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_looked_at_and_code_is_not() {
        let text = "A `graves` row\nis a Grave.\n\n| descents |\n\n```text\nvoid\n```\nto avoid it\n";
        let expected =
            [(2, "Grave: the term is tombstone".into()), (4, "descents: the term is reconciliation".into())];
        assert_eq!(replaced(text), expected);
    }
}
