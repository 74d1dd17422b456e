//! User Sources. Both slots of the client secret are sealed under the context `user_sources/client_secret/<id>`, so
//! that a value can move from the current slot to the previous one unchanged.

use gatewright_domain::{
    Timestamp,
    id::{GatewayId, ProjectId, UserSourceId},
    registration::{ClientAuthentication, ClientSecretSlots, SecretMethod},
    stored_secret::SealedText,
    user_source::{UserSource, UserSourceStatus},
};

use crate::{
    Page, PageRequest, StoreError, Tx, incident,
    row::{Row, to_json, to_word},
    sign_in_attempt,
    tx::Lock,
    user::pattern,
    value::{Value, values},
};

/// Which sources of a project to list; the default is all.
#[derive(Debug, Clone, Default)]
pub struct UserSourceFilter {
    /// Those whose name contains this text, ignoring case.
    pub search: Option<String>,
    /// Those with this status.
    pub status: Option<UserSourceStatus>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, name, description, issuer, client_id, client_secret, client_secret_previous, \
             secret_changed_at, secret_confirmed_at, secret_refused_at, secret_expires_at, scopes, subject_claim, callback, status, \
             identity_epoch, verified_at, last_test, created_at, updated_at, client_authentication, \
             client_method_worked FROM user_sources ",
            $rest
        )
    };
}

/// Adds a source; `Taken { field: "name" }`.
pub async fn insert(tx: &mut Tx, source: &UserSource) -> Result<(), StoreError> {
    let sql = "INSERT INTO user_sources (name, name_key, description, issuer, client_id, client_secret, \
               client_secret_previous, secret_changed_at, secret_confirmed_at, secret_refused_at, scopes, subject_claim, \
               identity_epoch, verified_at, last_test, callback, client_authentication, client_method_worked, \
               secret_expires_at, updated_at, project_id, id, status, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
               $21, $22, $23, $24) \
               ON CONFLICT (project_id, name_key) DO NOTHING";
    let own = values![
        source.project_id,
        source.id,
        to_word(&source.status),
        source.created_at,
    ];
    let values = [editable(source).as_slice(), own].concat();
    if tx.execute(sql, &values).await? == 0 {
        return Err(StoreError::Taken { field: "name" });
    }
    tx.note_change();
    Ok(())
}

/// What an edit may change of a source, as `$1` to `$20`.
fn editable(source: &UserSource) -> Vec<Value> {
    let (slots, authentication) = (&source.client_secret, source.client_authentication);
    values![
        &source.name,
        source.name.to_lowercase(),
        &source.description,
        &source.issuer,
        &source.client_id,
        &slots.current,
        slots.previous.as_ref(),
        slots.changed_at,
        slots.confirmed_at,
        slots.refused_at,
        to_json(&source.scopes),
        &source.subject_claim,
        source.identity_epoch,
        source.verified_at,
        source.last_test.as_ref().map(to_json),
        to_word(&source.callback),
        to_word(&authentication.choice),
        authentication.worked.as_ref().map(to_word),
        source.client_secret_expires_at,
        source.updated_at,
    ]
    .to_vec()
}

/// Finds a source by project and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
) -> Result<Option<UserSource>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// The same, locked until the end of the transaction: no sign-in records anything about its client secret until then.
pub async fn find_and_hold(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
) -> Result<Option<UserSource>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.lock_optional(sql, Lock::Update, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// The sources of a project that match a filter, oldest first. The index on project and ID bounds it by the sources of the
/// project, which are tens.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &UserSourceFilter,
    page: &PageRequest,
) -> Result<Page<UserSource>, StoreError> {
    let search = pattern(filter.search.as_deref().unwrap_or_default());
    let status = filter.status.as_ref().map(to_word).unwrap_or_default();
    let sql = select!(
        "WHERE project_id = $1 AND id > $2 AND name_key LIKE $3 ESCAPE '!' AND ($4 = '' OR status = $4) ORDER BY id LIMIT $5"
    );
    let rows = tx
        .fetch_all(sql, values![project, page.above(), search, status, page.rows()])
        .await?;
    page.page(rows, read)
}

/// Active sources of a project that need attention, oldest first, at most `limit`: the provider refuses the secret, a new
/// secret has not succeeded yet, or no check has shown that sign-ins can work.
pub async fn list_in_need(
    tx: &mut Tx,
    project: ProjectId,
    limit: u32,
) -> Result<Vec<UserSource>, StoreError> {
    let sql = select!(
        "WHERE project_id = $1 AND status = 'active' AND (secret_refused_at IS NOT NULL \
         OR client_secret_previous IS NOT NULL OR verified_at IS NULL) ORDER BY id LIMIT $2"
    );
    let rows = tx.fetch_all(sql, values![project, limit]).await?;
    rows.iter().map(read).collect()
}

