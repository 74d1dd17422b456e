//! Questions on a terminal.

use std::{
    fmt,
    io::{BufRead, Write},
};

use anyhow::bail;

/// A person who answers.
#[derive(Debug)]
pub(super) struct Questions<R, W> {
    from: R,
    to: W,
}

impl<R: BufRead, W: Write> Questions<R, W> {
    /// Reads answers from `from` and writes questions to `to`.
    pub(super) fn new(from: R, to: W) -> Self {
        Self { from, to }
    }

    /// Asks a question. An empty answer means the default.
    pub(super) fn ask(&mut self, question: &str, default: &str) -> anyhow::Result<String> {
        let hint = if default.is_empty() { "none" } else { default };
        write!(self.to, "{question} [{hint}]: ")?;
        self.to.flush()?;
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            bail!("stopped; nothing was written");
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { default } else { answer }.to_owned())
    }

    /// Says something, such as why an answer cannot be used.
    pub(super) fn say(&mut self, text: impl fmt::Display) -> anyhow::Result<()> {
        writeln!(self.to, "{text}")?;
        Ok(())
    }
}
