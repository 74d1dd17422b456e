//! The report of the doctor.

use std::{io::Write, process::ExitCode};

/// Writes findings as they come and counts them.
#[derive(Debug)]
pub(super) struct Report<W: Write> {
    out: W,
    good: u32,
    failures: u32,
    warnings: u32,
}

impl<W: Write> Report<W> {
    /// An empty report.
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            good: 0,
            failures: 0,
            warnings: 0,
        }
    }

    /// Reports that something works.
    pub(super) fn good(&mut self, subject: &str, found: impl AsRef<str>) {
        self.good += 1;
        self.line(&format!("ok    {subject}: {}", found.as_ref()));
    }

    /// Reports something that works but needs attention.
    pub(super) fn warn(&mut self, subject: &str, found: impl AsRef<str>, remedy: &str) {
        self.warnings += 1;
        self.line(&format!(
            "warn  {subject}: {}\n      {}",
            sentence(found.as_ref()),
            sentence(remedy)
        ));
    }

    /// Reports something that does not work.
    pub(super) fn bad(&mut self, subject: &str, found: impl AsRef<str>, remedy: &str) {
        self.failures += 1;
        self.line(&format!(
            "FAIL  {subject}: {}\n      {}",
            sentence(found.as_ref()),
            sentence(remedy)
        ));
    }

    /// Writes the last line and returns the exit code: 1 if there was a failure.
    pub(super) fn finish(mut self) -> ExitCode {
        let count =
            |number: u32, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let line = match (self.failures, self.warnings) {
            (0, 0) => format!("Everything works ({}).", count(self.good, "check")),
            (failures, warnings) => {
                format!("{}, {}.", count(failures, "failure"), count(warnings, "warning"))
            }
        };
        self.line(&line);
        if self.failures > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    /// The number of failures.
    #[cfg(test)]
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn line(&mut self, line: &str) {
        // If the pipe is closed, its reader has read enough; the exit code still reports the result.
        let _ = writeln!(self.out, "{line}");
    }
}

/// The text with a full stop at the end.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
