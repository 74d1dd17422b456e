//! Grants.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    gateway::MAX_ACCESS_TOKEN_SECONDS,
    grant::{Grant, Person, RevocationReason},
    id::{AccountId, GatewayId, GrantId, ProjectId, UserId},
};

use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx, account, revocation,
    row::{Row, to_word},
    tx::Lock,
    user,
    value::{Value, places, values},
};

/// Grants ended by one statement: far below what either engine takes as placeholders, and enough that statements cost
/// nothing beside the rows.
const ENDED_AT_ONCE: usize = 500;

macro_rules! select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT grants.id, grants.project_id, grants.gateway_id, grants.user_id, grants.user_source_id, \
             grants.identity_epoch, grants.account_id, grants.client_id, grants.client_name, grants.scope, \
             grants.begun_with_key, grants.created_at, grants.ends_at, grants.last_used_at, grants.revoked_at, \
             grants.revoked_reason FROM grants ",
            $($rest),+
        )
    };
}

/// Grants that tokens are issued and accepted for now, or will be again once their gateway and their source are active: the
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

/// What does not sleep of them.
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

/// Begins a grant.
pub async fn insert(tx: &mut Tx, grant: &Grant) -> Result<(), StoreError> {
    let sql = "INSERT INTO grants (id, project_id, gateway_id, user_id, user_source_id, identity_epoch, account_id, \
               client_id, client_name, scope, begun_with_key, created_at, ends_at, live_until, last_used_at, revoked_at, \
               revoked_reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
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

/// By id, of this gateway.
pub async fn find(tx: &mut Tx, gateway: GatewayId, id: GrantId) -> Result<Option<Grant>, StoreError> {
    let sql = select!("WHERE id = $1 AND gateway_id = $2");
    let row = tx.fetch_optional(sql, values![id, gateway]).await?;
    row.as_ref().map(read).transpose()
}

/// Whose grant it is, as far as requests tell: the raw value that names the person, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The value of the subject claim, or a member's account id.
    pub subject: String,
    /// For display, where known.
    pub email: Option<String>,
    /// For display, where known.
    pub display_name: Option<String>,
}

/// A grant and whose it is, for the first request of an access token on this replica; `None` unless live at `now`: not
/// revoked, not ended, and either the user active, the source's epoch current and the gateway still of that source, or
/// the account active, a member of the project and the gateway still of the project's members.
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
                // What an inviter typed is no statement about the person.
                email: account.address_proven.then(|| account.email.as_str().to_owned()),
                display_name: Some(account.name),
            })
        }
    };
    Ok(named.map(|named| (grant, named)))
}

/// The grant of a refresh token, held until the end of the transaction; `None` unless live at `now` and of this
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

/// Notes that a token was issued, and how long the grant lives now when that is not used.
pub(crate) async fn note_used(
    tx: &mut Tx,
    id: GrantId,
    now: Timestamp,
    idle_end: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE grants SET last_used_at = $1, live_until = CASE WHEN ends_at < $2 THEN ends_at ELSE $2 END \
               WHERE id = $3 AND revoked_at IS NULL";
    tx.execute(sql, values![now, idle_end, id]).await?;
    Ok(())
}

/// Somebody who holds grants.
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

/// Grants of somebody that have not been revoked and have not ended by `now`, newest first.
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

/// One grant of somebody that nobody has ended, whether or not its gateway is active or its source is what it was.
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

/// A grant that ran out may have left access tokens behind, when its idle time was shortened after they were issued.
/// None of them lives longer than this after the grant.
fn tokens_live_since(now: Timestamp) -> Timestamp {
    now.minus(Duration::from_secs(MAX_ACCESS_TOKEN_SECONDS.into()))
}

/// Ends one grant and its refresh tokens, and writes its revocation until `until`; `false` when it was ended before, or
/// ran out so long ago that no token of it is left.
pub async fn revoke(
    tx: &mut Tx,
    project: ProjectId,
    id: GrantId,
    reason: RevocationReason,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let sql =
        "SELECT id FROM grants WHERE revoked_at IS NULL AND live_until > $1 AND project_id = $2 AND id = $3";
    let values = values![tokens_live_since(now), project, id];
    let ended = revoke_found(tx, sql, values, reason, now, until).await?;
    Ok(ended > 0)
}

