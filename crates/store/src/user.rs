//! End users.

use std::fmt::Write as _;

use gatewright_domain::{
    Timestamp,
    id::{ProjectId, UserId, UserSourceId},
    token_hash::TokenHash,
    user::{User, UserKey, UserStatus},
};
use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx, revocation,
    row::{Row, to_word},
    tx::Lock,
    value::{Value, values},
};

/// The number of users a search reads for one page. No index helps to find a text inside another; this many take about 20 ms.
const SEARCHED_AT_ONCE: u32 = 20_000;

macro_rules! columns {
    () => {
        "id, project_id, user_source_id, issuer, claim, subject, display_name, email, status, first_sign_in_at, \
         last_sign_in_at"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM users ", $rest)
    };
}

/// Creates the user with this key or updates name, e-mail address and last sign-in (one upsert); returns the current row.
/// `None` as name or e-mail address keeps the stored value; [`forget_email`] removes an address.
pub async fn sign_in(tx: &mut Tx, user: &User) -> Result<User, StoreError> {
    let sql = concat!(
        "INSERT INTO users (id, project_id, user_source_id, identity_key, issuer, claim, subject, subject_key, \
         display_name, display_name_key, email, email_key, status, first_sign_in_at, last_sign_in_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (user_source_id, identity_key) DO UPDATE SET \
         display_name = COALESCE(excluded.display_name, users.display_name), \
         display_name_key = COALESCE(excluded.display_name_key, users.display_name_key), \
         email = COALESCE(excluded.email, users.email), \
         email_key = COALESCE(excluded.email_key, users.email_key), \
         last_sign_in_at = excluded.last_sign_in_at RETURNING ",
        columns!()
    );
    let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
    let values = values![
        user.id,
        user.project_id,
        user.key.user_source_id,
        identity_key(&user.key),
        &user.key.issuer,
        &user.key.claim,
        &user.key.subject,
        user.key.subject.to_lowercase(),
        &user.display_name,
        lower(&user.display_name),
        &user.email,
        lower(&user.email),
        to_word(&user.status),
        user.first_sign_in_at,
        user.last_sign_in_at,
    ];
    read(&tx.fetch_one(sql, values).await?)
}

/// Removes the e-mail address of a user whose provider no longer vouches for it.
pub async fn forget_email(tx: &mut Tx, project: ProjectId, id: UserId) -> Result<(), StoreError> {
    let sql = "UPDATE users SET email = NULL, email_key = NULL WHERE project_id = $1 AND id = $2";
    tx.execute(sql, values![project, id]).await?;
    Ok(())
}

/// Finds a user by project and ID.
pub async fn find(tx: &mut Tx, project: ProjectId, id: UserId) -> Result<Option<User>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// Filters of a list of users.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Only those of this source.
    pub user_source_id: Option<UserSourceId>,
    /// Only those who can, or cannot, use gateways.
    pub status: Option<UserStatus>,
    /// Only those known under an earlier issuer or subject claim of their source, or only the others.
    pub former: Option<bool>,
    /// Only those whose subject, name or e-mail address contains this text, ignoring case.
    pub search: Option<String>,
}

/// All users of a project, newest first. A search reads 20,000 users per page.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &UserFilter,
    page: &PageRequest,
) -> Result<Page<User>, StoreError> {
    list_among(tx, project, filter, page, SEARCHED_AT_ONCE).await
}

/// The same with a search that reads this many users per page. If they end before the page is full, the cursor says
/// where to continue.
pub async fn list_among(
    tx: &mut Tx,
    project: ProjectId,
    filter: &UserFilter,
    page: &PageRequest,
    searched: u32,
) -> Result<Page<User>, StoreError> {
    // Only the active filters are in the query, so that each finds its index. Writing to a String never fails.
    let mut among = "WHERE project_id = $1 AND id < $2".to_owned();
    let mut values: Vec<Value> = values![project, page.below()].to_vec();
    if let Some(source) = filter.user_source_id {
        values.push(source.into());
        let _ = write!(among, " AND user_source_id = ${}", values.len());
    }
    if let Some(status) = &filter.status {
        values.push(to_word(status).into());
        let _ = write!(among, " AND status = ${}", values.len());
    }
    if let Some(former) = filter.former {
        let among_present = if former { "NOT EXISTS" } else { "EXISTS" };
        let _ = write!(
            among,
            " AND {among_present} (SELECT 1 FROM user_sources WHERE user_sources.id = users.user_source_id \
             AND user_sources.issuer = users.issuer AND user_sources.subject_claim = users.claim)"
        );
    }
    let mut end_of_search = None;
    if let Some(search) = &filter.search {
        end_of_search = last_searched(tx, &among, &values, searched).await?;
        values.push(pattern(search).into());
        let text = values.len();
        let _ = write!(
            among,
            " AND (subject_key LIKE ${text} ESCAPE '!' OR display_name_key LIKE ${text} ESCAPE '!' \
             OR email_key LIKE ${text} ESCAPE '!')"
        );
        if let Some(last) = &end_of_search {
            values.push(last.into());
            let _ = write!(among, " AND id >= ${}", values.len());
        }
    }
    values.push(page.rows().into());
    let sql = format!("{} {among} ORDER BY id DESC LIMIT ${}", select!(""), values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    let found = page.page(rows, read)?;
    Ok(Page {
        next: found.next.or(end_of_search),
        ..found
    })
}

/// The last user that a search reads, if there are more after it.
async fn last_searched(
    tx: &mut Tx,
    among: &str,
    values: &[Value],
    searched: u32,
) -> Result<Option<String>, StoreError> {
    let sql = format!(
        "SELECT id FROM users {among} ORDER BY id DESC LIMIT 2 OFFSET {}",
        searched.max(1) - 1
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), values).await?;
    match rows.as_slice() {
        [last, _] => Ok(Some(last.text("id")?)),
        _ => Ok(None),
    }
}

