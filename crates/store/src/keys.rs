//! Signing keys, sealed, and the resealing of everything when the master key changes.

use gatewright_domain::{Timestamp, id::SigningKeyId, sealed::Purpose, stored_secret::SealedText};
use sqlx::AssertSqlSafe;

use crate::{Store, StoreError, Tx, keyring, row::Row, value::values};

/// Rows re-encrypted in one transaction.
const BATCH: u32 = 100;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, purpose, private, public_jwk, created_at, retired_at FROM signing_keys ",
            $rest
        )
    };
}

/// What a signing key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningPurpose {
    /// Access tokens.
    AccessToken,
    /// Identity assertions towards upstream servers.
    Assertion,
    /// Anchors of the audit trail.
    AuditAnchor,
}

impl SigningPurpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::Assertion => "assertion",
            Self::AuditAnchor => "audit_anchor",
        }
    }
}

/// A signing key as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// Its ID and `kid`.
    pub id: SigningKeyId,
    /// What it signs.
    pub purpose: SigningPurpose,
    /// PKCS#8 of a P-256 key, sealed under [`signing_key_context`].
    pub private: SealedText,
    /// The public key as a JWK (JSON text).
    pub public_jwk: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it stopped signing; it still verifies for the lifetime of a token.
    pub retired_at: Option<Timestamp>,
}

/// The context under which a private key is sealed: table, column and row.
pub fn signing_key_context(id: SigningKeyId) -> String {
    format!("signing_keys/private/{id}")
}

/// Adds a key for a purpose unless one already signs, so that replicas starting at the same time agree; returns the one that signs.
pub async fn insert_if_none(tx: &mut Tx, key: &StoredSigningKey) -> Result<StoredSigningKey, StoreError> {
    let sql = "INSERT INTO signing_keys (id, purpose, private, public_jwk, created_at, retired_at) \
               VALUES ($1, $2, $3, $4, $5, NULL) ON CONFLICT (purpose) WHERE retired_at IS NULL DO NOTHING";
    let values = values![
        key.id,
        key.purpose.as_str(),
        &key.private,
        &key.public_jwk,
        key.created_at,
    ];
    tx.execute(sql, values).await?;
    let sql = select!("WHERE purpose = $1 AND retired_at IS NULL");
    read(&tx.fetch_one(sql, values![key.purpose.as_str()]).await?)
}

/// All keys that sign or still verify, oldest first.
pub async fn list(tx: &mut Tx) -> Result<Vec<StoredSigningKey>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY id"), &[]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<StoredSigningKey, StoreError> {
    let purpose = match row.text("purpose")?.as_str() {
        "access_token" => SigningPurpose::AccessToken,
        "assertion" => SigningPurpose::Assertion,
        "audit_anchor" => SigningPurpose::AuditAnchor,
        _ => return Err(StoreError::Corrupt { what: "purpose" }),
    };
    Ok(StoredSigningKey {
        id: row.id("id")?,
        purpose,
        private: row.sealed("private")?,
        public_jwk: row.text("public_jwk")?,
        created_at: row.time("created_at")?,
        retired_at: row.opt_time("retired_at")?,
    })
}

/// The places of sealed values. Pending sign-ins are left out: they expire in ten minutes, during which the old key
/// is still in the keyring.
struct Sealed {
    table: &'static str,
    id: &'static str,
    column: &'static str,
    /// The column name in the context: both slots of a client secret share one.
    context: &'static str,
}

const SEALED: [Sealed; 9] = [
    sealed("signing_keys", "id", "private", "private"),
    sealed("secrets", "id", "value", "value"),
    sealed("user_sources", "id", "client_secret", "client_secret"),
    sealed("user_sources", "id", "client_secret_previous", "client_secret"),
    sealed("streams", "id", "secret", "secret"),
    sealed("idempotency_keys", "key_hash", "answer", "answer"),
    sealed("acme_accounts", "directory", "credentials", "credentials"),
    sealed("acme_certificates", "id", "private_key", "private_key"),
    // Last, because it proves that the keyring is the right one.
    sealed("meta", "name", "value", "value"),
];

const fn sealed(
    table: &'static str,
    id: &'static str,
    column: &'static str,
    context: &'static str,
) -> Sealed {
    Sealed {
        table,
        id,
        column,
        context,
    }
}

/// The purpose for which a value with this context (`table/column/row-id`) is sealed.
pub fn purpose_of(context: &str) -> Purpose {
    match context {
        keyring::CONTEXT => Purpose::KeyCheck,
        _ if context.starts_with("signing_keys/") => Purpose::SigningKey,
        _ => Purpose::StoredSecret,
    }
}

/// Every sealed value of the database, for `keys rotate`: calls `reseal` with each value's context
/// (`table/column/row-id`, whose purpose [`purpose_of`] returns) and writes back the result, in batches. Returns how many
/// changed. A value that was replaced in the meantime stays as it is, and `updated_at` does not change: saving an edit compares
/// the values, so an edit begun before cannot bring an old one back.
pub async fn reseal_all(
    store: &Store,
    reseal: &(dyn Fn(&str, &SealedText) -> Option<SealedText> + Sync),
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for place in &SEALED {
        let mut after = Some(String::new());
        while let Some(last) = after {
            let mut tx = store.write().await?;
            (changed, after) = reseal_batch(&mut tx, place, &last, reseal, changed).await?;
            tx.commit().await?;
        }
    }
    Ok(changed)
}

/// Re-encrypts the values after row `last`; returns the running count, and the last row seen while there may be more.
async fn reseal_batch(
    tx: &mut Tx,
    place: &Sealed,
    last: &str,
    reseal: &(dyn Fn(&str, &SealedText) -> Option<SealedText> + Sync),
    mut changed: u64,
) -> Result<(u64, Option<String>), StoreError> {
    let Sealed {
        table,
        id,
        column,
        context,
    } = place;
    let sql = format!(
        "SELECT {id} AS id, {column} AS sealed FROM {table} WHERE {id} > $1 AND {column} IS NOT NULL \
         ORDER BY {id} LIMIT $2"
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), values![last, BATCH]).await?;
    let mut seen = None;
    for row in rows {
        let row_id = row.text("id")?;
        let old = row.sealed("sealed")?;
        if let Some(new) = reseal(&format!("{table}/{context}/{row_id}"), &old) {
            let sql = format!("UPDATE {table} SET {column} = $1 WHERE {id} = $2 AND {column} = $3");
            changed += tx
                .execute(AssertSqlSafe(sql), values![&new, &row_id, &old])
                .await?;
            tx.note_change();
        }
        seen = Some(row_id);
    }
    Ok((changed, seen))
}
