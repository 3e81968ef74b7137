//! `cargo xtask instructions`: counts the instructions of the core's hot functions, and compares them with a
//! stored baseline.
//!
//! The subjects are in `datafan-hot`. Each runs once in callgrind, which counts the instructions between
//! entering and leaving one function. A count hardly depends on the load of the machine, so a few per cent
//! more mean more work.

mod baseline;
mod callgrind;

use crate::{process::output, workspace};
use anyhow::{Result, ensure};
use baseline::{Baseline, Compared, Trend};
use callgrind::{Hot, Subject};
use serde_json::json;
use std::path::Path;

pub use callgrind::is_there as can_count;

/// The subjects to count.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only subjects with NAME in their name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Make the current counts the baseline
    #[arg(long)]
    update: bool,
    /// Print one JSON object per subject and line instead of a table
    #[arg(long)]
    json: bool,
}

/// The result of a subject.
struct Row {
    subject: Subject,
    /// Of one operation.
    instructions: u64,
    compared: Compared,
}

/// The counts, and the compiler.
struct Counted {
    compiler: String,
    baseline: Baseline,
    rows: Vec<Row>,
}

/// Counts, shows and compares.
///
/// # Errors
/// If a subject cannot be counted, or takes far more than its baseline with the same compiler.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = workspace::enter()?.join(BASELINE);
    let wanted = |name: &str| arguments.name.as_deref().is_none_or(|part| name.contains(part));
    let mut counted = count(&path, wanted)?;
    show(arguments, &counted.rows);
    if arguments.update {
        return update(&mut counted, &path, arguments.name.is_none());
    }
    judge(&counted, wanted)
}

/// Compares all subjects, and shows only large changes.
///
/// # Errors
/// Those of [`run`].
pub fn check(root: &Path) -> Result<()> {
    judge(&count(&root.join(BASELINE), |_| true)?, |_| true)
}

