//! Checks signatures of others off the threads that serve requests, in a bounded pool: an RSA signature costs more than
//! the rest of a request, and strangers decide how often one comes.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use super::{
    compact::Jws,
    key_set::{KeySet, Verification},
};

/// Callers that can wait for their turn. A check takes a fraction of a millisecond, so the last waits a few.
const WAITING: usize = 256;
/// The longest wait.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Too many signatures wait to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many signatures wait to be checked")]
pub struct Overloaded;

/// The pool. Only what strangers send is checked in it; ID tokens of providers are checked where they arrive.
#[derive(Debug)]
pub struct Signatures {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Default for Signatures {
    fn default() -> Self {
        // Half of the processors at most: the rest serves requests.
        let processors = available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of_size((processors / 2).max(1), WAITING)
    }
}

impl Signatures {
    fn of_size(running: usize, waiting: usize) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(running + waiting)),
            running: Arc::new(Semaphore::new(running)),
        }
    }

    /// Checks the signature of a token, in its turn and before the deadline.
    pub async fn verify(
        &self,
        jws: &Jws<'_>,
        keys: &Arc<KeySet>,
        deadline: Instant,
    ) -> Result<Verification, Overloaded> {
        let (signed, keys) = (jws.signed(), Arc::clone(keys));
        self.run(move || signed.verify(&keys), deadline).await
    }

    /// Does some work with keys in its turn. The permit belongs to the work, which continues if the caller
    /// leaves.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        deadline: Instant,
    ) -> Result<T, Overloaded> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| Overloaded)?;
        let turn = timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await;
        let turn = turn.map_err(|_| Overloaded)?.map_err(|_| Overloaded)?;
        let done = spawn_blocking(move || {
            let _held = (admitted, turn);
            work()
        });
        // A task fails only when the process is going down.
        done.await.map_err(|_| Overloaded)
    }

    /// Holds every place, so that the pool is full until this is dropped.
    #[cfg(any(test, feature = "testing"))]
    pub async fn fill(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.admitted.available_permits()).expect("few places");
        Arc::clone(&self.admitted)
            .acquire_many_owned(all)
            .await
            .expect("an open semaphore")
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    fn soon() -> Instant {
        Instant::now() + PATIENCE
    }

    #[tokio::test]
    async fn a_flood_is_refused_and_the_pool_recovers() {
        let pool = Arc::new(Signatures::of_size(1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let busy = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run(move || wait.recv().unwrap(), soon()).await })
        };
        while pool.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run(|| 2, soon()).await })
        };
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| 3, soon()).await, Err(Overloaded));
        go.send(()).unwrap();
        assert_eq!(busy.await.unwrap(), Ok(()));
        assert_eq!(waiting.await.unwrap(), Ok(2));
        assert_eq!(pool.run(|| 4, soon()).await, Ok(4));
    }

    #[tokio::test]
    async fn work_runs_on_another_thread() {
        let here = thread::current().id();
        let there = Signatures::default()
            .run(move || thread::current().id(), soon())
            .await
            .unwrap();
        assert_ne!(here, there);
    }
}
