//! Invitations.

use gatewright_domain::{
    Timestamp,
    account::Email,
    audit::ActorKind,
    id::{AccountId, InvitationId, ProjectId},
    invitation::Invitation,
    token_hash::TokenHash,
};

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_word},
    value::values,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, email, role, token_hash, created_at, expires_at, accepted_at, accepted_by, \
             revoked_at FROM invitations ",
            $rest
        )
    };
}

/// Adds an invitation of this creator, and revokes an open one of the same project for the same address.
/// `Taken { field: "email" }` if another one for the address is created at the same moment.
pub async fn insert(tx: &mut Tx, invitation: &Invitation, maker: ActorKind) -> Result<(), StoreError> {
    let sql = "UPDATE invitations SET revoked_at = $1 \
               WHERE project_id = $2 AND email_key = $3 AND accepted_at IS NULL AND revoked_at IS NULL";
    let key = invitation.email.key();
    let values = values![invitation.created_at, invitation.project_id, &key];
    tx.execute(sql, values).await?;
    let sql = "INSERT INTO invitations (id, project_id, email, email_key, role, token_hash, created_at, expires_at, \
               made_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
               ON CONFLICT (project_id, email_key) WHERE accepted_at IS NULL AND revoked_at IS NULL DO NOTHING";
    let values = values![
        invitation.id,
        invitation.project_id,
        invitation.email.as_str(),
        key,
        to_word(&invitation.role),
        invitation.hash,
        invitation.created_at,
        invitation.expires_at,
        maker.to_string(),
    ];
    match tx.execute(sql, values).await? {
        0 => Err(StoreError::Taken { field: "email" }),
        _ => Ok(()),
    }
}

/// Finds an invitation by project and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    id: InvitationId,
) -> Result<Option<Invitation>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// Finds an invitation by the hash of the token in its link, whatever its state.
pub async fn find_by_hash(tx: &mut Tx, hash: TokenHash) -> Result<Option<Invitation>, StoreError> {
    let row = tx
        .fetch_optional(select!("WHERE token_hash = $1"), values![hash])
        .await?;
    row.as_ref().map(read).transpose()
}

/// All invitations of a project, newest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<Invitation>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    let rows = tx
        .fetch_all(sql, values![project, page.below(), page.rows()])
        .await?;
    page.page(rows, read)
}

/// Whether an address has an open invitation.
pub async fn is_invited(tx: &mut Tx, email: &Email, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM invitations WHERE email_key = $1 AND accepted_at IS NULL AND revoked_at IS NULL \
               AND expires_at > $2 LIMIT 1";
    Ok(tx.fetch_optional(sql, values![email.key(), now]).await?.is_some())
}

/// Accepts an invitation once: returns it, or nothing if it was accepted or revoked, has expired, is for another address or
/// is unknown.
pub async fn accept(
    tx: &mut Tx,
    hash: TokenHash,
    email: &Email,
    by: AccountId,
    now: Timestamp,
) -> Result<Option<Invitation>, StoreError> {
    let sql = "UPDATE invitations SET accepted_at = $1, accepted_by = $2 WHERE token_hash = $3 AND email_key = $4 \
               AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $1 \
               RETURNING id, project_id, email, role, token_hash, created_at, expires_at, accepted_at, accepted_by, \
               revoked_at";
    let row = tx
        .fetch_optional(sql, values![now, by, hash, email.key()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Revokes an invitation; `false` if it was accepted or revoked before, or is unknown.
pub async fn revoke(
    tx: &mut Tx,
    project: ProjectId,
    id: InvitationId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE invitations SET revoked_at = $1 \
               WHERE project_id = $2 AND id = $3 AND accepted_at IS NULL AND revoked_at IS NULL";
    Ok(tx.execute(sql, values![now, project, id]).await? > 0)
}

/// Revokes all open invitations of a creator, in one project or (`None`) in all; returns them.
pub async fn revoke_of(
    tx: &mut Tx,
    project: Option<ProjectId>,
    maker: ActorKind,
    now: Timestamp,
) -> Result<Vec<Invitation>, StoreError> {
    let sql = "UPDATE invitations SET revoked_at = $1 WHERE made_by = $2 AND ($3 = '' OR project_id = $3) \
               AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $1 \
               RETURNING id, project_id, email, role, token_hash, created_at, expires_at, accepted_at, accepted_by, \
               revoked_at";
    let project = project.map(|id| id.to_string()).unwrap_or_default();
    let rows = tx
        .fetch_all(sql, values![now, maker.to_string(), project])
        .await?;
    rows.iter().map(read).collect()
}

/// Lets open invitations of a creator expire at `at`, unless they expire earlier.
pub async fn shorten_of(tx: &mut Tx, maker: ActorKind, at: Timestamp) -> Result<u64, StoreError> {
    let sql = "UPDATE invitations SET expires_at = $1 WHERE made_by = $2 AND expires_at > $1 \
               AND accepted_at IS NULL AND revoked_at IS NULL";
    tx.execute(sql, values![at, maker.to_string()]).await
}

/// Deletes invitations that ended before `before`, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql =
        "DELETE FROM invitations WHERE id IN (SELECT id FROM invitations WHERE expires_at < $1 LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

fn read(row: &Row) -> Result<Invitation, StoreError> {
    let accepted = match row.opt_time("accepted_at")? {
        Some(at) => Some((at, row.id("accepted_by")?)),
        None => None,
    };
    Ok(Invitation {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        email: Email::stored(row.text("email")?),
        role: row.word("role")?,
        hash: row.hash("token_hash")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        accepted,
        revoked_at: row.opt_time("revoked_at")?,
    })
}
