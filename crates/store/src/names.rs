//! Names of several objects at once, for pages and lists.

use std::{collections::HashMap, fmt::Write as _};

use gatewright_domain::id::ProjectId;
use sqlx::AssertSqlSafe;

use crate::{
    StoreError, Tx,
    value::{Value, values},
};

/// The number of names looked up at once: more than any page of a list has.
const MAX: u32 = 200;

/// Objects that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Gateways.
    Gateway,
    /// User Sources.
    UserSource,
    /// Servers.
    Server,
    /// End users: their name, address or subject, the first that is known.
    User,
    /// API keys of the project.
    ApiKey,
    /// Accounts of administrators, members or not, so that readers of the audit trail see their names.
    Account,
}

/// Objects that a filter offers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Gateways.
    Gateway,
    /// User Sources.
    UserSource,
    /// Servers.
    Server,
    /// API keys, revoked ones too.
    ApiKey,
    /// Members: their accounts.
    Member,
}

/// The names of existing objects of a project, by ID.
pub async fn of(
    tx: &mut Tx,
    project: ProjectId,
    kind: Kind,
    ids: &[String],
) -> Result<HashMap<String, String>, StoreError> {
    let ids = &ids[..ids.len().min(MAX as usize)];
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let select = match kind {
        Kind::Gateway => "SELECT id, name FROM gateways WHERE project_id = $1",
        Kind::UserSource => "SELECT id, name FROM user_sources WHERE project_id = $1",
        Kind::Server => "SELECT id, name FROM servers WHERE project_id = $1",
        Kind::User => {
            "SELECT id, COALESCE(display_name, email, subject) AS name FROM users WHERE project_id = $1"
        }
        Kind::ApiKey => "SELECT id, name FROM api_keys WHERE project_id = $1",
        Kind::Account => "SELECT id, name FROM accounts WHERE $1 <> ''",
    };
    let mut values: Vec<Value> = values![project].to_vec();
    let mut places = String::new();
    for id in ids {
        values.push(id.into());
        let comma = if places.is_empty() { "" } else { ", " };
        // Writing to a String never fails.
        let _ = write!(places, "{comma}${}", values.len());
    }
    let sql = format!("{select} AND id IN ({places})");
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    let named = rows.iter().map(|row| Ok((row.text("id")?, row.text("name")?)));
    named.collect()
}

/// Objects of a project to choose from, oldest first, at most as many as are looked up at once: ID and name.
pub async fn to_choose_from(
    tx: &mut Tx,
    project: ProjectId,
    kind: Choice,
) -> Result<Vec<(String, String)>, StoreError> {
    let sql = match kind {
        Choice::Gateway => "SELECT id, name FROM gateways WHERE project_id = $1 ORDER BY id LIMIT $2",
        Choice::UserSource => "SELECT id, name FROM user_sources WHERE project_id = $1 ORDER BY id LIMIT $2",
        Choice::Server => "SELECT id, name FROM servers WHERE project_id = $1 ORDER BY id LIMIT $2",
        Choice::ApiKey => "SELECT id, name FROM api_keys WHERE project_id = $1 ORDER BY id LIMIT $2",
        Choice::Member => {
            "SELECT accounts.id, accounts.name FROM members JOIN accounts ON accounts.id = members.account_id \
             WHERE members.project_id = $1 ORDER BY accounts.id LIMIT $2"
        }
    };
    let rows = tx.fetch_all(sql, values![project, MAX]).await?;
    let named = rows.iter().map(|row| Ok((row.text("id")?, row.text("name")?)));
    named.collect()
}
