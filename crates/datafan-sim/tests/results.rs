//! The report of a simulation: the same in every run and process, complete for programs, and as pictures.

use datafan_core::time::Time;
use datafan_sim::{
    Outcome, Scenario, report,
    run::{Observer, Unwatched},
    simulate,
};
use std::{collections::BTreeSet, env, process::Command};

/// A small amount of every random fault.
const SCENARIO: &str = "members = 6\nseconds = 5\nfaults = { crashes = 3, cuts = 3, partitions = 1, \
    flaps = 2, loss_per_mille = 20, twice_per_mille = 20, late_per_mille = 20, disk_failures = 1, \
    slow_disks = 1, clock_jumps = 2, drifting_clocks = 2, misbehaving = 1, violations_per_mille = 50, \
    joins = 1, restores = 1 }";

#[test]
fn one_seed_tells_one_story() {
    let (one, again, other) = (told(1), told(1), told(2));
    assert_eq!(one, again, "event by event");
    assert_ne!(one, other, "another seed, another run");
    assert!(one.len() > 1_000, "{} events", one.len());

    let mut values = [1, 1].map(|seed| report::json(&played(seed)));
    for value in &mut values {
        let value = value.as_object_mut().expect("one object");
        for of_the_machine in ["memory", "real_seconds", "busy_seconds", "deliveries_per_second"] {
            assert!(value.remove(of_the_machine).is_some(), "{of_the_machine}");
        }
    }
    assert_eq!(values[0], values[1]);
}

#[test]
fn one_seed_tells_one_story_in_every_process() {
    let here = digest(3);
    for _ in 0..2 {
        let itself = env::current_exe().expect("this test runs");
        let arguments = ["--exact", "--ignored", "--nocapture", "tells_its_digest"];
        let output = Command::new(itself).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(&here), "here {here}, there:\n{said}");
    }
}

#[test]
#[ignore = "the other process of one_seed_tells_one_story_in_every_process"]
fn tells_its_digest() {
    let digest = digest(3);
    assert_eq!(digest.len(), 64);
    println!("{digest}");
}

#[test]
fn programs_get_one_object_with_all_that_was_promised() {
    let value = report::json(&played(4));
    let fields = [
        "seed",
        "scenario",
        "members",
        "equal",
        "trace_digest",
        "virtual_seconds",
        "rounds",
        "bytes",
        "redundancy",
        "checks",
    ];
    for field in fields {
        assert!(!value[field].is_null(), "{field} is missing in {value}");
    }
    assert_eq!((&value["equal"], &value["seed"], &value["members"]), (&true.into(), &4.into(), &6.into()));
    let checks = value["checks"].as_object().expect("by name");
    assert!(checks.len() >= 10 && checks.values().all(|held| *held == true), "{checks:?}");
    assert!(!value.to_string().contains('\n'), "one line");
}

#[test]
fn a_failure_says_how_to_see_it_again() {
    // No mesh becomes equal within a second while three quarters of it are still being admitted and copied.
    let text = "members = 40\ntopology = 'line'\nseconds = 0\nbound_seconds = 1\nworkload.initial_ms = 0";
    let mut scenario = Scenario::parse(text).expect("it is sound");
    scenario.network.latency = datafan_sim::scenario::Latency::Constant { micros: 200_000 };
    let outcome = simulate(&scenario, 9, &mut Unwatched).expect("it is sound");
    assert!(!outcome.holds() && !outcome.equal);
    let told = report::failure(&outcome, &scenario, "line.toml", "abc123").expect("it failed");
    for part in ["convergence does not hold", "seed 9", "line.toml", "abc123", "the last events"] {
        assert!(told.contains(part), "{part:?} is missing in:\n{told}");
    }
    let command = "cargo xtask simulate --scenario line.toml --members 40 --topology line --seed 9";
    assert!(told.contains(command), "{told}");
    assert!(report::text(&outcome).contains("FAILED"));
    assert!(report::html(&outcome, command).contains("convergence does not hold"));
}

#[test]
fn a19_picture() {
    let outcome = played(5);
    let dot = report::dot(&outcome.picture);
    assert_eq!(dot, report::dot(&played(5).picture), "a stable order");

    let lines: Vec<&str> = dot.lines().map(str::trim).collect();
    for member in 0..6 {
        let label = format!("m{member} [label=\"m{member}\\n");
        assert_eq!(lines.iter().filter(|line| line.starts_with(&label)).count(), 1, "m{member} once:\n{dot}");
    }
    let links: Vec<&&str> = lines.iter().filter(|line| line.contains(" -- ")).collect();
    let distinct: BTreeSet<&&str> = links.iter().copied().collect();
    assert_eq!((links.len(), distinct.len()), (outcome.picture.links.len(), links.len()), "each link once");
    match accepted_by_dot(&dot) {
        Some(accepted) => assert!(accepted, "dot refuses:\n{dot}"),
        None => println!("skipped: graphviz is not installed"),
    }

    let svg = report::svg(&outcome);
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("<circle ").count(), 6);
    assert_eq!(svg.matches("class=\"link").count(), outcome.picture.links.len());
    let page = report::html(&outcome, "the command");
    assert!(page.contains(svg.trim()) && page.contains("the command"));
}

/// Whether graphviz reads it, if graphviz is installed.
fn accepted_by_dot(text: &str) -> Option<bool> {
    let file = env::temp_dir().join(format!("datafan-sim-{}.dot", std::process::id()));
    std::fs::write(&file, text).expect("there is space");
    let output = Command::new("dot").arg("-Tsvg").arg(&file).output();
    std::fs::remove_file(&file).expect("it was just written");
    output.ok().map(|output| output.status.success())
}

fn scenario() -> Scenario {
    Scenario::parse(SCENARIO).expect("it is sound")
}

fn played(seed: u64) -> Outcome {
    let outcome = simulate(&scenario(), seed, &mut Unwatched).expect("it is sound");
    assert!(outcome.holds(), "{}", report::failure(&outcome, &scenario(), "", "").unwrap_or_default());
    outcome
}

fn digest(seed: u64) -> String {
    report::json(&played(seed))["trace_digest"].as_str().expect("text").to_owned()
}

/// Every event in words.
fn told(seed: u64) -> Vec<String> {
    let mut told = Told::default();
    simulate(&scenario(), seed, &mut told).expect("it is sound");
    told.0
}

#[derive(Default)]
struct Told(Vec<String>);

impl Observer for Told {
    fn on_event(&mut self, time: Time, text: &str) {
        self.0.push(format!("{} {text}", time.0));
    }

    fn wants_events(&self) -> bool {
        true
    }
}