/// Active sources of all projects whose provider refuses the client secret, oldest first, at most `limit`: project, ID and name.
pub async fn list_refused(
    tx: &mut Tx,
    limit: u32,
) -> Result<Vec<(ProjectId, UserSourceId, String)>, StoreError> {
    let sql = "SELECT project_id, id, name FROM user_sources \
               WHERE status = 'active' AND secret_refused_at IS NOT NULL ORDER BY id LIMIT $1";
    let rows = tx.fetch_all(sql, values![limit]).await?;
    let source = |row: &Row| Ok((row.id("project_id")?, row.id("id")?, row.text("name")?));
    rows.iter().map(source).collect()
}

/// A source whose client secret expires: project, ID, name and when.
pub type Expiring = (ProjectId, UserSourceId, String, Timestamp);

/// Active sources whose client secret has expired or expires before `until`, soonest first, at most `limit`; of all projects if
/// none is named.
pub async fn list_expiring(
    tx: &mut Tx,
    project: Option<ProjectId>,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Expiring>, StoreError> {
    let project = project.map(|id| id.to_string()).unwrap_or_default();
    let sql = "SELECT project_id, id, name, secret_expires_at FROM user_sources WHERE status = 'active' \
               AND secret_expires_at < $1 AND ($2 = '' OR project_id = $2) ORDER BY secret_expires_at LIMIT $3";
    let rows = tx.fetch_all(sql, values![until, project, limit]).await?;
    let source = |row: &Row| {
        Ok((
            row.id("project_id")?,
            row.id("id")?,
            row.text("name")?,
            row.time("secret_expires_at")?,
        ))
    };
    rows.iter().map(source).collect()
}

/// The sources of all projects, for the directory.
pub(crate) async fn list_all(tx: &mut Tx) -> Result<Vec<UserSource>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY id"), &[]).await?;
    rows.iter().map(read).collect()
}

/// Replaces name, description, issuer, client id, secret slots, client authentication, scopes, claim, callback, epoch,
/// verification, last test if nothing has edited it and no sign-in or `keys rotate` has touched its secret since it was
/// `seen`; never the status. `Taken { field: "name" }`. `updated_at` shows only edits, so the slots are compared too: an
/// edit that began before a secret was accepted must not bring the previous one back.
///
/// Grants of an older epoch need no change here: every use of a grant compares its epoch with the source's.
pub async fn update(tx: &mut Tx, source: &UserSource, seen: &UserSource) -> Result<bool, StoreError> {
    let sql = "UPDATE user_sources SET name = $1, name_key = $2, description = $3, issuer = $4, client_id = $5, \
               client_secret = $6, client_secret_previous = $7, secret_changed_at = $8, secret_confirmed_at = $9, \
               secret_refused_at = $10, scopes = $11, subject_claim = $12, identity_epoch = $13, verified_at = $14, \
               last_test = $15, callback = $16, client_authentication = $17, client_method_worked = $18, \
               secret_expires_at = $19, updated_at = $20 WHERE project_id = $21 AND id = $22 AND updated_at = $23 \
               AND client_secret = $24 AND COALESCE(client_secret_previous, '') = $25 \
               AND COALESCE(secret_confirmed_at, -1) = $26 AND COALESCE(secret_refused_at, -1) = $27";
    let seen_slots = &seen.client_secret;
    let since = |at: Option<Timestamp>| at.map_or(-1, Timestamp::as_millis);
    let expected = values![
        source.project_id,
        source.id,
        seen.updated_at,
        &seen_slots.current,
        seen_slots
            .previous
            .as_ref()
            .map_or("", |sealed| sealed.0.as_str()),
        since(seen_slots.confirmed_at),
        since(seen_slots.refused_at),
    ];
    let values = [editable(source).as_slice(), expected].concat();
    let updated = tx
        .execute(sql, &values)
        .await
        .map_err(|error| error.or_taken("name"))?
        > 0;
    tx.note_change();
    Ok(updated)
}

/// Activates it; `false` if there is no such source in this project.
pub async fn activate(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE user_sources SET status = 'active', updated_at = $1 WHERE project_id = $2 AND id = $3";
    let activated = tx.execute(sql, values![now, project, id]).await? > 0;
    tx.note_change();
    Ok(activated)
}

/// Deactivates it unless an active gateway uses it.
pub async fn deactivate(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
    now: Timestamp,
) -> Result<Guarded, StoreError> {
    if let Some(refused) = guard(tx, project, id).await? {
        return Ok(refused);
    }
    let sql =
        "UPDATE user_sources SET status = 'inactive', updated_at = $1 WHERE project_id = $2 AND id = $3";
    tx.execute(sql, values![now, project, id]).await?;
    tx.note_change();
    Ok(Guarded::Done)
}

