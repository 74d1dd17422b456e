//! Grants. Administrators address them by project. Requests of clients address them by gateway, which is the issuer of their
//! tokens: a grant of another gateway does not exist for them, of the same project or not.

mod ending;

use std::collections::BTreeMap;

use gatewright_domain::{
    Timestamp,
    grant::{Grant, Person},
    id::{AccountId, GatewayId, GrantId, ProjectId, UserId},
    token_hash::TokenHash,
};

pub use ending::{make_room, revoke, revoke_of, revoke_of_client, revoke_of_gateway};

use crate::{
    Page, PageRequest, StoreError, Tx, account,
    row::{Row, to_word},
    tx::Lock,
    user,
    value::{Value, values},
};

macro_rules! columns {
    () => {
        "grants.id, grants.project_id, grants.gateway_id, grants.user_id, grants.user_source_id, \
         grants.identity_epoch, grants.account_id, grants.client_id, grants.client_name, grants.scope, \
         grants.destination, grants.begun_with_key, grants.created_at, grants.ends_at, grants.last_used_at, grants.revoked_at, \
         grants.revoked_reason"
    };
}

macro_rules! select {
    ($($rest:expr),+) => {
        concat!("SELECT ", columns!(), " FROM grants ", $($rest),+)
    };
}

/// Grants that tokens are issued and accepted for now, or will be again once their gateway and source are active: the
/// latter sleep. `$1` is the time.
macro_rules! standing {
    () => {
        "JOIN gateways ON gateways.id = grants.gateway_id \
             LEFT JOIN users ON users.id = grants.user_id AND users.status = 'active' \
             LEFT JOIN user_sources ON user_sources.id = grants.user_source_id \
             AND user_sources.identity_epoch = grants.identity_epoch \
             LEFT JOIN members ON members.project_id = grants.project_id AND members.account_id = grants.account_id \
             LEFT JOIN accounts ON accounts.id = members.account_id AND accounts.status = 'active' \
             WHERE ((gateways.mode = 'user_source' AND gateways.user_source_id = user_sources.id \
             AND users.id IS NOT NULL) \
             OR (gateways.mode = 'project_members' AND accounts.id IS NOT NULL)) \
             AND grants.revoked_at IS NULL AND grants.live_until > $1 \
             AND NOT EXISTS (SELECT 1 FROM client_blocks WHERE client_blocks.gateway_id = grants.gateway_id \
             AND client_blocks.client_id = grants.client_id) "
    };
}

/// The condition for those that do not sleep.
macro_rules! awake {
    () => {
        "gateways.status = 'active' AND (user_sources.id IS NULL OR user_sources.status = 'active') "
    };
}

/// Only grants that tokens may still be issued and accepted for.
macro_rules! live {
    () => {
        concat!(standing!(), "AND ", awake!())
    };
}

macro_rules! select_live {
    ($rest:literal) => {
        select!(live!(), $rest)
    };
}

pub(crate) use {awake, standing};

