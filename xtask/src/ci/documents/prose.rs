//! The parts of a document: prose, code spans, links, headings. Covers only the Markdown that the documents
//! use.

/// Maximum width of a line of prose. Tables, pictures and code blocks are exempt, because they cannot wrap.
pub const COLUMNS_MAX: usize = 100;

/// The lines of prose that are too long, and their lengths.
pub fn long_lines(text: &str) -> Vec<(usize, usize)> {
    let prose = prose(text);
    let wraps = |line: &&str| !line.trim_start().starts_with(['|', '!', '#']);
    let lines = prose.lines().enumerate().filter(|(_, line)| wraps(line));
    let lengths = lines.map(|(index, line)| (index + 1, line.chars().count()));
    lengths.filter(|(_, length)| *length > COLUMNS_MAX).collect()
}

/// The code spans outside code blocks, each with its line.
pub fn spans(text: &str) -> Vec<(usize, String)> {
    let prose = prose(text);
    let mut spans = Vec::new();
    for (line, block) in blocks(&prose) {
        let mut at = line;
        for (index, part) in block.split('`').enumerate() {
            if index % 2 == 1 {
                spans.push((at, part.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
            at += part.matches('\n').count();
        }
    }
    spans
}

/// Pairs of code spans with only a space in between, each with its line.
pub fn pairs(text: &str) -> Vec<(usize, String, String)> {
    let prose = prose(text);
    let mut pairs = Vec::new();
    for (line, block) in blocks(&prose) {
        let parts: Vec<&str> = block.split('`').collect();
        let spans = (1..parts.len()).step_by(2).filter(|at| parts.get(at + 1) == Some(&" "));
        for (at, second) in spans.filter_map(|at| Some((at, parts.get(at + 2)?))) {
            let lines = parts[..at].concat().matches('\n').count();
            pairs.push((line + lines, parts[at].to_owned(), (*second).to_owned()));
        }
    }
    pairs
}

/// The words outside code blocks and code spans, each with its line.
pub fn words(text: &str) -> Vec<(usize, String)> {
    let prose = prose(text);
    let mut words = Vec::new();
    for (line, block) in blocks(&prose) {
        let mut at = line;
        for (index, part) in block.split('`').enumerate() {
            for (below, text) in part.split('\n').enumerate().filter(|_| index % 2 == 0) {
                let found = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
                words.extend(found.map(|word| (at + below, word.to_owned())));
            }
            at += part.matches('\n').count();
        }
    }
    words
}

/// The lines of code blocks, each with its number.
pub fn code_lines(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The targets of links outside code blocks and code spans, each with its line.
pub fn links(text: &str) -> Vec<(usize, String)> {
    let prose = prose(text);
    let mut links = Vec::new();
    for (line, block) in blocks(&prose) {
        let mut at = line;
        for (index, part) in block.split('`').enumerate() {
            for (begin, _) in part.match_indices("](").filter(|_| index % 2 == 0) {
                let target = part[begin + 2..].split(')').next().unwrap_or_default();
                links.push((at + part[..begin].matches('\n').count(), target.to_owned()));
            }
            at += part.matches('\n').count();
        }
    }
    links
}

/// The anchors of a document's headings, as repository hosts generate them.
pub fn anchors(text: &str) -> Vec<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The text with its code blocks emptied, so that line numbers stay the same.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !inside && !fence {
            prose.push_str(line);
        }
        inside ^= fence;
        prose.push('\n');
    }
    prose
}

/// Paragraphs and rows of tables, each with its first line: code spans do not cross their borders.
fn blocks(prose: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in prose.lines().enumerate() {
        let row = line.trim_start().starts_with('|');
        match blocks.last_mut() {
            Some((_, block)) if open && !row => {
                block.push('\n');
                block.push_str(line);
            }
            _ => blocks.push((index + 1, line.to_owned())),
        }
        open = !row && !line.trim().is_empty();
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prose_has_to_wrap() {
        let long = "word ".repeat(21);
        let text = format!("{long}\n\n| {long} |\n\n```sh\n{long}\n```\n{}\n", "é".repeat(100));
        assert_eq!(long_lines(&text), [(1, 105)]);
    }

    #[test]
    fn spans_and_links_are_found_with_their_lines() {
        let text = "See `a.rs` and\n`b\nc`, [it](d.md#e-f).\n```\n`no` [no](no)\n```\n| `x` | [y](z) |\n";
        assert_eq!(spans(text), [(1, "a.rs".into()), (2, "b c".into()), (7, "x".into())]);
        assert_eq!(links(text), [(3, "d.md#e-f".into()), (7, "z".into())]);
        assert_eq!(code_lines(text), [(5, "`no` [no](no)")]);
        assert_eq!(
            pairs("x\n`a.rs` `b`, `c` d `e` `f`"),
            [(2, "a.rs".into(), "b".into()), (2, "e".into(), "f".into()),]
        );
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(anchors("# A `B` c's\nx\n## D, e\n"), ["a-b-cs", "d-e"]);
    }
}
