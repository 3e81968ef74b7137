//! Topologies as lists of (dialler, dialled), each pair once.

use datafan_testkit::rng::Rng;
use std::collections::BTreeSet;

/// Each member linked to the previous one.
pub fn line(n: usize) -> Vec<(usize, usize)> {
    (1..n).map(|i| (i, i - 1)).collect()
}

/// Each member linked to the previous two.
pub fn line2(n: usize) -> Vec<(usize, usize)> {
    (1..n)
        .flat_map(|i| [1, 2].into_iter().filter(move |back| *back <= i).map(move |back| (i, i - back)))
        .collect()
}

/// A closed line.
pub fn circle(n: usize) -> Vec<(usize, usize)> {
    (0..n).map(|i| (i, (i + n - 1) % n)).collect()
}

/// Each member linked to the previous two, closed; the first two are not linked to each other.
pub fn circle2(n: usize) -> Vec<(usize, usize)> {
    let all = (0..n).flat_map(|i| [1, 2].map(|back| (i, (i + n - back) % n)));
    all.filter(|pair| *pair != (1, 0)).collect()
}

/// All members linked to each other.
pub fn full(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).collect()
}

/// Each member linked to 1 to `most` random earlier ones.
pub fn random(n: usize, most: u64, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut links = Vec::new();
    for i in 1..n {
        let wanted = (1 + rng.below(most) as usize).min(i);
        let mut peers = BTreeSet::new();
        while peers.len() < wanted {
            peers.insert(rng.below(i as u64) as usize);
        }
        links.extend(peers.into_iter().map(|peer| (i, peer)));
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topologies_have_the_links_of_their_names() {
        let counts = [line(15), line2(15), circle(15), circle2(15), full(15)].map(|links| links.len());
        assert_eq!(counts, [14, 27, 15, 29, 105]);
        let links = random(15, 3, &mut Rng::new(1));
        assert!(links.iter().all(|(from, to)| to < from) && links.len() >= 14);
    }
}
