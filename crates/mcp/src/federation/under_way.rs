//! A list while it is read, and those who wait for it.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use tokio::{sync::watch, time::Instant};

use super::catalog::Catalog;
use crate::peer::{session::SlotKey, unavailable::Unavailable, upstream::Upstream};

/// A list while it is read, for those who come to wait for it. Who waits holds the other end.
#[derive(Debug)]
pub(super) struct UnderWay {
    began: Instant,
    /// Whom it is read for.
    of: SlotKey,
    /// Gone with the reading.
    told: Weak<watch::Sender<Option<Outcome>>>,
    behind: GoesOn,
}

/// A list while it is read, for a waiter. Without waiters it is cancelled after a while.
#[derive(Debug)]
pub(super) struct Reading {
    /// When it began.
    pub(super) began: Instant,
    of: SlotKey,
    outcome: watch::Receiver<Option<Outcome>>,
    behind: GoesOn,
}

/// Lets a reading continue without waiters.
#[derive(Debug, Clone, Default)]
pub(super) struct GoesOn(pub(super) Arc<AtomicBool>);

impl GoesOn {
    /// Who waited was answered without it, and the next list needs it.
    pub(super) fn goes_on(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What a reading led to.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Read {
        catalog: Result<Catalog, Unavailable>,
        /// Whether only the user or the conversation it was read for can have it.
        private: bool,
    },
    GivenUp,
}

/// What a reading is for one of those who wait for it.
pub(super) enum Awaited {
    Ours(Result<Catalog, Unavailable>),
    /// It has to be read again: it turned out to be the list of another user or conversation, or the reading was cancelled
    /// just before.
    Again,
}

impl UnderWay {
    /// A reading that begins now: a handle for others to wait for it, the first waiter, and what notifies them all.
    pub(super) fn begin(of: SlotKey) -> (Self, Reading, Arc<watch::Sender<Option<Outcome>>>) {
        let (told, outcome) = watch::channel(None);
        let told = Arc::new(told);
        let reading = Reading {
            began: Instant::now(),
            of,
            outcome,
            behind: GoesOn::default(),
        };
        let under_way = Self {
            began: reading.began,
            of,
            told: Arc::downgrade(&told),
            behind: reading.behind.clone(),
        };
        (under_way, reading, told)
    }

    /// Waits for it too, unless it has ended.
    pub(super) fn join(&self) -> Option<Reading> {
        let told = self.told.upgrade()?;
        if told.borrow().is_some() {
            return None;
        }
        Some(Reading {
            began: self.began,
            of: self.of,
            outcome: told.subscribe(),
            behind: self.behind.clone(),
        })
    }
}

impl Reading {
    pub(super) fn behind(&self) -> GoesOn {
        self.behind.clone()
    }

    /// Waits for its end.
    pub(super) async fn wait(mut self, upstream: &Upstream, whose: SlotKey) -> Awaited {
        let Ok(outcome) = self.outcome.wait_for(Option::is_some).await else {
            return Awaited::Ours(Err(upstream.unreachable()));
        };
        match &*outcome {
            Some(Outcome::GivenUp) => Awaited::Again,
            Some(Outcome::Read { private: true, .. }) if self.of != whose => Awaited::Again,
            Some(Outcome::Read { catalog, .. }) => Awaited::Ours(catalog.clone()),
            None => Awaited::Ours(Err(upstream.unreachable())),
        }
    }
}
