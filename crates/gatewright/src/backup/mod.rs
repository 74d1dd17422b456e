//! Backups: a whole database in one file.
//!
//! The file is a tar archive, compressed with gzip:
//!
//! | entry | contents |
//! | --- | --- |
//! | `manifest.json` | what the backup is of: [`Manifest`] |
//! | `master.key` | the master keys, one in each line, if they were asked for |
//! | `tables/NAME/000001.jsonl`, … | the rows of a table, a JSON array in each line, in the order of its primary key |
//! | `contents.json` | how many rows each table has, and a digest of them: [`Contents`] |
//!
//! Behind it is a second gzip member with the SHA-256 of all bytes before it, so that a file that was cut or changed anywhere is
//! refused before anything else happens. Programs that unpack archives ignore it.

mod reading;
mod seal;
mod writing;

use gatewright_store::copy::TableSum;
use serde::{Deserialize, Serialize};

pub(crate) use reading::Backup;
pub(crate) use writing::{NewFile, Writer};

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

const MANIFEST: &str = "manifest.json";
const MASTER_KEY: &str = "master.key";
const CONTENTS: &str = "contents.json";

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of the format of the file.
    pub(crate) format: u32,
    /// Version and commit of the program that wrote it.
    pub(crate) program: String,
    /// `SQLite` or `PostgreSQL`.
    pub(crate) store: String,
    /// When it was begun, according to RFC 3339.
    pub(crate) at: String,
    /// The public URL of the instance.
    pub(crate) public_url: String,
    /// The ID of the master key that opens it; none if nothing was ever sealed.
    pub(crate) master_key_id: Option<String>,
    /// Whether the file contains the master key.
    pub(crate) has_master_key: bool,
    /// The versions of the migrations of the schema, in order.
    pub(crate) migrations: Vec<i64>,
    /// The tables, in an order in which they can be written.
    pub(crate) tables: Vec<Heading>,
}

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heading {
    /// The table.
    pub(crate) table: String,
    /// The columns, in the order of the values in each row.
    pub(crate) columns: Vec<String>,
}

/// What a backup contains, as it was counted while it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    /// Each table.
    pub(crate) tables: Vec<TableSum>,
}

impl Contents {
    /// How many rows a table has.
    pub(crate) fn rows_of(&self, table: &str) -> u64 {
        let sum = self.tables.iter().find(|sum| sum.table == table);
        sum.map_or(0, |sum| sum.rows)
    }

    /// How many rows all tables have.
    pub(crate) fn rows(&self) -> u64 {
        self.tables.iter().map(|sum| sum.rows).sum()
    }

    /// The most important of what it contains, in words.
    pub(crate) fn in_words(&self) -> String {
        let counted = [
            ("projects", "projects"),
            ("user_sources", "User Sources"),
            ("servers", "servers"),
            ("gateways", "gateways"),
            ("users", "users"),
            ("grants", "grants"),
            ("refresh_tokens", "refresh tokens"),
            ("accounts", "accounts"),
            ("api_keys", "API keys"),
            ("audit_events", "audit events"),
            ("activity", "recorded requests"),
        ];
        let words = counted.map(|(table, words)| format!("{} {words}", self.rows_of(table)));
        format!(
            "{} rows in {} tables: {}",
            self.rows(),
            self.tables.len(),
            words.join(", ")
        )
    }
}

#[cfg(test)]
mod tests;
