//! Topologies: which members are linked, by a name short enough for a command line.

use crate::{
    scenario::error::{ScenarioError, shown},
    world::{circle, circle2, full, line, line2},
};
use datafan_core::limits::LINKS_MAX;
use datafan_testkit::rng::Rng;
use serde::Deserialize;
use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    path::Path,
    str::FromStr,
};

/// A topology, parsed from the text in a scenario or on a command line.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Topology {
    /// `line`: each member linked to the previous one.
    Line,
    /// `line2`: each member linked to the previous two.
    Line2,
    /// `ring`: a closed line.
    Ring,
    /// `ring2`: each member linked to the previous two, closed; the first two are not linked to each other.
    Ring2,
    /// `grid`: rows of a square, each member linked to its left and upper neighbour.
    Grid,
    /// `tree`: each member has up to two below it.
    Tree,
    /// `random:K`: each member linked to K random earlier ones; `random:A..B`: to A to B of them.
    Random(usize, usize),
    /// `full`: all members linked to each other.
    Full,
    /// A file ending in `.toml` with `links = [[0, 1], [1, 2]]`.
    File(String),
}

/// The content of a topology's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Links {
    links: Vec<(usize, usize)>,
}

/// Maximum number of links of one member in a topology; some stay free.
const DEGREE_MAX: usize = LINKS_MAX - 4;

impl Topology {
    /// Checks that it suits a mesh of `members` members.
    ///
    /// # Errors
    /// If a member would have too many links, or a file has invalid ones.
    pub fn check(&self, members: usize) -> Result<(), ScenarioError> {
        let wrong = |what: String| Err(ScenarioError::Contradiction { field: "topology", what });
        match self {
            Self::Random(0, _) => wrong("random:0 has no links: use at least random:1".into()),
            Self::Random(least, most) if least > most => {
                wrong(format!("random:{least}..{most} is an empty range: put the smaller number first"))
            }
            // The first members get most links; full ones are skipped.
            Self::Random(_, most) if *most > DEGREE_MAX / 4 => {
                wrong(format!("{self} has too many links, limit random:{}: use fewer", DEGREE_MAX / 4))
            }
            Self::Ring2 if members < 5 => wrong(format!("ring2 needs 5 members, not {members}: use ring")),
            Self::Full if members > DEGREE_MAX + 1 => wrong(format!(
                "full has {} links per member, limit {DEGREE_MAX}: use fewer members, or random:K",
                members - 1
            )),
            Self::File(name) => {
                check_links(&read(name)?, members).or_else(|what| wrong(format!("{}: {what}", shown(name))))
            }
            Self::Line | Self::Line2 | Self::Ring | Self::Ring2 | Self::Grid | Self::Tree => Ok(()),
            Self::Random(..) | Self::Full => Ok(()),
        }
    }

    /// The same, with the name of a file relative to `file`.
    #[must_use]
    pub fn beside(self, file: &Path) -> Self {
        match (self, file.parent()) {
            (Self::File(name), Some(directory)) => {
                Self::File(directory.join(name).to_string_lossy().into_owned())
            }
            (other, _) => other,
        }
    }

    /// The links (dialler, dialled), each pair once. The topology must have been checked.
    ///
    /// # Errors
    /// If its file can no longer be read.
    pub fn links(&self, members: usize, rng: &mut Rng) -> Result<Vec<(usize, usize)>, ScenarioError> {
        Ok(match self {
            Self::Line => line(members),
            Self::Line2 => line2(members),
            Self::Ring2 => circle2(members),
            Self::Ring if members > 2 => circle(members),
            Self::Ring => line(members),
            Self::Grid => grid(members),
            Self::Tree => (1..members).map(|i| (i, (i - 1) / 2)).collect(),
            Self::Random(least, most) => random(members, (*least, *most), rng),
            Self::Full => full(members),
            Self::File(name) => read(name)?,
        })
    }
}

/// Longest and mean shortest path between two members in links, the mean in thousandths. In a large mesh,
/// measured from a few members to all others.
pub fn hops(members: usize, links: &[(usize, usize)]) -> (u64, u64) {
    let mut neighbours = vec![Vec::new(); members];
    for (a, b) in links {
        neighbours[*a].push(*b);
        neighbours[*b].push(*a);
    }
    let (mut most, mut sum, mut n) = (0, 0, 0);
    for from in (0..members).step_by(members.div_ceil(STARTS_MAX).max(1)) {
        let mut distance = vec![u64::MAX; members];
        distance[from] = 0;
        let mut queue = VecDeque::from([from]);
        while let Some(member) = queue.pop_front() {
            for peer in &neighbours[member] {
                if distance[*peer] == u64::MAX {
                    distance[*peer] = distance[member] + 1;
                    (most, sum, n) = (most.max(distance[*peer]), sum + distance[*peer], n + 1);
                    queue.push_back(*peer);
                }
            }
        }
    }
    (most, (sum * 1_000).checked_div(n).unwrap_or(0))
}

