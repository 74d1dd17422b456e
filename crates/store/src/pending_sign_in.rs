//! Pending sign-ins, capped per address prefix and expiring.
//!
//! How many there are is counted as they come and go, in all and per prefix, so that keeping the caps costs no scan.
//! Whoever adds or removes rows takes the count in all first: that lock comes before every other one.

use gatewright_domain::{
    Timestamp,
    authorization::{PendingSignIn, SignInProgress, SignInPurpose},
    id::{GatewayId, ProjectId, UserSourceId},
    stored_secret::SealedText,
    token_hash::TokenHash,
};

use crate::{
    StoreError, Tx,
    row::Row,
    tx::Lock,
    value::{Value, values},
};

macro_rules! columns {
    () => {
        "state_hash, cookie_hash, project_id, gateway_id, test_sign_in_id, user_source_id, identity_epoch, request, \
         address_prefix, created_at, expires_at, code_hash, claimed_at, answer"
    };
}

/// How many expired rows an insert forgets on its way: more than it adds, so that they go away under load too.
const FORGET_PER_INSERT: u32 = 8;

/// How many rows an insert evicts at most, after the caps were lowered.
const EVICT_PER_INSERT: i64 = 32;

/// Caps on pending sign-ins that are stored, whatever has become of them.
#[derive(Debug, Clone, Copy)]
pub struct PendingCaps {
    /// Per address prefix; its oldest answered one gives way, or else its oldest open one.
    pub per_prefix: u32,
    /// In all; when reached, the fullest prefix gives way in the same order.
    pub total: u32,
}

/// Adds a sign-in, evicting as the caps ask, and forgets a few that have expired. Answered ones go first: they are only
/// kept for reloads, and a busy prefix would otherwise lose people who are still at their provider. Those being worked
/// on go last.
pub async fn insert(tx: &mut Tx, pending: &PendingSignIn, caps: PendingCaps) -> Result<(), StoreError> {
    let mut stored = lock_count(tx).await?;
    stored -= forget_expired(tx, pending.created_at, FORGET_PER_INSERT).await?;
    let prefix = pending.address_prefix.as_str();
    let sql = "SELECT stored FROM pending_prefixes WHERE address_prefix = $1";
    let of_prefix = tx.fetch_optional(sql, values![prefix]).await?;
    let of_prefix = of_prefix.map_or(Ok(0), |row| row.int("stored"))?;
    stored -= evict(tx, prefix, of_prefix + 1 - i64::from(caps.per_prefix)).await?;
    let too_many = stored + 1 - i64::from(caps.total);
    if too_many > 0 {
        let sql = "SELECT address_prefix FROM pending_prefixes ORDER BY stored DESC LIMIT 1";
        if let Some(row) = tx.fetch_optional(sql, &[]).await? {
            evict(tx, &row.text("address_prefix")?, too_many).await?;
        }
    }
    let sql = "INSERT INTO pending_sign_ins (state_hash, cookie_hash, project_id, gateway_id, user_source_id, \
               identity_epoch, request, address_prefix, created_at, expires_at, code_hash, claimed_at, answer, \
               test_sign_in_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let (code, claimed_at, answer) = match &pending.progress {
        SignInProgress::Open => (None, None, None),
        SignInProgress::Claimed { code_hash, at } => (Some(*code_hash), Some(*at), None),
        SignInProgress::Answered { code_hash, answer } => (Some(*code_hash), None, Some(answer)),
    };
    let (gateway, test) = match pending.purpose {
        SignInPurpose::Client(id) => (id.to_string(), None),
        SignInPurpose::Test(id) => (String::new(), Some(id.to_string())),
    };
    let values = values![
        pending.state_hash,
        pending.cookie_hash,
        pending.project_id,
        gateway,
        pending.user_source_id,
        pending.identity_epoch,
        &pending.request,
        prefix,
        pending.created_at,
        pending.expires_at,
        code.map(TokenHash::to_text),
        claimed_at,
        answer,
        test,
    ];
    tx.execute(sql, values).await?;
    let sql = "INSERT INTO pending_prefixes (address_prefix, stored) VALUES ($1, 1) \
               ON CONFLICT (address_prefix) DO UPDATE SET stored = pending_prefixes.stored + 1";
    tx.execute(sql, values![prefix]).await?;
    tx.execute("UPDATE pending_total SET stored = stored + 1 WHERE id = 1", &[])
        .await?;
    Ok(())
}

/// By the hash of `state`, not expired at `now`.
pub async fn find(
    tx: &mut Tx,
    state: TokenHash,
    now: Timestamp,
) -> Result<Option<PendingSignIn>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM pending_sign_ins WHERE state_hash = $1 AND expires_at > $2"
    );
    let row = tx.fetch_optional(sql, values![state, now]).await?;
    row.as_ref().map(read).transpose()
}

/// The first arrival claims the row: one guarded update from open, with this state, this cookie, not expired.
/// `None`: somebody else has it, it is gone, or this provider code was brought back for another sign-in before: a
/// provider that was sent somebody's code could otherwise finish a sign-in of its own with it. Read the row with [`find`]
/// to see which; it stays open only in the last case.
pub async fn claim(
    tx: &mut Tx,
    state: TokenHash,
    cookie: TokenHash,
    code: TokenHash,
    now: Timestamp,
) -> Result<Option<PendingSignIn>, StoreError> {
    let sql = concat!(
        "UPDATE pending_sign_ins SET code_hash = $1, claimed_at = $2 \
         WHERE state_hash = $3 AND cookie_hash = $4 AND expires_at > $2 AND code_hash IS NULL \
         AND NOT EXISTS (SELECT 1 FROM pending_sign_ins AS other WHERE other.code_hash = $1) RETURNING ",
        columns!()
    );
    let row = tx.fetch_optional(sql, values![code, now, state, cookie]).await?;
    row.as_ref().map(read).transpose()
}

