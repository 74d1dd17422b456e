//! What a test's own thread writes to the log, for tests that see why something was refused.

use std::{
    io,
    sync::{Arc, Mutex},
};

use gatewright_core::testing::keep_log_events;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The log of a test, from [`Log::listen`] on. Tokio's tests run on one thread, what they spawn included.
pub struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn listen() -> Self {
        keep_log_events();
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(lines.clone());
        Self {
            _guard: tracing::subscriber::set_default(subscriber.finish()),
            lines,
        }
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of requests, oldest first.
    pub fn requests(&self) -> Vec<String> {
        let text = self.text();
        let requests = text.lines().filter(|line| line.contains("gatewright::request"));
        requests.map(str::to_owned).collect()
    }

    /// The line of the one sign-in that failed, with its reason and the advice.
    pub fn failure(&self) -> String {
        let text = self.text();
        let mut failures = text.lines().filter(|line| line.contains("a sign-in failed"));
        let failure = failures
            .next()
            .unwrap_or_else(|| panic!("no failure in:\n{text}"));
        assert_eq!(failures.next(), None, "one failure has one line");
        failure.to_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
