//! Compares the guide's table of refusals with the counters of the engine.

use datafan_core::engine::Rejection;
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn the_guide_lists_exactly_the_counters() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide.md");
    let guide = fs::read_to_string(guide).unwrap();
    let section = guide.split("\n## Refusals\n").nth(1).expect("the guide has a section about refusals");
    let section = section.split("\n## ").next().unwrap();
    let named: BTreeSet<&str> = section.lines().filter_map(first_cell).flat_map(names).collect();
    let counted: BTreeSet<&str> = Rejection::ALL.iter().map(|rejection| rejection.name()).collect();
    let missing: Vec<_> = counted.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&counted).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not in the guide: {missing:?}; not counted: {unknown:?}"
    );
}

/// The first cell of a row that names counters.
fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?;
    line.split('|').nth(1)
}

/// The names in code font.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}