/// Begins a grant, which has no tokens yet.
pub async fn insert(tx: &mut Tx, grant: &Grant) -> Result<(), StoreError> {
    let sql = "INSERT INTO grants (id, project_id, gateway_id, user_id, user_source_id, identity_epoch, account_id, \
               client_id, client_name, scope, destination, begun_with_key, created_at, ends_at, live_until, last_used_at, \
               token_life, revoked_at, revoked_reason) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17, $18)";
    let values = values![
        grant.id,
        grant.project_id,
        grant.gateway_id,
        grant.person.user_id(),
        grant.person.user_source_id(),
        grant.person.identity_epoch(),
        grant.person.account_id(),
        &grant.client_id,
        &grant.client_name,
        &grant.scope,
        &grant.destination,
        i64::from(grant.begun_with_key),
        grant.created_at,
        grant.ends_at,
        grant.revoked.map_or(grant.ends_at, |(at, _)| at),
        grant.last_used_at,
        grant.revoked.map(|(at, _)| at),
        grant.revoked.map(|(_, reason)| to_word(&reason)),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Finds a grant by ID, at this gateway.
pub async fn find(tx: &mut Tx, gateway: GatewayId, id: GrantId) -> Result<Option<Grant>, StoreError> {
    let sql = select!("WHERE id = $1 AND gateway_id = $2");
    let row = tx.fetch_optional(sql, values![id, gateway]).await?;
    row.as_ref().map(read).transpose()
}

/// The person of a grant, as requests need it: the raw value that identifies them, and their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The value of the subject claim, or a member's account id.
    pub subject: String,
    /// For display, if known.
    pub email: Option<String>,
    /// For display, if known.
    pub display_name: Option<String>,
}

/// A grant and its person, for the first request with an access token on this replica; `None` unless live at `now`: not
/// revoked, not expired, and either the user active, the source's epoch current and the gateway still using that source, or
/// the account active, a member of the project and the gateway still for the project's members.
pub async fn find_live(
    tx: &mut Tx,
    gateway: GatewayId,
    id: GrantId,
    now: Timestamp,
) -> Result<Option<(Grant, Named)>, StoreError> {
    let sql = select_live!("AND grants.id = $2 AND grants.gateway_id = $3");
    let row = tx.fetch_optional(sql, values![now, id, gateway]).await?;
    let Some(grant) = row.as_ref().map(read).transpose()? else {
        return Ok(None);
    };
    let named = match grant.person {
        Person::User { user_id, .. } => {
            let user = user::find(tx, grant.project_id, user_id).await?;
            user.map(|user| Named {
                subject: user.key.subject,
                email: user.email,
                display_name: user.display_name,
            })
        }
        Person::Member(account_id) => {
            let account = account::find(tx, account_id).await?;
            account.map(|account| Named {
                subject: account.id.to_string(),
                email: account.proven_email().map(str::to_owned),
                display_name: Some(account.name),
            })
        }
    };
    Ok(named.map(|named| (grant, named)))
}

/// The grant of a refresh token, locked until the end of the transaction; `None` unless live at `now` and of this
/// gateway and client.
pub(crate) async fn lock_live(
    tx: &mut Tx,
    gateway: GatewayId,
    client_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<Grant>, StoreError> {
    let sql = select_live!("AND grants.id = $2 AND grants.gateway_id = $3 AND grants.client_id = $4");
    let values = values![now, id, gateway, client_id];
    let row = tx.lock_optional(sql, Lock::UpdateOf("grants"), values).await?;
    row.as_ref().map(read).transpose()
}

/// The grant of an unexpired refresh token, locked like that of [`lock_live`].
pub(crate) async fn lock_live_of_token(
    tx: &mut Tx,
    gateway: GatewayId,
    client_id: &str,
    token: TokenHash,
    now: Timestamp,
) -> Result<Option<Grant>, StoreError> {
    let sql = select_live!(
        "AND grants.id = (SELECT grant_id FROM refresh_tokens WHERE token_hash = $2 AND expires_at > $1) \
         AND grants.gateway_id = $3 AND grants.client_id = $4"
    );
    let values = values![now, token, gateway, client_id];
    let row = tx.lock_optional(sql, Lock::UpdateOf("grants"), values).await?;
    row.as_ref().map(read).transpose()
}

/// The grant of a refresh token, and the generation of that token's successor: see [`crate::refresh_token::find_known`].
pub(crate) async fn find_of_token(
    tx: &mut Tx,
    gateway: GatewayId,
    token: TokenHash,
) -> Result<Option<(Grant, i64)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", COALESCE(refresh_tokens.generation, grants.generation + 1) + 1 AS next FROM refresh_tokens \
         JOIN grants ON grants.id = refresh_tokens.grant_id \
         WHERE refresh_tokens.token_hash = $1 AND grants.gateway_id = $2"
    );
    let Some(row) = tx.fetch_optional(sql, values![token, gateway]).await? else {
        return Ok(None);
    };
    Ok(Some((read(&row)?, row.int("next")?)))
}

/// Sets `last_used_at` to `$1`, and how long after that the last access token expires: the one issued now, which expires
/// at `$2`, or an earlier one with a longer lifetime.
macro_rules! note_access_token {
    () => {
        "token_life = CASE WHEN last_used_at + token_life > $2 THEN last_used_at + token_life ELSE $2 END - $1, \
         last_used_at = $1"
    };
}

/// A refresh token and the access token issued with it.
pub(crate) struct Issued {
    pub(crate) at: Timestamp,
    pub(crate) access_token_ends_at: Timestamp,
    /// When the refresh token expires without use.
    pub(crate) idle_end: Timestamp,
    /// The generation of the refresh token, if it has one.
    pub(crate) generation: Option<i64>,
}