/// How many users a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserCount {
    /// Those known under its current issuer and subject claim.
    pub present: i64,
    /// Those known under an earlier one: signing in as them is no longer possible.
    pub former: i64,
}

/// Counts the users of a source.
pub async fn count_of_user_source(
    tx: &mut Tx,
    project: ProjectId,
    source: UserSourceId,
) -> Result<UserCount, StoreError> {
    let sql = "SELECT COUNT(*) AS stored, COALESCE(SUM(CASE WHEN users.issuer = user_sources.issuer \
               AND users.claim = user_sources.subject_claim THEN 1 ELSE 0 END), 0) AS present FROM users \
               JOIN user_sources ON user_sources.id = users.user_source_id \
               WHERE users.project_id = $1 AND users.user_source_id = $2";
    let row = tx.fetch_one(sql, values![project, source]).await?;
    let present = row.int("present")?;
    Ok(UserCount {
        present,
        former: row.int("stored")? - present,
    })
}

/// Blocks or unblocks; `false` if there is no such user in this project.
pub async fn set_status(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
    status: UserStatus,
) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET status = $1 WHERE project_id = $2 AND id = $3";
    let changed = tx.execute(sql, values![to_word(&status), project, id]).await? > 0;
    tx.note_change();
    Ok(changed)
}

/// Deletes the user with codes and grants, and leaves a revocation that stops the existing access tokens.
pub async fn delete(tx: &mut Tx, project: ProjectId, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    // The user and then the grants are locked: neither begins another grant nor issues another access token.
    let sql = "SELECT id FROM users WHERE project_id = $1 AND id = $2";
    if tx
        .lock_optional(sql, Lock::Update, values![project, id])
        .await?
        .is_none()
    {
        return Ok(false);
    }
    let sql = "SELECT id FROM grants WHERE project_id = $1 AND user_id = $2 ORDER BY id";
    tx.lock_all(sql, Lock::Update, values![project, id]).await?;
    revocation::insert_user(tx, project, id, now).await?;
    let sql = "DELETE FROM users WHERE project_id = $1 AND id = $2";
    let deleted = tx.execute(sql, values![project, id]).await? > 0;
    // A blocked user is denied by the configuration.
    tx.note_change();
    Ok(deleted)
}

/// What identifies a person within a source. Lengths prevent two keys from producing the same text.
fn identity_key(key: &UserKey) -> TokenHash {
    let (issuer, claim, subject) = (&key.issuer, &key.claim, &key.subject);
    TokenHash::of(&format!(
        "{}:{issuer}{}:{claim}{subject}",
        issuer.len(),
        claim.len()
    ))
}

/// A LIKE pattern for "contains this text", with `%` and `_` as literal characters. PostgreSQL stores no NUL,
/// so a text with one matches nothing; dropping it must not make the search match more, hence the replacement.
pub(crate) fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for letter in search.to_lowercase().chars() {
        match letter {
            '!' | '%' | '_' => pattern.extend(['!', letter]),
            '\0' => pattern.push(char::REPLACEMENT_CHARACTER),
            _ => pattern.push(letter),
        }
    }
    pattern.push('%');
    pattern
}

fn read(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        key: UserKey {
            user_source_id: row.id("user_source_id")?,
            issuer: row.text("issuer")?,
            claim: row.text("claim")?,
            subject: row.text("subject")?,
        },
        display_name: row.opt_text("display_name")?,
        email: row.opt_text("email")?,
        status: row.word("status")?,
        first_sign_in_at: row.time("first_sign_in_at")?,
        last_sign_in_at: row.time("last_sign_in_at")?,
    })
}
