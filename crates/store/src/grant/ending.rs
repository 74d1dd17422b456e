//! Ending grants: one, all of a person, of a gateway or of a client, and those over the limit.

use gatewright_domain::{
    Timestamp,
    grant::{Grant, Person, RevocationReason},
    id::{GatewayId, GrantId, ProjectId},
};
use sqlx::AssertSqlSafe;

use super::Holder;
use crate::{
    StoreError, Tx,
    revocation::{self, leeway, tokens_until},
    row::to_word,
    tx::Lock,
    value::{Value, places, values},
};

/// The number of grants ended by one statement: far below the placeholder limit of either engine, and enough that the statements
/// cost little compared with the rows.
const ENDED_AT_ONCE: usize = 500;

/// Live grants that one person can have with one client at one gateway. One client is one app of one person: apps that publish
/// a document share that client on all machines of the person.
const PER_CLIENT: u32 = 20;
/// Live grants that one person can have at one gateway. Apps that register themselves are a new client each time.
const PER_GATEWAY: u32 = 100;
/// The number of grants ended at once for the limit. There can only be more from before the limit existed.
const GIVE_WAY_AT_ONCE: u32 = 1_000;

/// Ends the least recently used grants of a person that are over the limit since `grant` began; returns how many. The
/// caller has locked the person, as [`crate::authorization_code::redeem`] does, so that concurrent grants see each other.
pub async fn make_room(tx: &mut Tx, grant: &Grant, now: Timestamp) -> Result<u64, StoreError> {
    // One query for both limits, so that all are locked in the order of their IDs.
    macro_rules! too_many {
        ($person:literal) => {
            concat!(
                "SELECT id FROM grants WHERE revoked_at IS NULL AND id IN (SELECT id FROM (SELECT id FROM grants WHERE ",
                $person,
                " = $1 AND gateway_id = $2 AND client_id = $3 AND revoked_at IS NULL AND live_until > $4 \
                 AND id <> $5 ORDER BY last_used_at DESC, id DESC LIMIT $6 OFFSET $7) AS of_client \
                 UNION SELECT id FROM (SELECT id FROM grants WHERE ",
                $person,
                " = $1 AND gateway_id = $2 AND revoked_at IS NULL AND live_until > $4 \
                 AND id <> $5 ORDER BY last_used_at DESC, id DESC LIMIT $6 OFFSET $8) AS of_gateway) ORDER BY id"
            )
        };
    }
    let (sql, holder): (_, Value) = match grant.person {
        Person::User { user_id, .. } => (too_many!("user_id"), user_id.into()),
        Person::Member(account_id) => (too_many!("account_id"), account_id.into()),
    };
    let values = values![
        holder,
        grant.gateway_id,
        &grant.client_id,
        now,
        grant.id,
        GIVE_WAY_AT_ONCE,
        PER_CLIENT - 1,
        PER_GATEWAY - 1,
    ];
    revoke_found(tx, sql, values, RevocationReason::GaveWay, now).await
}

/// The start of a query for grants that may still have tokens at `$1`; `$2` is the leeway. A grant that expired may have
/// left access tokens behind, if its idle time was shortened after they were issued.
macro_rules! select_unended {
    ($rest:literal) => {
        concat!(
            "SELECT id FROM grants WHERE revoked_at IS NULL AND (live_until > $1 OR ",
            tokens_until!("$2"),
            " > $1) ",
            $rest
        )
    };
}

/// Ends one grant and its refresh tokens, and writes its revocation; `false` if it had ended before, or expired so long
/// ago that it has no tokens left.
pub async fn revoke(
    tx: &mut Tx,
    project: ProjectId,
    id: GrantId,
    reason: RevocationReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = select_unended!("AND project_id = $3 AND id = $4");
    let values = values![now, leeway(), project, id];
    let ended = revoke_found(tx, sql, values, reason, now).await?;
    Ok(ended > 0)
}

/// Ends all grants of a person that may still have tokens; returns how many.
pub async fn revoke_of(
    tx: &mut Tx,
    project: ProjectId,
    holder: Holder,
    reason: RevocationReason,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = match holder {
        Holder::User(_) => {
            select_unended!("AND project_id = $3 AND user_id = $4 ORDER BY id")
        }
        Holder::Member(_) => {
            select_unended!("AND project_id = $3 AND account_id = $4 ORDER BY id")
        }
    };
    let values = values![now, leeway(), project, holder];
    revoke_found(tx, sql, values, reason, now).await
}

/// Ends all grants of a gateway that may still have tokens; returns how many.
pub async fn revoke_of_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    reason: RevocationReason,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = select_unended!("AND project_id = $3 AND gateway_id = $4 ORDER BY id");
    let values = values![now, leeway(), project, gateway];
    revoke_found(tx, sql, values, reason, now).await
}

/// Ends all grants of a client at a gateway that may still have tokens; returns how many.
pub async fn revoke_of_client(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    client_id: &str,
    reason: RevocationReason,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = select_unended!("AND project_id = $3 AND gateway_id = $4 AND client_id = $5 ORDER BY id");
    let values = values![now, leeway(), project, gateway, client_id];
    revoke_found(tx, sql, values, reason, now).await
}

/// Ends the grants a query finds. They are locked first, in the order of their IDs, so that transactions that end overlapping
/// sets wait for each other instead of deadlocking. A client or gateway may have a hundred thousand of them, and
/// on SQLite every other writer waits, so they are ended in batches and not one by one.
async fn revoke_found(
    tx: &mut Tx,
    sql: &'static str,
    values: &[Value],
    reason: RevocationReason,
    now: Timestamp,
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
        revocation::insert_grants(tx, batch, now).await?;
    }
    Ok(ended)
}
