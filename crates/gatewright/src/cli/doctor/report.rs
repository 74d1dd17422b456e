//! What the doctor says.

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
    /// A report of nothing yet.
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            good: 0,
            failures: 0,
            warnings: 0,
        }
    }

    /// Something is as it should be.
    pub(super) fn good(&mut self, subject: &str, found: impl AsRef<str>) {
        self.good += 1;
        self.line(&format!("ok    {subject}: {}", found.as_ref()));
    }

    /// Something works, but deserves attention.
    pub(super) fn warn(&mut self, subject: &str, found: impl AsRef<str>, remedy: &str) {
        self.warnings += 1;
        self.line(&format!(
            "warn  {subject}: {}\n      {}",
            sentence(found.as_ref()),
            sentence(remedy)
        ));
    }

    /// Something does not work.
    pub(super) fn bad(&mut self, subject: &str, found: impl AsRef<str>, remedy: &str) {
        self.failures += 1;
        self.line(&format!(
            "FAIL  {subject}: {}\n      {}",
            sentence(found.as_ref()),
            sentence(remedy)
        ));
    }

    /// The last line, and the exit code: 1 when anything was bad.
    pub(super) fn finish(mut self) -> ExitCode {
        let count =
            |number: u32, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let line = match (self.failures, self.warnings) {
            (0, 0) => format!("Everything is as it should be ({}).", count(self.good, "check")),
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

    /// How many things were bad.
    #[cfg(test)]
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn line(&mut self, line: &str) {
        // Whoever closed the pipe has read enough; the exit code still tells.
        let _ = writeln!(self.out, "{line}");
    }
}

/// With a full stop at the end, whoever wrote it.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
