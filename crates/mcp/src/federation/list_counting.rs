//! Counting what is read of a list while it arrives, towards the share of its project.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::list_memory::Reading;
use crate::peer::metered::Meter;

/// What is read of one list, by all requests that it takes.
#[derive(Debug, Clone)]
pub(super) struct Counter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` once the list has been read or cancelled.
    reading: Mutex<Option<Reading>>,
    /// Whether something did not fit.
    full: AtomicBool,
}

impl Counter {
    pub(super) fn new(reading: Reading) -> Self {
        Self(Arc::new(Shared {
            reading: Mutex::new(Some(reading)),
            full: AtomicBool::new(false),
        }))
    }

    /// Holds `bytes` from now on: of the page that was read, what was taken is left.
    pub(super) fn settle(&self, bytes: usize) -> bool {
        self.change(|reading| reading.resize(bytes))
    }

    fn change(&self, change: impl FnOnce(&mut Reading) -> bool) -> bool {
        let mut reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = reading.as_mut().is_none_or(change);
        drop(reading);
        if !fits {
            self.0.full.store(true, Ordering::Release);
        }
        fits
    }
}

impl Meter for Counter {
    fn grow(&self, bytes: usize) -> bool {
        self.change(|reading| reading.grow(bytes))
    }

    fn is_full(&self) -> bool {
        self.0.full.load(Ordering::Acquire)
    }
}

/// Ends the counting when it is dropped, however the reading ended. A session that began in it sends its end through the
/// counter and keeps that for as long as it lives; what was read must not stay counted so long.
#[derive(Debug)]
pub(super) struct Ending(pub(super) Counter);

impl Drop for Ending {
    fn drop(&mut self) {
        let reading = self
            .0
            .0
            .reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(reading);
    }
}