fn count(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Counted> {
    let (hot, compiler, baseline) = (Hot::build()?, compiler()?, Baseline::read(path)?);
    let subjects: Vec<Subject> =
        hot.subjects()?.into_iter().filter(|subject| wanted(&subject.name)).collect();
    ensure!(!subjects.is_empty(), "unknown subject: run the command without a name to see all");
    let row = |(subject, instructions): (Subject, u64)| {
        let compared = baseline.compare(&subject.name, instructions);
        Row { subject, instructions, compared }
    };
    let rows = hot.count(subjects)?.into_iter().map(row).collect();
    Ok(Counted { compiler, baseline, rows })
}

fn show(arguments: &Arguments, rows: &[Row]) {
    if arguments.json {
        for Row { subject, instructions, compared } in rows {
            let Subject { name, operation } = subject;
            let (baseline, change) = (compared.baseline, compared.percent());
            println!(
                "{}",
                json!({
                    "name": name, "operation": operation, "instructions": instructions,
                    "baseline": baseline, "change_percent": change,
                })
            );
        }
        return;
    }
    println!("{:<15} {:>14} {:>14} {:>8}  one operation", "subject", "instructions", "baseline", "change");
    for Row { subject, instructions, compared } in rows {
        let baseline = compared.baseline.map_or_else(|| "none".into(), grouped);
        let change = compared.percent().map_or_else(String::new, |percent| format!("{percent:+.2} %"));
        let Subject { name, operation } = subject;
        println!("{name:<15} {:>14} {baseline:>14} {change:>8}  {operation}", grouped(*instructions));
    }
}

/// Reports large changes.
fn judge(counted: &Counted, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let Counted { compiler, baseline, rows } = counted;
    let same_compiler = baseline.compiler == *compiler;
    if !same_compiler {
        let other = &baseline.compiler;
        eprintln!("note: the baseline is from {other}, but this is {compiler}: more instructions only warn");
    }
    for Row { subject, compared, .. } in rows {
        let (name, percent) = (&subject.name, compared.percent().unwrap_or_default());
        match compared.trend() {
            Trend::New | Trend::Same => {}
            Trend::Better => {
                eprintln!("note: {name} takes {:.1} % less than the baseline: {UPDATE}", -percent)
            }
            Trend::Worse | Trend::FarWorse => {
                eprintln!("warning: {name} takes {percent:.1} % more instructions than the baseline");
            }
        }
    }
    let with = |trend| {
        let names = rows.iter().filter(move |row| row.compared.trend() == trend);
        names.map(|row| row.subject.name.as_str()).collect::<Vec<_>>()
    };
    let (new, far) = (with(Trend::New), with(Trend::FarWorse));
    let gone = baseline.without(|name| !wanted(name) || rows.iter().any(|row| row.subject.name == name));
    ensure!(new.is_empty(), "not in the baseline: {}: {UPDATE}", new.join(", "));
    ensure!(gone.is_empty(), "in the baseline, but no longer a subject: {}: {UPDATE}", gone.join(", "));
    ensure!(
        !same_compiler || far.is_empty(),
        "more than {} % more instructions: {}",
        baseline::FAIL_PERCENT,
        far.join(", ")
    );
    Ok(())
}

fn update(counted: &mut Counted, path: &Path, all: bool) -> Result<()> {
    let Counted { compiler, baseline, rows } = counted;
    ensure!(all || baseline.compiler == *compiler, "the compiler has changed: update all subjects at once");
    let counts = rows.iter().map(|row| (row.subject.name.clone(), row.instructions));
    baseline.update(compiler.clone(), all, counts);
    baseline.write(path)
}

/// The compiler and its target: `rustc 1.90.0 (...), x86_64-unknown-linux-gnu`.
fn compiler() -> Result<String> {
    let said = output("rustc", "--version --verbose")?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{}, {host}", said.lines().next().unwrap_or_default()))
}

/// Formats a number with thousands separators.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

/// The file, relative to the workspace.
const BASELINE: &str = "xtask/hot/baseline.txt";
const UPDATE: &str = "update the baseline with `cargo xtask instructions --update`";

#[cfg(test)]
mod tests {
    use super::*;

    const BASELINE: &str = "rustc 1, here\nfine 1000\nslow 1000\n";

    fn counted(compiler: &str, counts: &[(&str, u64)]) -> Counted {
        let baseline = Baseline::parse(BASELINE).unwrap();
        let row = |(name, instructions): &(&str, u64)| Row {
            subject: Subject { name: (*name).into(), operation: String::new() },
            instructions: *instructions,
            compared: baseline.compare(name, *instructions),
        };
        let rows = counts.iter().map(row).collect();
        Counted { compiler: compiler.into(), baseline, rows }
    }

    fn told(compiler: &str, counts: &[(&str, u64)]) -> String {
        judge(&counted(compiler, counts), |_| true).map_or_else(|error| error.to_string(), |()| "good".into())
    }

    #[test]
    fn only_far_more_with_the_same_compiler_fails() {
        let counts = [("fine", 1_100), ("slow", 1_101)];
        assert_eq!(told("rustc 1, here", &counts), "more than 10 % more instructions: slow");
        assert_eq!(told("rustc 2, here", &counts), "good");
        assert_eq!(told("rustc 1, here", &[("fine", 1_100), ("slow", 900)]), "good");
    }

    #[test]
    fn subjects_and_baseline_are_the_same_ones() {
        let new = told("rustc 2, here", &[("fine", 1), ("slow", 1), ("new", 1)]);
        assert!(new.starts_with("not in the baseline: new: update"), "{new}");
        let gone = told("rustc 1, here", &[("fine", 1_000)]);
        assert!(gone.starts_with("in the baseline, but no longer a subject: slow: update"), "{gone}");
        judge(&counted("rustc 1, here", &[("fine", 1_000)]), |name| name == "fine").unwrap();
    }

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 999, 1_000, 12_345_678].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345,678"]);
    }
}
