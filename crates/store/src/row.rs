//! Rows of either engine, read by column name into domain types.

use std::{str::FromStr, sync::Arc};

use gatewright_domain::{Timestamp, stored_secret::SealedText, token_hash::TokenHash};
use rusqlite::types::Value as Stored;
use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer as _, value::Error as WordError},
};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    StoreError,
    cell::{Cell, Kind},
};

/// One row of a result.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A row of SQLite, with the names that all rows of a result share.
pub(crate) struct SqliteRow {
    pub(crate) columns: Arc<[String]>,
    pub(crate) values: Box<[Stored]>,
}

impl SqliteRow {
    /// `None` is NULL.
    fn opt_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self.get(column)? {
            Stored::Text(text) => Ok(Some(text.clone())),
            Stored::Null => Ok(None),
            Stored::Integer(_) | Stored::Real(_) | Stored::Blob(_) => {
                Err(StoreError::Corrupt { what: column })
            }
        }
    }

    /// `None` is NULL.
    fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self.get(column)? {
            Stored::Integer(number) => Ok(Some(*number)),
            Stored::Null => Ok(None),
            Stored::Text(_) | Stored::Real(_) | Stored::Blob(_) => Err(StoreError::Corrupt { what: column }),
        }
    }

    fn get(&self, column: &'static str) -> Result<&Stored, StoreError> {
        let place = self.columns.iter().position(|name| name == column);
        place
            .and_then(|place| self.values.get(place))
            .ok_or(StoreError::Corrupt { what: column })
    }
}

impl Row {
    /// A value by its place; `None` if it is not of this kind.
    pub(crate) fn cell(&self, place: usize, kind: Kind) -> Option<Cell> {
        match (self, kind) {
            (Self::Sqlite(row), _) => match (row.values.get(place)?, kind) {
                (Stored::Null, _) => Some(Cell::Null),
                (Stored::Integer(number), Kind::Int) => Some(Cell::Int(*number)),
                (Stored::Text(text), Kind::Text) => Some(Cell::Text(text.clone())),
                _ => None,
            },
            (Self::Postgres(row), Kind::Int) => {
                let number: Option<i64> = row.try_get(place).ok()?;
                Some(number.map_or(Cell::Null, Cell::Int))
            }
            (Self::Postgres(row), Kind::Text) => {
                let text: Option<String> = row.try_get(place).ok()?;
                Some(text.map_or(Cell::Null, Cell::Text))
            }
        }
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.opt_text(column)?.ok_or(StoreError::Corrupt { what: column })
    }

    pub(crate) fn opt_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Sqlite(row) => row.opt_text(column),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or(StoreError::Corrupt { what: column })
    }

    pub(crate) fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(row) => row.opt_int(column),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// A number that fits a smaller type.
    pub(crate) fn small<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_| StoreError::Corrupt { what: column })
    }

    /// A flag, stored as 0 or 1.
    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_millis)
    }

    pub(crate) fn opt_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    /// An ID, or another value that is parsed from its text.
    pub(crate) fn id<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        parse(column, &self.text(column)?)
    }

    pub(crate) fn opt_id<T: FromStr>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.opt_text(column)?
            .map(|text| parse(column, &text))
            .transpose()
    }

    pub(crate) fn hash(&self, column: &'static str) -> Result<TokenHash, StoreError> {
        TokenHash::from_text(&self.text(column)?).ok_or(StoreError::Corrupt { what: column })
    }

    pub(crate) fn opt_hash(&self, column: &'static str) -> Result<Option<TokenHash>, StoreError> {
        let hash = |text: String| TokenHash::from_text(&text).ok_or(StoreError::Corrupt { what: column });
        self.opt_text(column)?.map(hash).transpose()
    }

    pub(crate) fn sealed(&self, column: &'static str) -> Result<SealedText, StoreError> {
        self.text(column).map(SealedText)
    }

    pub(crate) fn opt_sealed(&self, column: &'static str) -> Result<Option<SealedText>, StoreError> {
        Ok(self.opt_text(column)?.map(SealedText))
    }

    /// An enum value, stored under its API name.
    pub(crate) fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        from_word(&self.text(column)?).ok_or(StoreError::Corrupt { what: column })
    }

    /// The same, optional.
    pub(crate) fn opt_word<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let word = self.opt_text(column)?;
        let read = |word: String| from_word(&word).ok_or(StoreError::Corrupt { what: column });
        word.map(read).transpose()
    }

    /// A list or structure, stored as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| StoreError::Corrupt { what: column })
    }

    /// The same, optional.
    pub(crate) fn opt_json<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.opt_text(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: column }))
            .transpose()
    }
}

fn parse<T: FromStr>(column: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt { what: column })
}

/// The stored form of a list or structure.
pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("what is stored as JSON has string keys and no failing Serialize")
}

/// The stored name of an enum without fields.
pub(crate) fn to_word<T: Serialize>(value: &T) -> String {
    to_json(value).trim_matches('"').to_owned()
}

/// The enum value of a stored name.
pub(crate) fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    let deserializer: serde::de::value::StrDeserializer<'_, WordError> = word.into_deserializer();
    T::deserialize(deserializer).ok()
}
