//! How many rows a table has, and a digest of all of them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cell::Cell;

/// The contents of a table in short. Two tables with equal sums have equal rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSum {
    /// The table.
    pub table: String,
    /// Its columns, in the order of the values in its rows.
    pub columns: Vec<String>,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of its rows as lines, in the order of its primary key, in hexadecimal digits.
    pub sha256: String,
}

/// A sum that is not complete yet.
#[derive(Debug)]
pub struct Summing {
    table: String,
    columns: Vec<String>,
    rows: u64,
    digest: Sha256,
    line: Vec<u8>,
}

impl Summing {
    /// The sum of a table without rows.
    pub fn new(table: &str, columns: &[String]) -> Self {
        Self {
            table: table.to_owned(),
            columns: columns.to_vec(),
            rows: 0,
            digest: Sha256::new(),
            line: Vec::new(),
        }
    }

    /// Adds the next row; returns its line.
    pub fn add(&mut self, row: &[Cell]) -> &[u8] {
        self.line.clear();
        Cell::write_line(row, &mut self.line);
        self.digest.update(&self.line);
        self.rows += 1;
        &self.line
    }

    /// The sum of the rows so far.
    pub fn finish(self) -> TableSum {
        let digest = self.digest.finalize();
        let sha256 = digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a text can grow");
            text
        });
        TableSum {
            table: self.table,
            columns: self.columns,
            rows: self.rows,
            sha256,
        }
    }
}
