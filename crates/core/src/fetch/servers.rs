//! A client for MCP servers or for identity providers: its connections are bounded, and idle ones are closed when they become
//! scarce.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::Semaphore, time::Instant};

use super::HttpClient;

/// Connections are scarce while less than this part of them is free.
const SCARCE: usize = 8;
/// Idle connections are closed this often at most.
const RELIEF_PAUSE: Duration = Duration::from_secs(1);

/// The client for servers of one kind.
pub(super) struct Servers {
    bound: usize,
    places: Arc<Semaphore>,
    client: ArcSwap<HttpClient>,
    make: Box<dyn Fn() -> HttpClient + Send + Sync>,
    began: Instant,
    /// When idle connections were last closed, milliseconds since `began`.
    relieved_at: AtomicI64,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("bound", &self.bound)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl Servers {
    /// A client made by `make`, whose connections hold places of `places`, `bound` in all.
    pub(super) fn new(
        bound: usize,
        places: Arc<Semaphore>,
        make: impl Fn() -> HttpClient + Send + Sync + 'static,
    ) -> Self {
        Self {
            bound,
            places,
            client: ArcSwap::from_pointee(make()),
            make: Box::new(make),
            began: Instant::now(),
            relieved_at: AtomicI64::new(-millis(RELIEF_PAUSE)),
        }
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.bound.saturating_sub(self.places.available_permits())
    }

    /// The client to send a request with. Where connections are scarce it is a new one: the pool of the old one closes
    /// its idle connections when its last request has ended. Otherwise connections that wait for further requests of one
    /// tenant could keep all others out.
    pub(super) fn client(&self) -> Arc<HttpClient> {
        if self.places.available_permits() < self.bound.div_ceil(SCARCE) {
            let now = millis(self.began.elapsed());
            let last = self.relieved_at.load(Ordering::Acquire);
            let due = now - last >= millis(RELIEF_PAUSE);
            if due
                && self
                    .relieved_at
                    .compare_exchange(last, now, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
            {
                self.client.store(Arc::new((self.make)()));
            }
        }
        self.client.load_full()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