/// Deletes it with its users, codes and grants unless an active gateway uses it.
pub async fn delete(tx: &mut Tx, project: ProjectId, id: UserSourceId) -> Result<Guarded, StoreError> {
    if let Some(refused) = guard(tx, project, id).await? {
        return Ok(refused);
    }
    sign_in_attempt::forget_of_user_source(tx, project, id).await?;
    incident::forget(tx, id.to_string()).await?;
    let sql = "DELETE FROM user_sources WHERE project_id = $1 AND id = $2";
    tx.execute(sql, values![project, id]).await?;
    tx.note_change();
    Ok(Guarded::Done)
}

/// Locks the source for this transaction and returns what prevents its deactivation or deletion. A gateway that is being
/// saved locks it too, so neither can overlook the other.
async fn guard(tx: &mut Tx, project: ProjectId, id: UserSourceId) -> Result<Option<Guarded>, StoreError> {
    let sql = "SELECT id FROM user_sources WHERE project_id = $1 AND id = $2";
    if tx
        .lock_optional(sql, Lock::Update, values![project, id])
        .await?
        .is_none()
    {
        return Ok(Some(Guarded::NotFound));
    }
    let sql = "SELECT id, name FROM gateways \
               WHERE project_id = $1 AND user_source_id = $2 AND status = 'active' ORDER BY id";
    let rows = tx.fetch_all(sql, values![project, id]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let named = |row: &Row| Ok((row.id("id")?, row.text("name")?));
    let gateways: Result<_, StoreError> = rows.iter().map(named).collect();
    Ok(Some(Guarded::InUse(gateways?)))
}

/// The provider accepted the current secret: confirms it, drops the previous one and clears a refusal, if `current`
/// is still stored and there is anything to do. `updated_at` stays unchanged, because this is not an edit.
pub async fn note_secret_accepted(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
    current: &SealedText,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE user_sources SET client_secret_previous = NULL, \
               secret_confirmed_at = COALESCE(secret_confirmed_at, $1), secret_refused_at = NULL \
               WHERE project_id = $2 AND id = $3 AND client_secret = $4 \
               AND (secret_confirmed_at IS NULL OR secret_refused_at IS NOT NULL)";
    let accepted = tx.execute(sql, values![now, project, id, current]).await? > 0;
    if accepted {
        tx.note_change();
    }
    Ok(accepted)
}

/// The provider refused the current secret: records the first time since it was last accepted, if `current` is still
/// stored.
pub async fn note_secret_refused(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
    current: &SealedText,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE user_sources SET secret_refused_at = $1 \
               WHERE project_id = $2 AND id = $3 AND client_secret = $4 AND secret_refused_at IS NULL";
    let noted = tx.execute(sql, values![now, project, id, current]).await? > 0;
    if noted {
        tx.note_change();
    }
    Ok(noted)
}

/// The provider accepted the client with this method: records it if the choice is automatic, the source's identity is
/// unchanged, and it differs from what is recorded. `updated_at` stays unchanged: this is not an edit.
pub async fn note_method_worked(
    tx: &mut Tx,
    project: ProjectId,
    id: UserSourceId,
    identity_epoch: i64,
    method: SecretMethod,
) -> Result<bool, StoreError> {
    let sql = "UPDATE user_sources SET client_method_worked = $1 \
               WHERE project_id = $2 AND id = $3 AND identity_epoch = $4 AND client_authentication = 'automatic' \
               AND (client_method_worked IS NULL OR client_method_worked <> $1)";
    let values = values![to_word(&method), project, id, identity_epoch];
    let noted = tx.execute(sql, values).await? > 0;
    if noted {
        tx.note_change();
    }
    Ok(noted)
}

/// The outcome of a change that an active gateway may prevent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarded {
    /// Done.
    Done,
    /// No such source in this project.
    NotFound,
    /// These active gateways (ID, name) prevent it; nothing changed.
    InUse(Vec<(GatewayId, String)>),
}

fn read(row: &Row) -> Result<UserSource, StoreError> {
    Ok(UserSource {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        name: row.text("name")?,
        description: row.text("description")?,
        issuer: row.text("issuer")?,
        client_id: row.text("client_id")?,
        client_secret: ClientSecretSlots {
            current: row.sealed("client_secret")?,
            previous: row.opt_sealed("client_secret_previous")?,
            changed_at: row.time("secret_changed_at")?,
            confirmed_at: row.opt_time("secret_confirmed_at")?,
            refused_at: row.opt_time("secret_refused_at")?,
        },
        client_secret_expires_at: row.opt_time("secret_expires_at")?,
        client_authentication: ClientAuthentication {
            choice: row.word("client_authentication")?,
            worked: row.opt_word("client_method_worked")?,
        },
        scopes: row.json("scopes")?,
        subject_claim: row.text("subject_claim")?,
        callback: row.word("callback")?,
        status: row.word("status")?,
        identity_epoch: row.int("identity_epoch")?,
        verified_at: row.opt_time("verified_at")?,
        last_test: row.opt_json("last_test")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
