//! The example in `docs/simulator.md` works as printed.

use datafan_sim::{Scenario, report, run::Unwatched, scenario::SHIPPED, simulate};
use std::{env, fs, path::Path};

const PAGE: &str = include_str!("../../../docs/simulator.md");

#[test]
fn the_worked_example_holds() {
    let directory = env::temp_dir().join(format!("datafan-sim-documents-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("there is space");
    let [links, shops, discovery] = blocks("toml").try_into().expect("two files and a part are shown");
    Scenario::parse(&format!("members = 10\n{discovery}")).expect("the part is sound");
    write(&directory.join("shops-links.toml"), &links);
    write(&directory.join("shops.toml"), &shops);

    let file = directory.join("shops.toml");
    let mut scenario = Scenario::load(&file.to_string_lossy()).expect("the example is sound");
    assert_eq!((scenario.name.as_str(), scenario.members), ("shops", 13));
    // The complete example takes too long in an unoptimised build.
    (scenario.seconds, scenario.faults.cut_ms) = (20, [1_000, 10_000]);
    let outcome = simulate(&scenario, 1, &mut Unwatched).expect("its links are beside it");
    fs::remove_dir_all(&directory).expect("it was just made");
    assert!(outcome.holds(), "{}", report::failure(&outcome, &scenario, "shops", "").unwrap_or_default());
    assert_eq!(outcome.picture.links.len(), 18);
}

#[test]
fn every_check_scenario_and_field_of_a_result_is_told() {
    for checker in datafan_sim::checkers::all() {
        assert!(PAGE.contains(&format!("| `{}` |", checker.name())), "{}", checker.name());
    }
    for (name, _) in SHIPPED.iter().filter(|(name, _)| !name.starts_with("a0")) {
        let is_numbered = name.strip_prefix('a').is_some_and(|number| number.parse::<u64>().is_ok());
        assert!(is_numbered || PAGE.contains(&format!("`{name}`")), "{name}");
    }
    let scenario = Scenario::parse("members = 2\ntopology = 'line'\nseconds = 1").expect("it is sound");
    let outcome = simulate(&scenario, 1, &mut Unwatched).expect("it is sound");
    let value = report::json(&outcome);
    for field in value.as_object().expect("one object").keys() {
        assert!(PAGE.contains(&format!("`{field}`")), "the field {field} is not told");
    }
}

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let parts = PAGE.split(begin.as_str()).skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("there is space");
}
