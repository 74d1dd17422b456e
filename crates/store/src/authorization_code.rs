//! Authorization codes.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    grant::{AuthorizationCode, Person},
    id::GatewayId,
    token_hash::TokenHash,
};

use crate::{StoreError, Tx, grant, row::Row, tx::Lock, value::values};

/// The number of codes a person can get in [`PERSON_WINDOW`]. Each can begin a grant; a person who sets up all their apps at once
/// needs a dozen.
const PER_PERSON: u32 = 30;
const PERSON_WINDOW: Duration = Duration::from_mins(1);
/// The number of codes from one consent page. A double click and the back button need a few.
const PER_CONSENT: u32 = 10;

macro_rules! columns {
    () => {
        "code_hash, grant_id, project_id, gateway_id, user_id, user_source_id, identity_epoch, account_id, client_id, \
         client_name, redirect_uri, code_challenge, scope, consent_id, created_at, expires_at, redeemed_at"
    };
}

/// Whether the person of a code may use the gateway of the row: a condition over columns or placeholders for project, user,
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

/// The outcome of adding a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It was stored.
    Done,
    /// The person got too many within a minute, and can get another one at this time.
    TooMany {
        /// The time.
        again_at: Timestamp,
    },
    /// The consent page has been used too often.
    ConsentUsedUp,
    /// Gateway, source or person is not valid, or no longer.
    Refused,
}

impl Insertion {
    /// Whether the code was stored.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}

/// Adds a code. Guarded: the gateway is active, and either it uses this source, which is active and at this epoch, and the user
/// is active; or it is for the project's members, and the account is active and one of them. Neither the person nor the consent
/// page can have too many codes. The person is locked until the end of the transaction, so that concurrent codes of one person
/// are counted one after the other, on all replicas.
pub async fn insert(tx: &mut Tx, code: &AuthorizationCode) -> Result<Insertion, StoreError> {
    hold_person(tx, code).await?;
    let counted_since = code.created_at.minus(PERSON_WINDOW);
    let sql = concat!(
        "INSERT INTO authorization_codes (code_hash, grant_id, project_id, gateway_id, user_id, user_source_id, \
         identity_epoch, account_id, client_id, client_name, redirect_uri, code_challenge, scope, created_at, \
         expires_at, consent_id) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 \
         FROM gateways WHERE (SELECT COUNT(*) FROM authorization_codes AS lately \
         WHERE (lately.user_id = $5 OR lately.account_id = $8) AND lately.created_at > $17) < $18 \
         AND (SELECT COUNT(*) FROM authorization_codes AS same WHERE same.consent_id = $16) < $19 AND gateways.id = $4 AND gateways.project_id = $3 AND gateways.status = 'active' AND ",
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
        &code.consent_id,
        counted_since,
        PER_PERSON,
        PER_CONSENT,
    ];
    if tx.execute(sql, values).await? > 0 {
        return Ok(Insertion::Done);
    }
    why_not(tx, code, counted_since).await
}

/// Locks the user or member of a code.
async fn hold_person(tx: &mut Tx, code: &AuthorizationCode) -> Result<(), StoreError> {
    match code.person {
        Person::User { user_id, .. } => {
            let sql = "SELECT id FROM users WHERE project_id = $1 AND id = $2";
            let values = values![code.project_id, user_id];
            tx.hold_all(sql, Lock::Update, values).await
        }
        Person::Member(account_id) => {
            let sql = "SELECT account_id FROM members WHERE project_id = $1 AND account_id = $2";
            let values = values![code.project_id, account_id];
            tx.hold_all(sql, Lock::Update, values).await
        }
    }
}

/// Why a code was not inserted. Codes are counted by person: a member has codes in every project of theirs.
async fn why_not(
    tx: &mut Tx,
    code: &AuthorizationCode,
    counted_since: Timestamp,
) -> Result<Insertion, StoreError> {
    let sql = "SELECT created_at FROM authorization_codes WHERE (user_id = $1 OR account_id = $2) AND created_at > $3 \
               ORDER BY created_at DESC LIMIT 1 OFFSET $4";
    let values = values![
        code.person.user_id(),
        code.person.account_id(),
        counted_since,
        PER_PERSON - 1,
    ];
    if let Some(row) = tx.fetch_optional(sql, values).await? {
        let again_at = row.time("created_at")?.plus(PERSON_WINDOW);
        return Ok(Insertion::TooMany { again_at });
    }
    let sql = "SELECT COUNT(*) AS used FROM authorization_codes WHERE consent_id = $1";
    let used = tx.fetch_one(sql, values![&code.consent_id]).await?.int("used")?;
    Ok(if used >= i64::from(PER_CONSENT) {
        Insertion::ConsentUsedUp
    } else {
        Insertion::Refused
    })
}

/// The outcome of redeeming a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redemption {
    /// It was valid and is now used up. The caller checks client, redirect and verifier in the same
    /// transaction, and drops it if they fail, so that a stranger cannot use up someone's code.
    Redeemed(Box<AuthorizationCode>),
    /// It had already been redeemed, at this time.
    Replayed {
        /// The code.
        code: Box<AuthorizationCode>,
        /// When it was redeemed.
        redeemed_at: Timestamp,
    },
    /// Unknown, expired, of another gateway, or its gateway, source, epoch or user is no longer valid.
    Refused,
}

/// Redeems a code in one guarded update: unredeemed, unexpired, of this gateway, epoch current, user active.
pub async fn redeem(
    tx: &mut Tx,
    gateway: GatewayId,
    code: TokenHash,
    now: Timestamp,
) -> Result<Redemption, StoreError> {
    // Gateway and person are locked until the grant is stored: a change that blocks or removes the person or changes the
    // gateway either comes first and is visible here, or comes later and finds the grant. The person is locked
    // exclusively, so that grants of one person are counted one after the other.
    let sql = "SELECT users.id FROM authorization_codes \
               JOIN gateways ON gateways.id = authorization_codes.gateway_id \
               JOIN users ON users.id = authorization_codes.user_id WHERE authorization_codes.code_hash = $1";
    tx.hold_all(sql, Lock::ShareAndUpdateOf("gateways", "users"), values![code])
        .await?;
    let sql = "SELECT accounts.id FROM authorization_codes \
               JOIN gateways ON gateways.id = authorization_codes.gateway_id \
               JOIN members ON members.project_id = authorization_codes.project_id \
               AND members.account_id = authorization_codes.account_id \
               JOIN accounts ON accounts.id = members.account_id WHERE authorization_codes.code_hash = $1";
    tx.hold_all(
        sql,
        Lock::ShareAndUpdateOf("gateways, accounts", "members"),
        values![code],
    )
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

/// A code as stored, and when it was redeemed. For a look before a transaction that writes.
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

/// Deletes codes that expired before `before`, at most `limit` (kept for a day so that replays are recognised).
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
        consent_id: row.opt_text("consent_id")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
