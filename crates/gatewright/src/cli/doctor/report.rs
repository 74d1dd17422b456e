//! The report of the doctor.

use std::{io::Write, process::ExitCode};

use serde::Serialize;

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As lines, as they come.
    Text,
    /// As one JSON document, at the end.
    Json,
}

/// Writes findings and counts them.
#[derive(Debug)]
pub(super) struct Report<W: Write> {
    out: W,
    form: Form,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    outcome: Outcome,
    subject: String,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    Warning,
    Failure,
}

impl<W: Write> Report<W> {
    /// An empty report.
    pub(super) fn new(out: W, form: Form) -> Self {
        Self {
            out,
            form,
            findings: Vec::new(),
        }
    }

    /// Reports that something works.
    pub(super) fn good(&mut self, subject: &str, found: impl AsRef<str>) {
        self.add(Outcome::Ok, subject, found.as_ref().to_owned(), None);
    }

    /// Reports something that works but needs attention.
    pub(super) fn warn(&mut self, subject: &str, found: impl AsRef<str>, remedy: &str) {
        self.add(
            Outcome::Warning,
            subject,
            sentence(found.as_ref()),
            Some(sentence(remedy)),
        );
    }

    /// Reports something that does not work.
    pub(super) fn bad(&mut self, subject: &str, found: impl AsRef<str>, remedy: &str) {
        self.add(
            Outcome::Failure,
            subject,
            sentence(found.as_ref()),
            Some(sentence(remedy)),
        );
    }

    /// Writes the last line, or the document, and returns the exit code: 1 if there was a failure.
    pub(super) fn finish(mut self) -> ExitCode {
        let (good, warnings, failures) = (
            self.count(Outcome::Ok),
            self.count(Outcome::Warning),
            self.count(Outcome::Failure),
        );
        let counted =
            |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let line = match (self.form, failures, warnings) {
            (Form::Json, ..) => serde_json::json!({
                "ok": good, "warnings": warnings, "failures": failures, "findings": self.findings,
            })
            .to_string(),
            (Form::Text, 0, 0) => format!("Everything works ({}).", counted(good, "check")),
            (Form::Text, failures, warnings) => {
                format!(
                    "{}, {}.",
                    counted(failures, "failure"),
                    counted(warnings, "warning")
                )
            }
        };
        self.line(&line);
        if failures > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    /// The number of failures.
    #[cfg(test)]
    pub(super) fn failures(&self) -> usize {
        self.count(Outcome::Failure)
    }

    fn add(&mut self, outcome: Outcome, subject: &str, found: String, remedy: Option<String>) {
        let finding = Finding {
            outcome,
            subject: subject.to_owned(),
            found,
            remedy,
        };
        if self.form == Form::Text {
            let mark = match outcome {
                Outcome::Ok => "ok  ",
                Outcome::Warning => "warn",
                Outcome::Failure => "FAIL",
            };
            let remedy = finding.remedy.as_ref().map(|remedy| format!("\n      {remedy}"));
            self.line(&format!(
                "{mark}  {subject}: {}{}",
                finding.found,
                remedy.unwrap_or_default()
            ));
        }
        self.findings.push(finding);
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.outcome == outcome)
            .count()
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
