//! A persistent list with gaps: a clone shares all of it, a change copies one page.

use imbl::OrdMap;
use std::sync::Arc;

/// Values by number; pages without any value take no memory.
#[derive(Clone)]
pub struct Pages<T>(OrdMap<u32, Arc<Vec<Option<T>>>>);

/// Values of a page: what a change copies.
const PAGE: u32 = 16;

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<T: Clone> Pages<T> {
    /// The value at a number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.0.get(&(number / PAGE))?.get((number % PAGE) as usize)?.as_ref()
    }

    /// Sets the value at a number.
    pub fn set(&mut self, number: u32, value: Option<T>) {
        let (page, at) = (number / PAGE, (number % PAGE) as usize);
        let values = Arc::make_mut(self.0.entry(page).or_default());
        if values.len() <= at {
            // Pages fill up for good: room for all of it, once, and no more.
            values.reserve_exact(PAGE as usize - values.len());
            values.resize(at + 1, None);
        }
        values[at] = value;
        if values.iter().all(Option::is_none) {
            self.0.remove(&page);
        }
    }

    /// All values with their numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.0.iter().flat_map(|(page, values)| {
            let number = move |at: usize| page * PAGE + at as u32;
            values.iter().enumerate().filter_map(move |(at, value)| Some((number(at), value.as_ref()?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