/// Ends all grants of somebody that may still have tokens; how many.
pub async fn revoke_of(
    tx: &mut Tx,
    project: ProjectId,
    holder: Holder,
    reason: RevocationReason,
    now: Timestamp,
    until: Timestamp,
) -> Result<u64, StoreError> {
    let sql = match holder {
        Holder::User(_) => {
            "SELECT id FROM grants WHERE revoked_at IS NULL AND live_until > $1 AND project_id = $2 \
             AND user_id = $3 ORDER BY id"
        }
        Holder::Member(_) => {
            "SELECT id FROM grants WHERE revoked_at IS NULL AND live_until > $1 AND project_id = $2 \
             AND account_id = $3 ORDER BY id"
        }
    };
    let values = values![tokens_live_since(now), project, holder];
    revoke_found(tx, sql, values, reason, now, until).await
}

/// Ends all grants of a gateway that may still have tokens; how many.
pub async fn revoke_of_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    reason: RevocationReason,
    now: Timestamp,
    until: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "SELECT id FROM grants WHERE revoked_at IS NULL AND live_until > $1 AND project_id = $2 \
               AND gateway_id = $3 ORDER BY id";
    let values = values![tokens_live_since(now), project, gateway];
    revoke_found(tx, sql, values, reason, now, until).await
}

/// Ends all grants of a client at a gateway that may still have tokens; how many.
pub async fn revoke_of_client(
    tx: &mut Tx,
    gateway: GatewayId,
    client_id: &str,
    reason: RevocationReason,
    now: Timestamp,
    until: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "SELECT id FROM grants WHERE revoked_at IS NULL AND live_until > $1 AND gateway_id = $2 \
               AND client_id = $3 ORDER BY id";
    let values = values![tokens_live_since(now), gateway, client_id];
    revoke_found(tx, sql, values, reason, now, until).await
}

/// Ends the grants a query finds. They are held first, in the order of their ids, so that two who end overlapping
/// sets wait for each other in a line and not in a circle. A client or gateway may have a hundred thousand of them, and
/// on SQLite everybody who writes waits meanwhile, so they are ended in batches and not one by one.
async fn revoke_found(
    tx: &mut Tx,
    sql: &'static str,
    values: &[Value],
    reason: RevocationReason,
    now: Timestamp,
    until: Timestamp,
) -> Result<u64, StoreError> {
    let held = tx.lock_all(sql, Lock::Update, values).await?;
    let ids = held
        .iter()
        .map(|row| row.id("id"))
        .collect::<Result<Vec<GrantId>, _>>()?;
    let mut ended = 0;
    for batch in ids.chunks(ENDED_AT_ONCE) {
        let sql = format!(
            "UPDATE grants SET revoked_at = $1, live_until = $1, revoked_reason = $2 \
             WHERE revoked_at IS NULL AND id IN ({})",
            places(3, batch)
        );
        let mut values = values![now, to_word(&reason)].to_vec();
        values.extend(batch.iter().copied().map(Value::from));
        ended += tx.execute(AssertSqlSafe(sql), &values).await?;
        let sql = format!(
            "DELETE FROM refresh_tokens WHERE grant_id IN ({})",
            places(1, batch)
        );
        tx.execute(AssertSqlSafe(sql), &values[2..]).await?;
        revocation::insert_grants(tx, batch, until).await?;
    }
    Ok(ended)
}

/// Deletes grants that ended or were revoked before `before`, with their tokens, at most `limit`.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM grants WHERE id IN \
               (SELECT id FROM grants WHERE live_until < $1 ORDER BY live_until LIMIT $2) AND live_until < $1";
    tx.execute(sql, values![before, limit]).await
}

/// Whose a grant or code is.
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
        begun_with_key: row.int("begun_with_key")? != 0,
        created_at: row.time("created_at")?,
        ends_at: row.time("ends_at")?,
        last_used_at: row.time("last_used_at")?,
        revoked,
    })
}
