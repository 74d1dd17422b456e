//! How many bytes of answers are held in memory at the same time, in the whole process: an answer that must be whole before it
//! can be passed on takes its share as it grows.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The maximum number of bytes held: eight of the largest events, or thousands of usual ones.
const HELD_MAX: usize = 256 * 1024 * 1024;
/// The error if there is no share left.
pub(super) const BUSY: &str = "The gateway is passing on too many large answers right now, so it dropped this one. The server may have carried the call out: check before you try again, and ask for less at once.";

/// What is held by all answers together.
#[derive(Debug, Default)]
pub(super) struct Budget {
    held: AtomicUsize,
}

impl Budget {
    /// A share for one answer, still empty.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: Arc::clone(self),
            held: 0,
        }
    }
}

/// What one answer holds; returned when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Share {
    /// Holds `bytes` from now on; `false` if there is no room for that, and then it holds the same as before.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        if bytes > self.held {
            let more = bytes - self.held;
            let before = self.budget.held.fetch_add(more, Ordering::AcqRel);
            if before.saturating_add(more) > HELD_MAX {
                self.budget.held.fetch_sub(more, Ordering::AcqRel);
                return false;
            }
        } else if bytes < self.held {
            self.budget.held.fetch_sub(self.held - bytes, Ordering::AcqRel);
        }
        self.held = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.held > 0 {
            self.budget.held.fetch_sub(self.held, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_answers_share_one_bound_and_return_what_they_held() {
        let budget = Arc::<Budget>::default();
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.resize(HELD_MAX - 10));
        assert!(other.resize(10));
        assert!(!other.resize(11));
        assert!(one.resize(5));
        assert!(other.resize(HELD_MAX - 5));
        drop((one, other));
        assert_eq!(budget.held.load(Ordering::Acquire), 0);
    }
}
