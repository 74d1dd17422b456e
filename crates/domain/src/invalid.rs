//! Bad input, told so that a person can mend it: which field, what was found, what to type.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where: a JSON pointer into the request (RFC 6901), like `/issuer`.
    pub pointer: String,
    /// What is wrong and what to do about it, in a sentence or two.
    pub detail: String,
}

/// Everything that is wrong with one input; never empty.
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

    /// Takes the value of a check, or keeps its violations and gives nothing.
    pub fn take<T>(&mut self, check: Result<T, Self>) -> Option<T> {
        match check {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.violations.extend(invalid.violations);
                None
            }
        }
    }

    /// `Ok` when nothing was wrong.
    pub fn into_result(self) -> Result<(), Self> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(self)
        }
    }

    /// What is wrong, in the order it was found.
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
