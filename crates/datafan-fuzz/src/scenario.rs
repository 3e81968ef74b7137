//! The settings of a simulation: the first byte selects whether the rest is the file of a scenario or of its
//! topology.

use crate::corpus::Seed;
use datafan_sim::scenario::{SHIPPED, Scenario, ScenarioError};
use datafan_testkit::rng::Rng;
use std::{collections::BTreeSet, fs};
use tempfile::TempDir;

/// Larger meshes are parsed, but not linked.
const MEMBERS_MAX: usize = 300;
/// A scenario around the file of a topology.
const AROUND_LINKS: &str = "members = 20\ntopology = 'links.toml'";

thread_local! {
    static DIRECTORY: TempDir = tempfile::tempdir().expect("a directory for temporary files");
}

/// Parses a scenario; an accepted one can be linked, and an error has a message.
pub fn attack(bytes: &[u8]) {
    let Some((form, text)) = bytes.split_first() else { return };
    let read = match form % 2 {
        0 => Scenario::parse(&String::from_utf8_lossy(text)),
        _ => with_links(text),
    };
    match read {
        Ok(scenario) if scenario.members <= MEMBERS_MAX => link(&scenario),
        Ok(_) => {}
        Err(error) => {
            let error = error.to_string();
            let strange = |character: char| character.is_control() && character != '\n';
            assert!(!error.is_empty() && !error.contains(strange), "{error:?}");
        }
    }
}

fn with_links(text: &[u8]) -> Result<Scenario, ScenarioError> {
    DIRECTORY.with(|directory| {
        let path = directory.path().join("scenario.toml");
        fs::write(directory.path().join("links.toml"), text).expect("the directory can be written");
        fs::write(&path, AROUND_LINKS).expect("the directory can be written");
        Scenario::load(&path.to_string_lossy())
    })
}

fn link(scenario: &Scenario) {
    let Ok(links) = scenario.topology.links(scenario.members, &mut Rng::new(1)) else { return };
    let mut pairs = BTreeSet::new();
    for (dialler, dialled) in links {
        assert!(dialler != dialled && dialler.max(dialled) < scenario.members, "{dialler} to {dialled}");
        assert!(pairs.insert((dialler.min(dialled), dialler.max(dialled))), "{dialler} to {dialled} twice");
    }
}

/// The shipped scenarios, one with every setting, and topologies, valid and invalid.
pub fn seeds() -> Vec<Seed> {
    let shipped = SHIPPED.iter().map(|(name, text)| (*name, 0, *text));
    let others = [
        ("all-topologies", 0, "members = 9\ntopology = 'random:1..3'\nnetwork.latency = { kind = 'lan' }"),
        ("no-members", 0, "members = 0"),
        ("unknown-field", 0, "membrs = 3"),
        ("negative", 0, "seconds = -1"),
        ("links", 1, "links = [[0, 1], [1, 2]]"),
        ("links-all", 1, LINE_OF_20),
        ("links-outside", 1, "links = [[0, 20]]"),
        ("links-to-itself", 1, "links = [[3, 3]]"),
    ];
    let seed = |(name, form, text): (&str, u8, &str)| (name.to_owned(), [&[form], text.as_bytes()].concat());
    shipped.chain(others).map(seed).collect()
}

const LINE_OF_20: &str = "links = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7], [7, 8], [8, 9], \
                          [9, 10], [10, 11], [11, 12], [12, 13], [13, 14], [14, 15], [15, 16], [16, 17], \
                          [17, 18], [18, 19]]";
