//! Ratchets: the maximum length of files and functions. The allowances may only shrink.

use crate::process::output;
use anyhow::{Context, Result, bail, ensure};
use std::{cmp::Ordering, fs, path::Path};

/// Maximum number of lines of a file.
const FILE_LINES_MAX: usize = 500;
/// Maximum number of lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Number of functions that are longer today. Lower it when one is split; never raise it.
const LONG_FUNCTIONS: usize = 0;

/// Checks every Rust file that git tracks.
///
/// # Errors
/// Lists what is too long.
pub fn check(root: &Path) -> Result<()> {
    let (mut files, mut functions) = (Vec::new(), Vec::new());
    for name in output("git", "ls-files -- *.rs")?.lines() {
        // A file that was removed but not yet committed is skipped.
        let Ok(text) = fs::read_to_string(root.join(name)) else { continue };
        let n_lines = text.lines().count();
        if n_lines > FILE_LINES_MAX {
            files.push(format!("{name}: {n_lines} lines, limit {FILE_LINES_MAX}"));
        }
        let long = long_functions(&text).with_context(|| name.to_owned())?;
        functions.extend(long.into_iter().map(|(line, n_lines)| format!("{name}:{line}: {n_lines} lines")));
    }
    ensure!(files.is_empty(), "{}", files.join("\n"));
    let n_long = functions.len();
    match n_long.cmp(&LONG_FUNCTIONS) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => bail!(
            "{}\n{n_long} functions are longer than {FUNCTION_LINES_MAX} lines, {LONG_FUNCTIONS} are allowed",
            functions.join("\n")
        ),
        Ordering::Less => {
            bail!(
                "only {n_long} functions are still too long: lower LONG_FUNCTIONS in xtask/src/ci/lengths.rs"
            )
        }
    }
}

/// The first lines of functions that are too long, and their lengths. Relies on rustfmt's layout: a function
/// ends at the first line that has the indentation of its `fn` and starts with `}`, or, as a declaration,
/// ends with `;`.
fn long_functions(text: &str) -> Result<Vec<(usize, usize)>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
        if line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        let indent = indent(line);
        let ends = |line: &&str| {
            self::indent(line) == indent && (line.trim_start().starts_with('}') || line.ends_with(';'))
        };
        let rest = lines[index + 1..].iter().position(ends);
        let n_lines = rest.with_context(|| format!("line {}: the function has no end", index + 1))? + 2;
        if n_lines > FUNCTION_LINES_MAX {
            long.push((index + 1, n_lines));
        }
    }
    Ok(long)
}

fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(*word, "const" | "async" | "unsafe" | "extern" | "default") || word.starts_with("pub")
    });
    words.next() == Some("fn")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_over_the_limit_are_named() {
        let function = |n_lines: usize| {
            format!("    pub(super) fn f() {{\n{}    }}\n", "        x();\n".repeat(n_lines - 2))
        };
        let text = format!("impl X {{\n    fn short(&self);\n{}{}}}\n", function(70), function(71));
        assert_eq!(long_functions(&text).unwrap(), [(73, 71)]);
    }

    #[test]
    fn a_signature_of_many_lines_counts() {
        let text = format!("fn f(\n    a: u8,\n) -> u8 {{\n{}}}\n", "    x();\n".repeat(67));
        assert_eq!(long_functions(&text).unwrap(), [(1, 71)]);
    }
}
