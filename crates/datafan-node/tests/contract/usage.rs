//! Discovering the command line: help, names, mistakes.

use crate::common::{TestDir, api::Api, datafan, prepared, string, text};
use std::process::Command;

/// Every command, nested ones with their complete path.
fn commands() -> Vec<String> {
    let listed = |path: &[&str]| {
        let help = datafan(&[path, &["--help"]].concat()).out;
        let list =
            help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap().to_owned();
        let first =
            |line: &str| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')).map(str::to_owned);
        let names = list.lines().filter_map(|line| first(line)?.split(' ').next().map(str::to_owned));
        names.filter(|name| name != "help").collect::<Vec<_>>()
    };
    let mut all = listed(&[]);
    all.extend(listed(&["authority"]).into_iter().map(|name| format!("authority {name}")));
    all
}

#[test]
fn every_command_has_its_help_with_global_options_and_an_example() {
    let all = commands();
    assert!(all.len() >= 30 && all.contains(&"authority sign".to_owned()), "{all:?}");
    for command in all {
        let path: Vec<&str> = command.split(' ').collect();
        let help = datafan(&[&path[..], &["--help"]].concat());
        assert_eq!(help.code, 0, "{command}");
        assert!(help.out.contains("\nGlobal options:\n") && help.out.contains("--timeout"), "{}", help.out);
        assert!(help.out.contains("\nExample:\n  datafan "), "{}", help.out);
        let again = datafan(&[&["help"], &path[..]].concat());
        assert_eq!((again.code, again.err.as_str()), (0, ""), "help {command}");
        assert!(again.out.contains(&format!("Usage: datafan {command}")), "{}", again.out);
    }
}

#[test]
fn without_a_command_there_is_help() {
    let bare = datafan(&[]);
    assert_eq!((bare.code, bare.out.as_str()), (2, ""));
    assert!(bare.err.contains("Commands:") && bare.err.contains("Usage: datafan"), "{}", bare.err);
    let bare = datafan(&["authority"]);
    assert!(bare.code == 2 && bare.err.contains("datafan authority"), "{}", bare.err);
    let help = datafan(&["help"]);
    assert_eq!((help.code, help.out.contains("Commands:")), (0, true));
}

#[test]
fn help_has_help_and_takes_any_option_for_it() {
    let list = datafan(&["help"]);
    for args in [&["help", "--help"][..], &["help", "-h"], &["--json", "help", "--help"], &["help", "--json"]]
    {
        let help = datafan(args);
        assert_eq!((help.code, help.err.as_str(), &help.out), (0, "", &list.out), "{args:?}");
    }
    let own = datafan(&["help", "help"]);
    assert_eq!((own.code, own.err.as_str()), (0, ""));
    assert!(own.out.starts_with("Print the list of commands, or the help of one command\n"), "{}", own.out);
    assert!(own.out.contains("Usage: datafan help [COMMAND]"), "{}", own.out);
    assert!(own.out.contains("\nExample:\n  datafan help "), "{}", own.out);
    assert_eq!(datafan(&["help", "put", "--help"]).out, datafan(&["put", "--help"]).out);
    datafan(&["help", "nonsense"]).fails(2, "unknown command \"nonsense\"");
    // Elsewhere, `help` is an ordinary word.
    let place = TestDir::new();
    let a = place.founder("a");
    assert_eq!(datafan(&["--data-dir", &text(&a.dir), "put", "help", "--", "--help"]).code, 0);
    assert_eq!(a.ask(&["get", "help"]).out, "--help");
}

#[test]
fn commands_have_the_names_that_people_try() {
    let place = TestDir::new();
    let a = place.founder("a");
    assert_eq!(a.ask(&["set", "color", "red"]).code, 0);
    assert!(a.ask(&["list", "--json"]).out.contains("color"));
    assert_eq!(a.ask(&["rm", "color"]).code, 0);
    a.put("color", "red");
    assert_eq!(a.ask(&["delete", "color"]).code, 0);
    let version = format!("datafan {}", env!("CARGO_PKG_VERSION"));
    datafan(&["version"]).is(&version);
    datafan(&["--version"]).is(&version);
    datafan(&["-V"]).is(&version);
    for args in [["version", "--json"], ["-V", "--json"], ["--json", "-V"], ["--version", "--json"]] {
        let told = datafan(&args);
        assert_eq!(told.json(), serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }), "{args:?}");
    }
}

#[test]
fn a_misspelt_word_leads_to_nothing_that_destroys() {
    let near = datafan(&["statsu"]);
    assert_eq!(near.err, "error: unknown command \"statsu\": see datafan --help\n  tip: similar: status\n");
    for word in ["dele", "deletee", "remove", "revok", "rotat", "rmm", "restor"] {
        let said = datafan(&[word, "a"]);
        assert_eq!(said.code, 2);
        for destroys in ["del", "delete", "rm", "revoke", "rotate", "restore", "restamp"] {
            let tips = said.err.lines().skip(1).collect::<Vec<_>>().join(" ");
            assert!(!tips.split([' ', ',']).any(|name| name == destroys), "{word}: {}", said.err);
        }
    }
    // A tip has its own line, and the error stays on one line.
    let option = datafan(&["get", "--ownr", "b", "k"]);
    let lines: Vec<_> = option.err.lines().collect();
    assert!(lines.len() >= 2 && lines[0].starts_with("error: ") && !lines[0].contains("tip"), "{lines:?}");
    assert!(lines[1..].iter().all(|line| line.starts_with("  tip: ")), "{lines:?}");
}

