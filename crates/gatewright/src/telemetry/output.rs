//! Collects log lines and writes them in one go a few times a second: one system call for many requests instead of
//! one each. Nothing is lost when the process ends in order; `kill -9` loses the last moment.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others at most.
const DELAY: Duration = Duration::from_millis(50);
/// Lines in memory at most while nobody reads standard error; further ones are dropped and counted.
const MAX_BYTES: usize = 1024 * 1024;

/// Where lines go. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    arrived: Condvar,
    // Held while writing, so that two writers keep the order of the lines.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    dropped: u64,
}

impl Output {
    /// Standard error, with a thread that writes.
    pub(super) fn standard_error() -> Self {
        let output = Self(Arc::new(Shared {
            lines: Mutex::default(),
            arrived: Condvar::new(),
            writing: Mutex::new(()),
        }));
        let writer = output.clone();
        let spawned = std::thread::Builder::new()
            .name("log".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || writer.write_for_ever());
        if let Err(error) = spawned {
            eprintln!(
                "no thread for the log could be started ({error}); lines are written when the process ends"
            );
        }
        output
    }

    /// Writes what is there.
    pub(super) fn flush(&self) {
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut *self.lines());
        let mut out = io::stderr().lock();
        // Nothing can be said about a log that cannot be written.
        let _ = out.write_all(&lines.text);
        if lines.dropped > 0 {
            let _ = writeln!(
                out,
                "{} log lines were dropped: nobody read them in time",
                lines.dropped
            );
        }
    }

    fn write_for_ever(&self) {
        loop {
            let waited = self
                .0
                .arrived
                .wait_while(self.lines(), |lines| lines.text.is_empty());
            drop(waited);
            std::thread::sleep(DELAY);
            self.flush();
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        if lines.text.len() + line.len() > MAX_BYTES {
            lines.dropped += 1;
            return Ok(line.len());
        }
        let first = lines.text.is_empty();
        lines.text.extend_from_slice(line);
        drop(lines);
        if first {
            self.0.arrived.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
