//! The stored baseline: the compiler in the first line, then one subject and its instructions per line.

use anyhow::{Context, Result, ensure};
use std::{collections::BTreeMap, fmt::Write as _, fs, io::ErrorKind, path::Path};

/// A change of at least this much is reported, up or down.
pub const WARN_PERCENT: u64 = 5;
/// An increase beyond this fails.
pub const FAIL_PERCENT: u64 = 10;

/// A set of counts.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Baseline {
    /// The compiler.
    pub compiler: String,
    /// Instructions per operation, by subject.
    counts: BTreeMap<String, u64>,
}

/// A count beside its baseline.
#[derive(Clone, Copy)]
pub struct Compared {
    /// None for a new subject.
    pub baseline: Option<u64>,
    /// The current count.
    pub instructions: u64,
}

/// The verdict on a count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trend {
    /// There is nothing to compare with.
    New,
    /// About the same.
    Same,
    /// So much less that the baseline would hide a later increase.
    Better,
    /// Worth a look.
    Worse,
    /// Too much.
    FarWorse,
}

impl Baseline {
    /// Reads the file; the baseline is empty if there is none.
    ///
    /// # Errors
    /// If a line is malformed.
    pub fn read(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.text()).with_context(|| path.display().to_string())
    }

    /// Compares a subject.
    pub fn compare(&self, name: &str, instructions: u64) -> Compared {
        Compared { baseline: self.counts.get(name).copied(), instructions }
    }

    /// Subjects of the file that are not in `there`.
    pub fn without(&self, there: impl Fn(&str) -> bool) -> Vec<&str> {
        self.counts.keys().map(String::as_str).filter(|name| !there(name)).collect()
    }

    /// Replaces the counts of `all` subjects, or of some.
    pub fn update(&mut self, compiler: String, all: bool, counts: impl Iterator<Item = (String, u64)>) {
        self.compiler = compiler;
        if all {
            self.counts.clear();
        }
        self.counts.extend(counts);
    }

    /// Parses the output of [`Baseline::text`].
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let compiler = lines.next().unwrap_or_default().to_owned();
        ensure!(compiler.starts_with("rustc "), "the first line does not name a compiler");
        let mut counts = BTreeMap::new();
        for line in lines {
            let count = line.split_once(' ').and_then(|(name, count)| Some((name, count.parse().ok()?)));
            let (name, count) = count.with_context(|| format!("{line:?} is not a name and a number"))?;
            let before = counts.insert(name.to_owned(), count);
            ensure!(before.is_none(), "{name} is listed twice");
        }
        Ok(Self { compiler, counts })
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.compiler);
        for (name, count) in &self.counts {
            writeln!(text, "{name} {count}").expect("a text takes what is written to it");
        }
        text
    }
}

impl Compared {
    /// The increase in per cent.
    pub fn percent(self) -> Option<f64> {
        let baseline = self.baseline? as f64;
        Some((self.instructions as f64 - baseline) * 100.0 / baseline)
    }

    /// The verdict.
    pub fn trend(self) -> Trend {
        let Some(baseline) = self.baseline else { return Trend::New };
        let (now, before) = (self.instructions * 100, baseline * 100);
        match () {
            () if now > before + baseline * FAIL_PERCENT => Trend::FarWorse,
            () if now >= before + baseline * WARN_PERCENT => Trend::Worse,
            () if now <= before - baseline * WARN_PERCENT => Trend::Better,
            () => Trend::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut baseline = Baseline::default();
        let counts = |list: &[(&str, u64)]| {
            list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>().into_iter()
        };
        baseline.update("rustc 1.90.0, here".into(), true, counts(&[("b", 2), ("a", 1)]));
        assert_eq!(baseline.text(), "rustc 1.90.0, here\na 1\nb 2\n");
        assert_eq!(Baseline::parse(&baseline.text()).unwrap(), baseline);
        baseline.update("rustc 1.90.0, here".into(), false, counts(&[("b", 3)]));
        assert_eq!(baseline.text(), "rustc 1.90.0, here\na 1\nb 3\n");
        baseline.update("rustc 1.91.0, here".into(), true, counts(&[("b", 3)]));
        assert_eq!(baseline.text(), "rustc 1.91.0, here\nb 3\n");
        assert_eq!(baseline.without(|name| name == "a"), ["b"]);
    }

    #[test]
    fn other_files_are_refused() {
        for bad in ["", "a 1\n", "rustc 1\na\n", "rustc 1\na b\n", "rustc 1\na 1\na 1\n", "rustc 1\n\n"] {
            assert!(Baseline::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn trends_have_their_bounds() {
        let trend = |instructions| Compared { baseline: Some(1_000), instructions }.trend();
        assert_eq!([949, 950].map(trend), [Trend::Better; 2]);
        assert_eq!([951, 1_000, 1_049].map(trend), [Trend::Same; 3]);
        assert_eq!([1_050, 1_100].map(trend), [Trend::Worse; 2]);
        assert_eq!([1_101, 2_000].map(trend), [Trend::FarWorse; 2]);
        assert_eq!(Compared { baseline: None, instructions: 1 }.trend(), Trend::New);
    }
}
