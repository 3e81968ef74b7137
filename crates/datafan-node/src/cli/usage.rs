//! Reading the command line; what is wrong with it is one clear line.

use super::args::Cli;
use clap::{Parser, error::ErrorKind};
use std::process::ExitCode;

/// The command line, or the exit code after help or a complaint was printed.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is left to hear that it could not be printed.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            super::output::note(&one_line(&error.render().to_string()));
            ExitCode::from(2)
        }
    })
}

/// clap says what is wrong in several lines, then how the command is used.
fn one_line(text: &str) -> String {
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<_> =
        said.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    match said.as_slice() {
        // No command at all: clap answers with the whole help.
        [] => "error: a command is missing: see datafan --help".to_owned(),
        [first, ..] if !first.starts_with("error:") => {
            "error: a command is missing: see datafan --help".to_owned()
        }
        said => super::output::escape(&said.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(args: &[&str]) -> String {
        let error = Cli::try_parse_from([&["datafan"], args].concat()).unwrap_err();
        one_line(&error.render().to_string())
    }

    #[test]
    fn complaints_are_one_line() {
        for args in [
            &["init"][..],
            &[],
            &["nonsense"],
            &["run", "--listen", "nowhere"],
            &["run", "--sync-period", "1"],
            &["admit", "abc", "--name", "a"],
            &["put", "k"],
            &["get", "k", "--all", "--owner", "a"],
            &["init", "--name", "Not A Name"],
            &["run", "--api", "0.0.0.0:80"],
        ] {
            let line = complaint(args);
            assert!(line.starts_with("error: ") && !line.contains('\n'), "{args:?}: {line}");
            assert!(line.len() < 300 && !line.contains("Usage"), "{args:?}: {line}");
        }
        assert!(complaint(&["init"]).contains("--name"));
    }
}
