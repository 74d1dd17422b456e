//! Invalid input, described so that a person can fix it: which field, what was found, what to enter.

use std::fmt;

use serde::Serialize;

/// One problem with the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where: a JSON pointer into the request (RFC 6901), like `/issuer`.
    pub pointer: String,
    /// What is wrong and what to enter, in a sentence or two.
    pub detail: String,
}

/// All problems with one input; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invalid {
    violations: Vec<Violation>,
}

impl Invalid {
    /// A single violation.
    pub fn one(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut invalid = Self::default();
        invalid.add(pointer, detail);
        invalid
    }

    /// Adds a violation.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.violations.push(Violation {
            pointer: pointer.into(),
            detail: detail.into(),
        });
    }

    /// Returns the value of a check, or keeps its violations and returns nothing.
    pub fn take<T>(&mut self, check: Result<T, Self>) -> Option<T> {
        match check {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.violations.extend(invalid.violations);
                None
            }
        }
    }

    /// `Ok` if nothing was wrong.
    pub fn into_result(self) -> Result<(), Self> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(self)
        }
    }

    /// The problems, in the order they were found.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.violations.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", violation.pointer, violation.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
