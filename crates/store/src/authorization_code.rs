//! Authorization codes.

use gatewright_domain::{Timestamp, grant::AuthorizationCode, id::GatewayId, token_hash::TokenHash};

use crate::{StoreError, Tx, grant, row::Row, tx::Lock, value::values};

macro_rules! columns {
    () => {
        "code_hash, grant_id, project_id, gateway_id, user_id, user_source_id, identity_epoch, account_id, client_id, \
         client_name, redirect_uri, code_challenge, scope, created_at, expires_at, redeemed_at"
    };
}

/// Whether the person of a code may use the gateway of the row: a condition of columns or placeholders for project, user,
/// source, epoch and account.
macro_rules! person_is_good {
    ($project:literal, $user:literal, $source:literal, $epoch:literal, $account:literal) => {
        concat!(
            "((gateways.mode = 'user_source' AND EXISTS (SELECT 1 FROM user_sources \
             JOIN users ON users.user_source_id = user_sources.id WHERE user_sources.id = gateways.user_source_id \
             AND user_sources.id = ",
            $source,
            " AND user_sources.project_id = ",
            $project,
            " AND user_sources.status = 'active' AND user_sources.identity_epoch = ",
            $epoch,
            " AND users.id = ",
            $user,
            " AND users.status = 'active')) OR (gateways.mode = 'project_members' AND EXISTS (SELECT 1 FROM members \
             JOIN accounts ON accounts.id = members.account_id WHERE members.project_id = ",
            $project,
            " AND members.account_id = ",
            $account,
            " AND accounts.status = 'active')))"
        )
    };
}

/// Adds a code. Guarded: gateway active, and either of this source, the source active and of this epoch and the user
/// active, or of the project's members, the account active and one of them; else `false`.
pub async fn insert(tx: &mut Tx, code: &AuthorizationCode) -> Result<bool, StoreError> {
    let sql = concat!(
        "INSERT INTO authorization_codes (code_hash, grant_id, project_id, gateway_id, user_id, user_source_id, \
         identity_epoch, account_id, client_id, client_name, redirect_uri, code_challenge, scope, created_at, \
         expires_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM gateways \
         WHERE gateways.id = $4 AND gateways.project_id = $3 AND gateways.status = 'active' AND ",
        person_is_good!("$3", "$5", "$6", "$7", "$8")
    );
    let values = values![
        code.hash,
        code.grant_id,
        code.project_id,
        code.gateway_id,
        code.person.user_id(),
        code.person.user_source_id(),
        code.person.identity_epoch(),
        code.person.account_id(),
        &code.client_id,
        &code.client_name,
        &code.redirect_uri,
        &code.code_challenge,
        &code.scope,
        code.created_at,
        code.expires_at,
    ];
    Ok(tx.execute(sql, values).await? > 0)
}

/// What came of presenting a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redemption {
    /// It was good and is now used up. Client, redirect and verifier are checked by the caller in the same
    /// transaction, which it drops when they fail, so that a stranger cannot use up somebody's code.
    Redeemed(Box<AuthorizationCode>),
    /// It had been redeemed before, at this time.
    Replayed {
        /// The code.
        code: Box<AuthorizationCode>,
        /// When it was redeemed.
        redeemed_at: Timestamp,
    },
    /// Unknown, expired, of another gateway, or its gateway, source, epoch or user is no longer good.
    Refused,
}

/// Redeems a code in one guarded update: unredeemed, unexpired, of this gateway, epoch current, user active.
pub async fn redeem(
    tx: &mut Tx,
    gateway: GatewayId,
    code: TokenHash,
    now: Timestamp,
) -> Result<Redemption, StoreError> {
    // Gateway and person are held until the grant is stored: whoever blocks or removes the person or changes the gateway
    // either comes first and is seen here, or comes later and finds the grant.
    let sql = "SELECT users.id FROM authorization_codes \
               JOIN gateways ON gateways.id = authorization_codes.gateway_id \
               JOIN users ON users.id = authorization_codes.user_id WHERE authorization_codes.code_hash = $1";
    tx.lock_all(sql, Lock::ShareOf("gateways, users"), values![code])
        .await?;
    let sql = "SELECT accounts.id FROM authorization_codes \
               JOIN gateways ON gateways.id = authorization_codes.gateway_id \
               JOIN members ON members.project_id = authorization_codes.project_id \
               AND members.account_id = authorization_codes.account_id \
               JOIN accounts ON accounts.id = members.account_id WHERE authorization_codes.code_hash = $1";
    tx.lock_all(sql, Lock::ShareOf("gateways, members, accounts"), values![code])
        .await?;
    let sql = concat!(
        "UPDATE authorization_codes SET redeemed_at = $1 WHERE code_hash = $2 AND gateway_id = $3 \
         AND redeemed_at IS NULL AND expires_at > $1 AND EXISTS (SELECT 1 FROM gateways \
         WHERE gateways.id = authorization_codes.gateway_id AND gateways.status = 'active' AND ",
        person_is_good!(
            "authorization_codes.project_id",
            "authorization_codes.user_id",
            "authorization_codes.user_source_id",
            "authorization_codes.identity_epoch",
            "authorization_codes.account_id"
        ),
        ") RETURNING ",
        columns!()
    );
    if let Some(row) = tx.fetch_optional(sql, values![now, code, gateway]).await? {
        return Ok(Redemption::Redeemed(Box::new(read(&row)?)));
    }
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM authorization_codes WHERE code_hash = $1 AND gateway_id = $2 AND redeemed_at IS NOT NULL"
    );
    let Some(row) = tx.fetch_optional(sql, values![code, gateway]).await? else {
        return Ok(Redemption::Refused);
    };
    Ok(Redemption::Replayed {
        code: Box::new(read(&row)?),
        redeemed_at: row.time("redeemed_at")?,
    })
}

/// A code as it is stored, and when it was redeemed. For a look before a transaction that writes.
pub async fn find(
    tx: &mut Tx,
    code: TokenHash,
) -> Result<Option<(AuthorizationCode, Option<Timestamp>)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM authorization_codes WHERE code_hash = $1"
    );
    let Some(row) = tx.fetch_optional(sql, values![code]).await? else {
        return Ok(None);
    };
    Ok(Some((read(&row)?, row.opt_time("redeemed_at")?)))
}

/// Forgets codes that expired before `before`, at most `limit` (kept a day so that replays are recognised).
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM authorization_codes WHERE code_hash IN \
               (SELECT code_hash FROM authorization_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

fn read(row: &Row) -> Result<AuthorizationCode, StoreError> {
    Ok(AuthorizationCode {
        hash: row.hash("code_hash")?,
        grant_id: row.id("grant_id")?,
        project_id: row.id("project_id")?,
        gateway_id: row.id("gateway_id")?,
        person: grant::read_person(row)?,
        client_id: row.text("client_id")?,
        client_name: row.text("client_name")?,
        redirect_uri: row.text("redirect_uri")?,
        code_challenge: row.text("code_challenge")?,
        scope: row.text("scope")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