/// Keeps the answer of a claimed sign-in; `false` when it was not claimed with this code, or has an answer already.
pub async fn answer(
    tx: &mut Tx,
    state: TokenHash,
    code: TokenHash,
    answer: &SealedText,
) -> Result<bool, StoreError> {
    let sql =
        "UPDATE pending_sign_ins SET answer = $1 WHERE state_hash = $2 AND code_hash = $3 AND answer IS NULL";
    Ok(tx.execute(sql, values![answer, state, code]).await? > 0)
}

/// Forgets expired ones, at most `limit`; how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    lock_count(tx).await?;
    let forgotten = forget_expired(tx, now, limit).await?;
    Ok(forgotten.unsigned_abs())
}

async fn forget_expired(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<i64, StoreError> {
    let sql = "DELETE FROM pending_sign_ins WHERE state_hash IN \
               (SELECT state_hash FROM pending_sign_ins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) \
               RETURNING address_prefix";
    forget(tx, sql, values![now, limit]).await
}

pub(crate) async fn forget_of_gateway(tx: &mut Tx, gateway: GatewayId) -> Result<(), StoreError> {
    let sql = "DELETE FROM pending_sign_ins WHERE gateway_id = $1 RETURNING address_prefix";
    forget(tx, sql, values![gateway]).await.map(drop)
}

pub(crate) async fn forget_of_user_source(tx: &mut Tx, source: UserSourceId) -> Result<(), StoreError> {
    let sql = "DELETE FROM pending_sign_ins WHERE user_source_id = $1 RETURNING address_prefix";
    forget(tx, sql, values![source]).await.map(drop)
}

pub(crate) async fn forget_of_project(tx: &mut Tx, project: ProjectId) -> Result<(), StoreError> {
    lock_count(tx).await?;
    let sql = "DELETE FROM pending_sign_ins WHERE project_id = $1 RETURNING address_prefix";
    forget(tx, sql, values![project]).await.map(drop)
}

/// Takes the count in all for this transaction, before any other lock; gives it.
pub(crate) async fn lock_count(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT stored FROM pending_total WHERE id = 1";
    let row = tx.lock_optional(sql, Lock::Update, &[]).await?;
    row.ok_or(StoreError::Corrupt {
        what: "pending_total",
    })?
    .int("stored")
}

/// Makes sign-ins of a prefix give way, as many as are asked for; none for zero or less. How many did.
async fn evict(tx: &mut Tx, prefix: &str, count: i64) -> Result<i64, StoreError> {
    if count <= 0 {
        return Ok(0);
    }
    let sql = "DELETE FROM pending_sign_ins WHERE state_hash IN \
               (SELECT state_hash FROM pending_sign_ins WHERE address_prefix = $1 \
               ORDER BY CASE WHEN answer IS NOT NULL THEN 0 WHEN code_hash IS NULL THEN 1 ELSE 2 END, created_at \
               LIMIT $2) RETURNING address_prefix";
    forget(tx, sql, values![prefix, count.min(EVICT_PER_INSERT)]).await
}

/// Runs a deletion that gives the prefix of each row that went, and counts them down.
async fn forget(tx: &mut Tx, sql: &'static str, values: &[Value]) -> Result<i64, StoreError> {
    let rows = tx.fetch_all(sql, values).await?;
    let mut forgotten = 0;
    for row in &rows {
        let prefix = row.text("address_prefix")?;
        let sql = "UPDATE pending_prefixes SET stored = stored - 1 WHERE address_prefix = $1";
        tx.execute(sql, values![&prefix]).await?;
        let sql = "DELETE FROM pending_prefixes WHERE address_prefix = $1 AND stored <= 0";
        tx.execute(sql, values![&prefix]).await?;
        forgotten += 1;
    }
    if forgotten > 0 {
        let sql = "UPDATE pending_total SET stored = stored - $1 WHERE id = 1";
        tx.execute(sql, values![forgotten]).await?;
    }
    Ok(forgotten)
}

fn read(row: &Row) -> Result<PendingSignIn, StoreError> {
    let progress = match (row.opt_hash("code_hash")?, row.opt_sealed("answer")?) {
        (None, _) => SignInProgress::Open,
        (Some(code_hash), Some(answer)) => SignInProgress::Answered { code_hash, answer },
        (Some(code_hash), None) => SignInProgress::Claimed {
            code_hash,
            at: row.time("claimed_at")?,
        },
    };
    let purpose = match row.opt_id("test_sign_in_id")? {
        None => SignInPurpose::Client(row.id("gateway_id")?),
        Some(test) => SignInPurpose::Test(test),
    };
    Ok(PendingSignIn {
        state_hash: row.hash("state_hash")?,
        cookie_hash: row.hash("cookie_hash")?,
        project_id: row.id("project_id")?,
        purpose,
        user_source_id: row.id("user_source_id")?,
        identity_epoch: row.int("identity_epoch")?,
        request: row.sealed("request")?,
        address_prefix: row.text("address_prefix")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        progress,
    })
}
