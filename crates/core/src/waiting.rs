//! What waits to be sent: bounded, so that one who takes nothing costs nothing but a count.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Items in the order in which they came. Those that come while it is full are dropped and counted.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    items: Mutex<VecDeque<T>>,
    most: usize,
    dropped: AtomicU64,
}

impl<T> Waiting<T> {
    /// Nothing waits; at most so many will.
    pub(crate) fn at_most(most: usize) -> Self {
        Self {
            items: Mutex::default(),
            most,
            dropped: AtomicU64::new(0),
        }
    }

    /// Adds an item, unless it is full.
    pub(crate) fn push(&self, item: T) {
        self.push_below(self.most, item);
    }

    /// Adds an item, unless so many wait already.
    pub(crate) fn push_below(&self, most: usize, item: T) {
        let mut items = self.items();
        if items.len() < most {
            items.push_back(item);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the first ones, at most so many.
    pub(crate) fn take(&self, most: usize) -> Vec<T> {
        let mut items = self.items();
        let number = items.len().min(most);
        items.drain(..number).collect()
    }

    /// How many were dropped since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// How many it takes.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_it_is_full_is_dropped_and_counted() {
        let waiting = Waiting::at_most(4);
        (1..=6).for_each(|item| waiting.push(item));
        assert_eq!(waiting.take(3), [1, 2, 3]);
        waiting.push_below(1, 7);
        waiting.push(8);
        assert_eq!(waiting.take(10), [4, 8]);
        assert_eq!((waiting.take_dropped(), waiting.take_dropped()), (3, 0));
    }
}
