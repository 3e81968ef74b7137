//! Documents: prose wraps and uses the standard terms; every path, link, command and name of ours in it
//! exists.

mod names;
mod prose;
mod terms;

use crate::process::output;
use anyhow::{Context, Result, ensure};
use names::Repository;
use std::{fs, path::Path};

/// Checks every document that git tracks.
///
/// # Errors
/// Names each line that is too long or that names something that does not exist.
pub fn check(root: &Path) -> Result<()> {
    let listed = output("git", "ls-files")?;
    // A file that was removed but not yet committed is skipped.
    let files: Vec<&str> = listed.lines().filter(|name| root.join(name).exists()).collect();
    let repository = Repository::read(root, &files)?;
    let (mut wrong, mut allowed) = (Vec::new(), Vec::new());
    for name in files.iter().filter(|name| name.ends_with(".md")) {
        let text = fs::read_to_string(root.join(name)).with_context(|| (*name).to_owned())?;
        let long = prose::long_lines(&text);
        wrong.extend(
            long.into_iter()
                .map(|(line, n)| format!("{name}:{line}: {n} columns, limit {}", prose::COLUMNS_MAX)),
        );
        let terms = terms::replaced(&text);
        wrong.extend(terms.into_iter().map(|(line, what)| format!("{name}:{line}: {what}")));
        let found = repository.missing(name, &text);
        wrong.extend(found.missing.into_iter().map(|(line, what)| format!("{name}:{line}: {what}")));
        allowed.extend(found.allowed);
    }
    wrong.extend(names::unused(&allowed));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
