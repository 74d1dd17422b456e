//! Collects log lines and writes them in one go a few times a second: one system call for many requests instead of
//! one each. A task that logs never waits for a reader. Nothing is lost when the process ends in order; `kill -9`
//! loses the last moment.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others at most.
const DELAY: Duration = Duration::from_millis(50);
/// This much is written without waiting for more.
const ENOUGH: usize = 256 * 1024;
/// Lines in memory at most while no one reads them; further ones are dropped and counted.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// How long the end of the process waits for a reader that does not read.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Where lines go. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    arrived: Condvar,
    // Held while writing, so that two writers keep the order of the lines.
    sink: Mutex<Sink>,
}

#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    dropped: u64,
}

struct Sink {
    out: Box<dyn Write + Send>,
    // Takes turns with the text of `Lines`, so that neither grows from scratch each time.
    text: Vec<u8>,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

impl Output {
    /// Standard error, with a thread that writes.
    pub(super) fn standard_error() -> Self {
        Self::to(Box::new(io::stderr()))
    }

    fn to(out: Box<dyn Write + Send>) -> Self {
        let text = Vec::new();
        let output = Self(Arc::new(Shared {
            lines: Mutex::default(),
            arrived: Condvar::new(),
            sink: Mutex::new(Sink { out, text }),
        }));
        let writer = output.clone();
        let spawned = std::thread::Builder::new()
            .name("log".to_owned())
            // Without optimisation, the allocator needs more than 64 kB of it before the thread begins.
            .stack_size(256 * 1024)
            .spawn(move || writer.write_for_ever());
        if let Err(error) = spawned {
            eprintln!(
                "no thread for the log could be started ({error}); lines are written when the process ends"
            );
        }
        output
    }

    /// Writes what is there, unless no one reads: then it gives up after a moment.
    pub(super) fn finish(&self) {
        let (done, ended) = mpsc::sync_channel(1);
        let writer = self.clone();
        let spawned = std::thread::Builder::new().spawn(move || {
            writer.write_lines();
            let _ = done.send(());
        });
        if spawned.is_ok() {
            let _ = ended.recv_timeout(LAST_WRITE);
        }
    }

    fn write_lines(&self) {
        let mut sink = self.0.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let Sink { out, text } = &mut *sink;
        let dropped = {
            let mut lines = self.lines();
            std::mem::swap(&mut lines.text, text);
            std::mem::take(&mut lines.dropped)
        };
        // Nothing can be said about a log that cannot be written.
        let _ = out.write_all(text);
        if dropped > 0 {
            let _ = writeln!(out, "{dropped} log lines were dropped: no one read them in time");
        }
        let _ = out.flush();
        text.clear();
        text.shrink_to(ENOUGH);
    }

    fn write_for_ever(&self) {
        let arrived = &self.0.arrived;
        loop {
            let lines = arrived.wait_while(self.lines(), |lines| lines.text.is_empty());
            let lines = lines.unwrap_or_else(PoisonError::into_inner);
            drop(arrived.wait_timeout_while(lines, DELAY, |lines| lines.text.len() < ENOUGH));
            self.write_lines();
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        let before = lines.text.len();
        let after = before + line.len();
        if after > MAX_BYTES {
            lines.dropped += 1;
            return Ok(line.len());
        }
        lines.text.extend_from_slice(line);
        drop(lines);
        if before == 0 || (before < ENOUGH && after >= ENOUGH) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one piece for each word it gets, and hands it on.
    struct SlowReader {
        words: mpsc::Receiver<()>,
        pieces: mpsc::Sender<Vec<u8>>,
    }

    impl Write for SlowReader {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.words.recv().map_err(io::Error::other)?;
            self.pieces.send(text.to_vec()).map_err(io::Error::other)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_waits_for_a_reader_that_does_not_read_and_what_it_misses_is_counted() {
        let (read, words) = mpsc::channel();
        let (pieces, written) = mpsc::channel();
        let mut output = Output::to(Box::new(SlowReader { words, pieces }));
        let line = [b'x'; 1024];
        let lines = 2 * MAX_BYTES / line.len() + 10;
        for _ in 0..lines {
            output.write_all(&line).unwrap();
        }
        assert!(output.lines().dropped > 0);
        assert!(output.lines().text.len() <= MAX_BYTES);
        for _ in 0..8 {
            let _ = read.send(());
        }
        output.finish();
        drop(output);
        let mut text = Vec::new();
        while !text.ends_with(b"no one read them in time\n") {
            text.extend(written.recv_timeout(LAST_WRITE).unwrap());
        }
        let kept = text.iter().take_while(|byte| **byte == b'x').count() / line.len();
        let said = String::from_utf8(text).unwrap();
        let dropped: usize = said
            .trim_start_matches('x')
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(
            dropped > 0 && kept + dropped <= lines,
            "{kept} and {dropped} of {lines}"
        );
    }

    #[test]
    fn the_end_waits_for_what_is_written_last_but_not_for_ever() {
        let (read, words) = mpsc::channel();
        let (pieces, written) = mpsc::channel();
        let mut output = Output::to(Box::new(SlowReader { words, pieces }));
        read.send(()).unwrap();
        output.write_all(b"the last line\n").unwrap();
        output.finish();
        assert_eq!(written.try_recv().unwrap(), b"the last line\n");
        output.write_all(b"no one reads this\n").unwrap();
        output.finish();
        assert!(written.try_recv().is_err());
    }
}