/// Maximum number of members from which paths are measured.
const STARTS_MAX: usize = 50;

fn grid(members: usize) -> Vec<(usize, usize)> {
    let width = members.isqrt().max(1);
    let left = (0..members).filter(|i| i % width > 0).map(|i| (i, i - 1));
    let up = (width..members).map(|i| (i, i - width));
    left.chain(up).collect()
}

fn random(members: usize, (least, most): (usize, usize), rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut links = Vec::new();
    let mut degrees = vec![0; members];
    for i in 1..members {
        let mut peers = BTreeSet::new();
        let mut tries = 0;
        // If there is no choice, no random number is drawn.
        let k = if least == most { most } else { least + rng.index(most - least + 1) };
        while peers.len() < k.min(i) && tries < 1_000 {
            let peer = rng.index(i);
            tries += 1;
            if degrees[peer] < DEGREE_MAX {
                peers.insert(peer);
            }
        }
        for peer in peers {
            (degrees[i], degrees[peer]) = (degrees[i] + 1, degrees[peer] + 1);
            links.push((i, peer));
        }
    }
    links
}

fn read(name: &str) -> Result<Vec<(usize, usize)>, ScenarioError> {
    let wrong = |what: String| ScenarioError::File { name: shown(name), what: shown(&what) };
    let text = std::fs::read_to_string(name).map_err(|error| wrong(error.to_string()))?;
    let links: Links = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(links.links)
}

fn check_links(links: &[(usize, usize)], members: usize) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut degrees = vec![0; members];
    for (a, b) in links.iter().copied() {
        if a >= members || b >= members {
            return Err(format!("link [{a}, {b}] has a member above {}: increase members", members - 1));
        }
        if a == b {
            return Err(format!("link [{a}, {b}] connects a member with itself: remove it"));
        }
        if !seen.insert((a.min(b), a.max(b))) {
            return Err(format!("link [{a}, {b}] is listed twice: remove one"));
        }
        (degrees[a], degrees[b]) = (degrees[a] + 1, degrees[b] + 1);
    }
    match degrees.iter().position(|degree| *degree > DEGREE_MAX) {
        Some(member) => {
            Err(format!("member {member} has {} links, limit {DEGREE_MAX}: remove some", degrees[member]))
        }
        None => Ok(()),
    }
}

/// The names of topologies, besides those of files.
const NAMES: &str = "line, line2, ring, ring2, grid, tree, random:K, random:A..B, full";

fn between(text: &str) -> Option<(usize, usize)> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    Some((least.parse().ok()?, most.parse().ok()?))
}

impl FromStr for Topology {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "line" => Self::Line,
            "line2" => Self::Line2,
            "ring" => Self::Ring,
            "ring2" => Self::Ring2,
            "grid" => Self::Grid,
            "tree" => Self::Tree,
            "full" => Self::Full,
            file if file.ends_with(".toml") => Self::File(file.into()),
            _ => {
                let (least, most) = text
                    .strip_prefix("random:")
                    .and_then(between)
                    .ok_or_else(|| format!("unknown topology {text:?}: use {NAMES} or a file.toml"))?;
                Self::Random(least, most)
            }
        })
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => f.write_str("line"),
            Self::Line2 => f.write_str("line2"),
            Self::Ring2 => f.write_str("ring2"),
            Self::Ring => f.write_str("ring"),
            Self::Grid => f.write_str("grid"),
            Self::Tree => f.write_str("tree"),
            Self::Full => f.write_str("full"),
            Self::Random(least, most) if least == most => write!(f, "random:{least}"),
            Self::Random(least, most) => write!(f, "random:{least}..{most}"),
            Self::File(name) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for Topology {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 10] =
        ["line", "line2", "ring", "ring2", "grid", "tree", "random:1", "random:5", "random:1..3", "full"];

    #[test]
    fn topologies_link_everybody_once_and_nobody_too_often() {
        for text in TEXTS {
            let topology: Topology = text.parse().unwrap();
            assert_eq!(topology.to_string(), text);
            topology.check(50).unwrap();
            let links = topology.links(50, &mut Rng::new(1)).unwrap();
            check_links(&links, 50).unwrap();
            let mut reached = BTreeSet::from([0]);
            for _ in 0..50 {
                let more = links.iter().filter(|(a, b)| reached.contains(a) || reached.contains(b));
                let more: Vec<usize> = more.flat_map(|(a, b)| [*a, *b]).collect();
                reached.extend(more);
            }
            assert_eq!(reached.len(), 50, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let error = Topology::Full.check(1_000).unwrap_err().to_string();
        assert_eq!(error, "topology full has 999 links per member, limit 60: use fewer members, or random:K");
        assert!("circle".parse::<Topology>().unwrap_err().contains("use line, line2, ring"));
        assert!(
            Topology::Random(3, 1).check(9).unwrap_err().to_string().contains("put the smaller number first")
        );
        assert!(check_links(&[(0, 1), (1, 0)], 2).unwrap_err().contains("twice"));
    }
}