/// Records that tokens were issued, and how long the grant lives if none of them is used. The caller has inserted or locked
/// the grant, at its gateway.
pub(crate) async fn note_issued(tx: &mut Tx, id: GrantId, issued: &Issued) -> Result<(), StoreError> {
    let sql = concat!(
        "UPDATE grants SET ",
        note_access_token!(),
        ", live_until = CASE WHEN ends_at < $3 THEN ends_at ELSE $3 END, generation = COALESCE($4, generation) \
         WHERE id = $5 AND revoked_at IS NULL"
    );
    let values = values![
        issued.at,
        issued.access_token_ends_at,
        issued.idle_end,
        issued.generation,
        id
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Records that an access token was issued with a refresh token that was issued before. The caller has locked the grant, at
/// its gateway.
pub(crate) async fn note_repeated(
    tx: &mut Tx,
    id: GrantId,
    now: Timestamp,
    access_token_ends_at: Timestamp,
) -> Result<(), StoreError> {
    let sql = concat!(
        "UPDATE grants SET ",
        note_access_token!(),
        " WHERE id = $3 AND revoked_at IS NULL"
    );
    tx.execute(sql, values![now, access_token_ends_at, id]).await?;
    Ok(())
}

/// The first use of an access token of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The generation of the refresh token it was issued with.
    pub generation: i64,
    /// When it was first used.
    pub at: Timestamp,
}

/// Records first uses of access tokens, the newest of each grant, in the order of their IDs. They are of many projects, and
/// come from tokens that we signed.
pub async fn note_seen(tx: &mut Tx, seen: &BTreeMap<GrantId, Seen>) -> Result<(), StoreError> {
    let sql = "UPDATE grants SET seen_generation = $1, seen_at = $2 \
               WHERE id = $3 AND seen_generation < $1 AND revoked_at IS NULL";
    for (id, Seen { generation, at }) in seen {
        tx.execute(sql, values![*generation, *at, *id]).await?;
    }
    Ok(())
}

/// A person who holds grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A user of a source.
    User(UserId),
    /// A member of the project.
    Member(AccountId),
}

impl From<Holder> for Value {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::User(id) => id.into(),
            Holder::Member(id) => id.into(),
        }
    }
}

/// Grants of a person that are neither revoked nor expired at `now`, newest first.
pub async fn list_of(
    tx: &mut Tx,
    project: ProjectId,
    holder: Holder,
    now: Timestamp,
    page: &PageRequest,
) -> Result<Page<Grant>, StoreError> {
    let sql = match holder {
        Holder::User(_) => select_live!(
            "AND grants.project_id = $2 AND grants.user_id = $3 AND grants.id < $4 ORDER BY grants.id DESC LIMIT $5"
        ),
        Holder::Member(_) => select_live!(
            "AND grants.project_id = $2 AND grants.account_id = $3 AND grants.id < $4 ORDER BY grants.id DESC LIMIT $5"
        ),
    };
    let values = values![now, project, holder, page.below(), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// Live grants of a person at one gateway, newest first, at most `limit`.
pub async fn list_at(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    holder: Holder,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Grant>, StoreError> {
    let sql = match holder {
        Holder::User(_) => select_live!(
            "AND grants.project_id = $2 AND grants.gateway_id = $3 AND grants.user_id = $4 ORDER BY grants.id DESC LIMIT $5"
        ),
        Holder::Member(_) => select_live!(
            "AND grants.project_id = $2 AND grants.gateway_id = $3 AND grants.account_id = $4 ORDER BY grants.id DESC LIMIT $5"
        ),
    };
    let values = values![now, project, gateway, holder, limit];
    tx.fetch_all(sql, values).await?.iter().map(read).collect()
}

/// One unrevoked grant of a person, whether or not its gateway is active or its source has changed.
pub async fn find_unrevoked(
    tx: &mut Tx,
    project: ProjectId,
    holder: Holder,
    id: GrantId,
) -> Result<Option<Grant>, StoreError> {
    let sql = match holder {
        Holder::User(_) => {
            select!("WHERE id = $1 AND project_id = $2 AND user_id = $3 AND revoked_at IS NULL")
        }
        Holder::Member(_) => {
            select!("WHERE id = $1 AND project_id = $2 AND account_id = $3 AND revoked_at IS NULL")
        }
    };
    let row = tx.fetch_optional(sql, values![id, project, holder]).await?;
    row.as_ref().map(read).transpose()
}

/// Deletes grants that ended or were revoked before `before`, with their tokens, at most `limit`.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM grants WHERE id IN \
               (SELECT id FROM grants WHERE live_until < $1 ORDER BY live_until LIMIT $2) AND live_until < $1";
    tx.execute(sql, values![before, limit]).await
}

/// The person of a grant or code.
pub(crate) fn read_person(row: &Row) -> Result<Person, StoreError> {
    Ok(match row.opt_id("account_id")? {
        Some(account_id) => Person::Member(account_id),
        None => Person::User {
            user_id: row.id("user_id")?,
            user_source_id: row.id("user_source_id")?,
            identity_epoch: row.int("identity_epoch")?,
        },
    })
}

pub(crate) fn read(row: &Row) -> Result<Grant, StoreError> {
    let revoked = match row.opt_time("revoked_at")? {
        Some(at) => Some((at, row.word("revoked_reason")?)),
        None => None,
    };
    Ok(Grant {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        gateway_id: row.id("gateway_id")?,
        person: read_person(row)?,
        client_id: row.text("client_id")?,
        client_name: row.text("client_name")?,
        scope: row.text("scope")?,
        destination: row.opt_text("destination")?,
        begun_with_key: row.int("begun_with_key")? != 0,
        created_at: row.time("created_at")?,
        ends_at: row.time("ends_at")?,
        last_used_at: row.time("last_used_at")?,
        revoked,
    })
}
