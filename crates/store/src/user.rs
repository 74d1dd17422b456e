//! End users.

use gatewright_domain::{
    Timestamp,
    id::{ProjectId, UserId, UserSourceId},
    token_hash::TokenHash,
    user::{User, UserKey, UserStatus},
};

use crate::{
    Page, PageRequest, StoreError, Tx, revocation,
    row::{Row, to_word},
    value::values,
};

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

/// Creates the user of this key or refreshes name, e-mail and last sign-in (one upsert); gives the row as it now is.
/// A `None` name or e-mail leaves what was there; [`forget_email`] takes an address away.
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

/// Drops the e-mail address of a user whose provider no longer vouches for it.
pub async fn forget_email(tx: &mut Tx, project: ProjectId, id: UserId) -> Result<(), StoreError> {
    let sql = "UPDATE users SET email = NULL, email_key = NULL WHERE project_id = $1 AND id = $2";
    tx.execute(sql, values![project, id]).await?;
    Ok(())
}

/// By project and id.
pub async fn find(tx: &mut Tx, project: ProjectId, id: UserId) -> Result<Option<User>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// By who they are.
pub async fn find_by_key(tx: &mut Tx, project: ProjectId, key: &UserKey) -> Result<Option<User>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND user_source_id = $2 AND identity_key = $3");
    let values = values![project, key.user_source_id, identity_key(key)];
    let row = tx.fetch_optional(sql, values).await?;
    row.as_ref().map(read).transpose()
}

/// All of a project, oldest first; optionally of one source, optionally those whose subject, name or e-mail contains
/// a text, whatever the case.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    source: Option<UserSourceId>,
    search: Option<&str>,
    page: &PageRequest,
) -> Result<Page<User>, StoreError> {
    let rows = match (source, search.map(pattern)) {
        (None, None) => {
            let sql = select!("WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3");
            tx.fetch_all(sql, values![project, page.above(), page.rows()])
                .await?
        }
        (Some(source), None) => {
            let sql =
                select!("WHERE project_id = $1 AND user_source_id = $2 AND id > $3 ORDER BY id LIMIT $4");
            tx.fetch_all(sql, values![project, source, page.above(), page.rows()])
                .await?
        }
        (None, Some(pattern)) => {
            let sql = select!(
                "WHERE project_id = $1 AND id > $2 AND (subject_key LIKE $3 ESCAPE '!' \
                 OR display_name_key LIKE $3 ESCAPE '!' OR email_key LIKE $3 ESCAPE '!') ORDER BY id LIMIT $4"
            );
            tx.fetch_all(sql, values![project, page.above(), pattern, page.rows()])
                .await?
        }
        (Some(source), Some(pattern)) => {
            let sql = select!(
                "WHERE project_id = $1 AND user_source_id = $2 AND id > $3 AND (subject_key LIKE $4 ESCAPE '!' \
                 OR display_name_key LIKE $4 ESCAPE '!' OR email_key LIKE $4 ESCAPE '!') ORDER BY id LIMIT $5"
            );
            tx.fetch_all(sql, values![project, source, page.above(), pattern, page.rows()])
                .await?
        }
    };
    page.page(rows, read)
}

/// How many users a source has.
pub async fn count_of_user_source(
    tx: &mut Tx,
    project: ProjectId,
    source: UserSourceId,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) AS stored FROM users WHERE project_id = $1 AND user_source_id = $2";
    let row = tx.fetch_optional(sql, values![project, source]).await?;
    row.map_or(Ok(0), |row| row.int("stored"))
}

/// Blocks or unblocks; `false` when there is no such user in this project.
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

/// Deletes the user with codes and grants; leaves a revocation until `revoked_until` so that live tokens end.
pub async fn delete(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
    revoked_until: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM users WHERE project_id = $1 AND id = $2";
    if tx.execute(sql, values![project, id]).await? == 0 {
        return Ok(false);
    }
    revocation::insert_user(tx, id, revoked_until).await?;
    Ok(true)
}

/// What makes a person one person within a source. Lengths keep two keys from running into the same text.
fn identity_key(key: &UserKey) -> TokenHash {
    let (issuer, claim, subject) = (&key.issuer, &key.claim, &key.subject);
    TokenHash::of(&format!(
        "{}:{issuer}{}:{claim}{subject}",
        issuer.len(),
        claim.len()
    ))
}

/// A LIKE pattern for "contains this text", taking `%` and `_` as the characters they are. PostgreSQL stores no NUL,
/// so a text with one is found nowhere; dropping it must not make the search match more, hence the replacement.
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
