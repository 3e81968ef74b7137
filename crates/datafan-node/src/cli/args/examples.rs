//! An example for each command, at the end of its help.

use clap::Command;

/// Path of a command, and its example.
const EXAMPLES: &[(&str, &str)] = &[
    ("init", "datafan --data-dir alpha init --name alpha"),
    ("run", "datafan --data-dir beta run --ticket beta.ticket --listen 127.0.0.1:4816"),
    ("id", "datafan id --json"),
    ("verify", "datafan verify --repair"),
    ("backup", "datafan backup /backups/alpha --force"),
    ("compact", "datafan compact"),
    ("restore", "datafan --data-dir alpha restore /backups/alpha"),
    ("forks", "datafan forks --export evidence/"),
    ("verify-fork", "datafan verify-fork evidence/abcdefgh-1-2.fork"),
    ("invite", "datafan invite beta --out beta.ticket --expires 24h"),
    ("recovered", "datafan recovered --take"),
    ("restamp", "datafan restamp"),
    ("admit", "datafan admit ID --name beta --items 100000 --bytes 1GiB"),
    ("grant", "datafan grant beta --bytes 10GiB"),
    ("revoke", "datafan revoke beta"),
    ("rotate", "datafan rotate beta --out beta-new.ticket"),
    ("adopt", "datafan adopt"),
    ("authority", "datafan authority new --key authority.key"),
    ("authority new", "datafan authority new --key authority.key"),
    ("authority sign", "datafan authority sign beta.request --key authority.key"),
    ("authority apply", "datafan authority apply beta.request.signed"),
    ("put", "datafan put color red --ttl 1h30m"),
    ("get", "datafan get color --owner beta"),
    ("del", "datafan del color shape"),
    ("ls", "datafan ls --all sensors/"),
    ("import", "datafan import rows.jsonl.gz"),
    ("export", "datafan export --all > all.jsonl"),
    ("wait", "datafan wait --owner beta --timestamp 1767225600000000 --timeout 1m"),
    ("status", "datafan status --json"),
    ("members", "datafan members --pending"),
    ("demo", "datafan demo --members 5"),
    ("version", "datafan version --json"),
];

/// The command line with its examples.
pub fn shown(mut command: Command) -> Command {
    for (path, example) in EXAMPLES {
        let end = format!("Example:\n  {example}");
        command = match path.split_once(' ') {
            None => command.mut_subcommand(path, |command| command.after_help(end)),
            Some((outer, inner)) => command.mut_subcommand(outer, |command| {
                command.mut_subcommand(inner, |command| command.after_help(end))
            }),
        };
    }
    // clap adds the `help` command only when the command line is built.
    command.build();
    let help = "Print the list of commands, or the help of one command";
    command.mut_subcommand("help", |command| {
        command.about(help).after_help(format!("Example:\n  {HELP_EXAMPLE}"))
    })
}

const HELP_EXAMPLE: &str = "datafan help authority sign";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::{CommandFactory, Parser};

    fn each(command: &Command, path: &str, look: &mut impl FnMut(&str, &Command)) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            look(path.trim_start(), inner);
            each(inner, &path, look);
        }
    }

    #[test]
    fn every_command_has_an_example_that_it_takes() {
        let command = shown(Cli::command());
        each(&command, "", &mut |path, command| {
            let help = command.clone().render_help().to_string();
            if path == "help" {
                assert!(help.contains(HELP_EXAMPLE), "{help}");
            }
            // The help of `help` itself needs no example.
            if path.split(' ').any(|name| name == "help") {
                return;
            }
            let known = EXAMPLES.iter().find(|(name, _)| *name == path);
            let (_, example) = known.unwrap_or_else(|| panic!("{path} has no example"));
            assert!(help.contains(&format!("Example:\n  {example}")), "{path}: {help}");
        });
        let id = datafan_core::identity::Identity::from_secret(&[1; 32]).id().to_string();
        for (path, example) in EXAMPLES {
            let words = example.split(" > ").next().unwrap().replace(" ID ", &format!(" {id} "));
            let parsed = Cli::try_parse_from(words.split(' '));
            assert!(parsed.is_ok(), "{path}: {}", parsed.unwrap_err());
        }
    }
}
