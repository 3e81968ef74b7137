//! Parses the command line. An error is one clear line, and each tip is another.

use super::{
    args::{Cli, examples},
    failure::{Exit, Failure},
    notes::note,
    output::Output,
    text::escape,
    version::version,
};
use clap::{
    CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

/// The command line, or the exit code after printing help or an error.
pub fn parse() -> Result<Cli, ExitCode> {
    let words: Vec<OsString> = env::args_os().collect();
    let json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    read(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => {
            let printed = error.print().and_then(|()| io::stdout().flush());
            shown(printed.map_err(Failure::from), json)
        }
        ErrorKind::DisplayVersion => {
            let mut out = Output::new(json);
            let printed = version(&mut out);
            shown(out.finish(printed), json)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // This goes to standard error; there is nowhere else to report that it cannot be printed.
            let _ = error.print();
            ExitCode::from(Exit::Usage as u8)
        }
        _ => {
            let complaint = Complaint::of(&error);
            let code = Failure::Said(Exit::Usage, complaint.text).report(json);
            if !json {
                complaint.tips.iter().for_each(|tip| note(&format!("  tip: {tip}")));
            }
            code
        }
    })
}

/// The exit code after printing what needs no command.
fn shown(printed: Result<(), Failure>, json: bool) -> ExitCode {
    printed.map_or_else(|failure| failure.report(json), |()| ExitCode::SUCCESS)
}

fn read(words: &[OsString]) -> Result<Cli, clap::Error> {
    parsed(words).or_else(|error| match error.get(ContextKind::InvalidSubcommand) {
        // `help` takes only commands; with `--help` or another option the user wants the same.
        Some(ContextValue::String(word)) if word.starts_with('-') => parsed(&without_options_of_help(words)),
        _ => Err(error),
    })
}

fn without_options_of_help(words: &[OsString]) -> Vec<OsString> {
    let help = words.iter().position(|word| word == "help").unwrap_or(words.len());
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let kept = words.iter().enumerate().filter(|(at, word)| *at < help || !is_option(word));
    kept.map(|(_, word)| word.clone()).collect()
}

fn parsed(words: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = examples::shown(Cli::command()).try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches)
}

/// What is wrong with a command line.
struct Complaint {
    text: String,
    tips: Vec<String>,
}

/// Commands that are never suggested for a misspelt word, because their changes cannot be undone easily.
const NOT_SUGGESTED: &[&str] = &[
    "del",
    "delete",
    "rm",
    "set",
    "put",
    "revoke",
    "rotate",
    "grant",
    "restamp",
    "restore",
    "recovered",
    "adopt",
];

/// Options that are never suggested, for the same reason.
const OPTIONS_NOT_SUGGESTED: &[&str] =
    &["--abandon", "--forget", "--drop", "--take", "--force", "--yes", "--repair", "--close"];

impl Complaint {
    fn of(error: &clap::Error) -> Self {
        if error.kind() == ErrorKind::MissingSubcommand {
            let text = "no command given: see datafan --help".to_owned();
            return Self { text, tips: Vec::new() };
        }
        match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) => Self::unknown_command(word, error),
            _ => Self::from_text(&error.render().to_string()),
        }
    }

    fn unknown_command(word: &str, error: &clap::Error) -> Self {
        let similar = match error.get(ContextKind::SuggestedSubcommand) {
            Some(ContextValue::String(one)) => vec![one.clone()],
            Some(ContextValue::Strings(several)) => several.clone(),
            _ => Vec::new(),
        };
        let similar: Vec<String> =
            similar.into_iter().filter(|name| !NOT_SUGGESTED.contains(&name.as_str())).collect();
        let text = format!("unknown command {:?}: see datafan --help", escape(word));
        let tips =
            if similar.is_empty() { Vec::new() } else { vec![format!("similar: {}", similar.join(", "))] };
        Self { text, tips }
    }

    /// clap prints the error on several lines, then tips, then the usage.
    fn from_text(text: &str) -> Self {
        let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
        let (tips, said): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("tip: "));
        let destroys = |tip: &&str| {
            let mut words = tip.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            words.any(|word| OPTIONS_NOT_SUGGESTED.contains(&word))
        };
        let tips: Vec<&str> = tips.into_iter().filter(|tip| !destroys(tip)).collect();
        let said = said.join(" ");
        Self {
            text: said.strip_prefix("error: ").unwrap_or(&said).to_owned(),
            tips: tips.into_iter().map(|tip| escape(tip.trim_start_matches("tip: "))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(args: &[&str]) -> Complaint {
        let words: Vec<OsString> = [&["datafan"], args].concat().into_iter().map(OsString::from).collect();
        Complaint::of(&read(&words).unwrap_err())
    }

    #[test]
    fn complaints_are_one_line() {
        for args in [
            &["init"][..],
            &["nonsense"],
            &["run", "--listen", "nowhere"],
            &["run", "--sync-period", "1"],
            &["admit", "abc", "--name", "a"],
            &["put", "k"],
            &["get", "k", "--all", "--owner", "a"],
            &["init", "--name", "Not A Name"],
            &["run", "--api", "0.0.0.0:80"],
            &["get", "--ownr", "b", "k"],
        ] {
            let Complaint { text, tips } = complaint(args);
            assert!(
                !text.contains('\n') && !text.contains("error:") && !text.contains("tip:"),
                "{args:?}: {text}"
            );
            assert!(!text.is_empty() && text.len() < 300 && !text.contains("Usage"), "{args:?}: {text}");
            assert!(tips.iter().all(|tip| !tip.contains('\n') && tip.len() < 200), "{args:?}: {tips:?}");
        }
        assert!(complaint(&["init"]).text.contains("--name"));
        let tips = complaint(&["get", "--ownr", "b", "k"]).tips;
        assert!(tips.iter().any(|tip| tip.contains("--owner")), "a tip is not part of the line: {tips:?}");
    }

    #[test]
    fn a_misspelt_option_leads_to_none_that_destroys() {
        for args in [
            &["run", "--abandn"][..],
            &["recovered", "--forgt"],
            &["revoke", "a", "--drp"],
            &["rotate", "a", "--dro"],
            &["backup", "f", "--forc"],
        ] {
            let Complaint { text, tips } = complaint(args);
            assert!(text.contains("unexpected argument"), "{text}");
            assert!(tips.iter().all(|tip| !tip.contains("similar")), "{args:?}: {tips:?}");
        }
    }

    #[test]
    fn options_without_a_command_are_told_as_such() {
        assert_eq!(complaint(&["--data-dir", "a"]).text, "no command given: see datafan --help");
    }

    #[test]
    fn a_misspelt_command_leads_to_none_that_destroys() {
        let tips = |word: &str| complaint(&[word, "a"]).tips.join(" ");
        assert!(tips("statsu").contains("status") && tips("exprot").contains("export"));
        for word in
            ["dele", "dell", "dle", "revok", "remove", "rmm", "rotat", "restor", "recover", "deleet", "gran"]
        {
            let tips = tips(word);
            for destroys in NOT_SUGGESTED {
                assert!(!tips.split([' ', ',']).any(|tip| tip == *destroys), "{word}: {tips}");
            }
        }
    }
}