#[test]
fn a_misspelt_level_is_an_error() {
    let place = TestDir::new();
    let dir = text(&place.path("a"));
    let with = |level: &str| {
        let args = ["init", "--name", "a", "--data-dir", &dir];
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &args);
        let output = command.env("DATAFAN_LOG", level).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for level in ["inof", "warn,verbose", "datafan=inof"] {
        let (code, said) = with(level);
        assert!(code == Some(2) && said.starts_with("error: DATAFAN_LOG: "), "{level}: {said}");
    }
    assert!(!place.path("a").exists());
    assert_eq!(with("debug,datafan=trace").0, Some(0));
}

#[test]
fn a_time_may_have_several_units_and_one_row_is_one_row() {
    let place = TestDir::new();
    let a = place.founder("a");
    assert_eq!(a.ask(&["put", "k", "v", "--ttl", "1h30m"]).code, 0);
    a.ask(&["put", "k", "v", "--ttl", "30m1h"]).fails(2, "such as 10m or 1h30m");
    a.ask(&["put", "k", "v", "--ttl", "0s"]).fails(2, "more than 0");
    let rows = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\"}\n";
    a.ask_with(&["import", "-"], rows.as_bytes()).fails(1, "the row before was imported");
    let saved = a.ask(&["backup", &text(&place.path("saved"))]).out;
    assert!(!saved.contains("1 items") && !saved.contains("1 shards"), "{saved}");
}

#[test]
fn a_time_beyond_its_limit_is_refused_and_the_limit_named() {
    let place = TestDir::new();
    let a = place.founder("a");
    let (file, id) = (text(&place.path("asked")), a.id());
    // The maximum of each option, and a value above it, in its place.
    let lifetime: [(&[&str], &str); 5] = [
        (&["put", "k", "v"], "--ttl"),
        (&["invite", "b", "--offline", &file], "--expires"),
        (&["admit", &id, "--name", "b"], "--expires"),
        (&["grant", "a"], "--expires"),
        (&["rotate", "a", "--yes"], "--expires"),
    ];
    for (args, option) in lifetime {
        for more in ["365251d", "400000d", "365250d1ms", "18446744073709551616d", "999999999999999999999999s"]
        {
            a.ask(&[args, &[option, more]].concat()).fails(2, "limit 365250d (a thousand years)");
        }
    }
    let timeout = |args: &[&str], time: &str| a.ask(&[args, &["--timeout", time]].concat());
    for args in [&["wait", "--links", "9"][..], &["put", "k", "v"], &["status"]] {
        for more in ["1d1ms", "25h", "2d", "400000d"] {
            timeout(args, more).fails(2, "limit 1d");
        }
    }
    assert_eq!(timeout(&["status"], "1d").code, 0);
    datafan(&["run", "--sync-period", "2d", "--data-dir", &text(&place.path("c"))]).fails(2, "limit 1d");
    assert_eq!(a.ask(&["put", "k", "v", "--ttl", "365250d"]).code, 0);

    // HTTP has the same limit.
    let mut api = Api::open(&a.dir).unwrap();
    let mut ends_after = |millis: u64| {
        api.post("/v1/commit", &format!(r#"{{"writes":[{{"key":"h","value":"v","ttl_ms":{millis}}}]}}"#))
            .unwrap()
    };
    let most = 31_557_600_000_000;
    assert_eq!(ends_after(most).status, 200);
    for beyond in [0, most + 1, u64::MAX] {
        let answer = ends_after(beyond);
        assert_eq!(answer.status, 400, "{}", answer.body);
        let error = string(&answer.json()["error"]);
        assert!(error.contains(&format!("ttl_ms is {beyond}, ")), "{error}");
        assert!(error.contains("from 1 to 31557600000000 (a thousand years)"), "{error}");
    }
    for key in ["k", "h"] {
        let expires = string(&a.ask(&["get", key, "--json"]).json()["expires"]);
        assert!(expires.starts_with('3'), "{expires}");
    }
}

#[test]
fn an_error_is_json_where_json_was_asked_for() {
    let place = TestDir::new();
    let dir = text(&place.path("a"));
    let cases: [(&[&str], i32, &str); 4] = [
        (&["get", "k"], 3, "no_member"),
        (&["get"], 2, "usage"),
        (&["verify"], 1, "failure"),
        (&["statsu"], 2, "usage"),
    ];
    for (args, code, kind) in cases {
        let done = datafan(&[args, &["--json", "--data-dir", &dir]].concat());
        assert_eq!((done.code, done.out.as_str()), (code, ""), "{args:?}");
        assert_eq!(done.err.matches('\n').count(), 1, "one line: {}", done.err);
        let said: serde_json::Value = serde_json::from_str(&done.err).unwrap();
        assert_eq!(said["kind"], kind, "{said}");
        assert!(!said["error"].as_str().unwrap().is_empty());
    }
    let a = place.founder("b");
    let said = a.ask(&["get", "k", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(said["kind"], "not_found");
}
