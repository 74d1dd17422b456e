//! The threads of everything that is not a call: sign-ins, tokens, the API, pages. A call waits for a thread behind whatever
//! came before it, and a thousand refreshes that come at once take the time of thousands of calls. So those have
//! threads of their own, and the operating system shares the processors between the two.

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};
use tokio_util::task::AbortOnDropHandle;

/// Threads beside those of calls. They stop without waiting for what still runs there when this is dropped.
#[derive(Debug)]
pub struct AsideThreads(Option<Runtime>);

impl AsideThreads {
    /// As many threads as there are processors.
    ///
    /// # Errors
    ///
    /// If the operating system starts no more threads.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("aside")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// The way to them, until they stop.
    pub fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for AsideThreads {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which must not be done on a thread of another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where requests are answered that are not calls: on threads of their own, or, without any, where they arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside(pub(super) Option<Handle>);

impl Aside {
    /// Runs this to its end, or until the caller goes away. A panic goes on in the caller.
    ///
    /// # Errors
    ///
    /// If the threads have stopped, because the process does.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stopped> {
        let Some(threads) = &self.0 else {
            return Ok(work.await);
        };
        AbortOnDropHandle::new(threads.spawn(work))
            .await
            .map_err(JoinError::try_into_panic)
            .or_else(|ended| match ended {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Stopped),
            })
    }
}

/// The threads have stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopped;

#[cfg(test)]
mod tests {
    use std::{panic::AssertUnwindSafe, sync::Arc, thread::current};

    use futures_util::FutureExt as _;
    use tokio::sync::Notify;

    use super::*;

    fn aside() -> (AsideThreads, Aside) {
        let threads = AsideThreads::start().unwrap();
        let aside = Aside(threads.handle());
        (threads, aside)
    }

    async fn thread_of(aside: &Aside) -> std::thread::ThreadId {
        aside.run(async { current().id() }).await.unwrap()
    }

    #[tokio::test]
    async fn work_runs_on_other_threads_if_there_are_any() {
        let (_threads, aside) = aside();
        assert_ne!(thread_of(&aside).await, current().id());
        assert_eq!(thread_of(&Aside::default()).await, current().id());
    }

    #[tokio::test]
    async fn a_panic_reaches_the_caller() {
        let (_threads, aside) = aside();
        let panicking = aside.run(async { panic!("on purpose") });
        let panic = AssertUnwindSafe(panicking).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    }

    #[tokio::test]
    async fn work_ends_when_its_caller_goes_away() {
        let (_threads, aside) = aside();
        let (begun, held) = (Arc::new(Notify::new()), Arc::new(()));
        let work = {
            let (begun, held) = (Arc::clone(&begun), Arc::clone(&held));
            async move {
                begun.notify_one();
                std::future::pending::<()>().await;
                drop(held);
            }
        };
        let mut running = Box::pin(aside.run(work));
        assert!(futures_util::poll!(&mut running).is_pending());
        begun.notified().await;
        drop(running);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_after_the_threads_stopped_is_refused() {
        let (threads, aside) = aside();
        drop(threads);
        aside.run(async {}).await.unwrap_err();
    }
}
