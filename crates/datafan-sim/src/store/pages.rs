//! A persistent list with gaps: a clone shares everything, and a change copies the path to one page.

use std::sync::Arc;

/// Values by number: a tree over the bits of the numbers, as high as the greatest number requires. Numbers
/// are mostly assigned from 0 on, so a lookup takes one to three steps; empty pages take no memory.
#[derive(Clone)]
pub struct Pages<T> {
    root: Option<Arc<Node<T>>>,
    /// Levels of nodes; the lowest are pages.
    height: u32,
}

#[derive(Clone)]
enum Node<T> {
    Fork([Option<Arc<Node<T>>>; WIDTH]),
    Page([Option<T>; WIDTH]),
}

/// Bits of a number per level; a change copies one node per level.
const BITS: u32 = 4;
const WIDTH: usize = 1 << BITS;

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { root: None, height: 1 }
    }
}

impl<T: Clone> Pages<T> {
    /// The value at a number.
    pub fn get(&self, number: u32) -> Option<&T> {
        if !self.reaches(number) {
            return None;
        }
        let (mut node, mut level) = (self.root.as_deref()?, self.height);
        loop {
            level -= 1;
            match node {
                Node::Fork(nodes) => node = nodes[digit(number, level)].as_deref()?,
                Node::Page(values) => return values[digit(number, level)].as_ref(),
            }
        }
    }

    /// Sets the value at a number.
    pub fn set(&mut self, number: u32, value: Option<T>) {
        while !self.reaches(number) {
            if let Some(root) = self.root.take() {
                let mut nodes = [const { None }; WIDTH];
                nodes[0] = Some(root);
                self.root = Some(Arc::new(Node::Fork(nodes)));
            }
            self.height += 1;
        }
        set(&mut self.root, self.height, number, value);
    }

    /// All values with their numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let mut nodes: Vec<(u32, &Node<T>)> = self.root.iter().map(|root| (0, &**root)).collect();
        let pages = std::iter::from_fn(move || {
            loop {
                let (prefix, node) = nodes.pop()?;
                match node {
                    Node::Page(values) => return Some((prefix, values)),
                    Node::Fork(below) => {
                        let below = below.iter().enumerate().rev();
                        let below = below.filter_map(|(digit, node)| Some((digit, node.as_deref()?)));
                        nodes.extend(below.map(|(digit, node)| (prefix << BITS | digit as u32, node)));
                    }
                }
            }
        });
        pages.flat_map(|(prefix, values)| {
            let values = values.iter().enumerate();
            values.filter_map(move |(digit, value)| Some((prefix << BITS | digit as u32, value.as_ref()?)))
        })
    }

    /// Whether the tree is high enough for a number.
    fn reaches(&self, number: u32) -> bool {
        u64::from(number) >> (BITS * self.height) == 0
    }
}

/// Sets a value below a node with `height` levels; a node without values is removed.
fn set<T: Clone>(node: &mut Option<Arc<Node<T>>>, height: u32, number: u32, value: Option<T>) {
    let here = Arc::make_mut(node.get_or_insert_with(|| {
        let empty = if height == 1 {
            Node::Page([const { None }; WIDTH])
        } else {
            Node::Fork([const { None }; WIDTH])
        };
        Arc::new(empty)
    }));
    let digit = digit(number, height - 1);
    let removes = value.is_none();
    let is_empty = match here {
        Node::Page(values) => {
            values[digit] = value;
            removes && values.iter().all(Option::is_none)
        }
        Node::Fork(nodes) => {
            set(&mut nodes[digit], height - 1, number, value);
            removes && nodes.iter().all(Option::is_none)
        }
    };
    if is_empty {
        *node = None;
    }
}

/// The digit of `number` at `level`, from 0 for the last one.
fn digit(number: u32, level: u32) -> usize {
    (number >> (BITS * level)) as usize & (WIDTH - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_testkit::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut pages = Pages::<u32>::default();
        pages.set(u32::MAX, Some(7));
        let before = pages.clone();
        pages.set(u32::MAX, Some(8));
        pages.set(3, Some(9));
        assert_eq!((before.get(u32::MAX), pages.get(u32::MAX)), (Some(&7), Some(&8)));
        assert_eq!((before.get(3), pages.get(3), pages.get(5_000)), (None, Some(&9), None));
        assert!(pages.iter().eq([(3, &9), (u32::MAX, &8)]));
        pages.set(3, None);
        assert_eq!(pages.iter().count(), 1);
    }

    #[test]
    fn it_holds_what_a_map_would() {
        let (mut pages, mut plain, mut rng) = (Pages::<u64>::default(), BTreeMap::new(), Rng::new(1));
        for step in 0..5_000 {
            let span = [20, 300, 5_000, 1 << 32][rng.below(4) as usize];
            let number = rng.below(span) as u32;
            let value = rng.chance(2, 3).then_some(step);
            pages.set(number, value);
            match value {
                Some(value) => plain.insert(number, value),
                None => plain.remove(&number),
            };
            assert_eq!(pages.get(number), plain.get(&number));
        }
        assert!(pages.iter().eq(plain.iter().map(|(number, value)| (*number, value))));
        plain.keys().for_each(|number| pages.set(*number, None));
        assert!(pages.iter().next().is_none() && pages.root.is_none());
    }
}
