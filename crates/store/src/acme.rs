//! Certificates that are ordered from an authority (ACME, RFC 8555): the account there, the newest certificate, whose turn it is to
//! order the next, and the challenges that are open.

use gatewright_domain::{Timestamp, stored_secret::SealedText};

use crate::{StoreError, Tx, row::Row, value::values};

/// Challenges that are read: an order has at most a hundred.
const CHALLENGES_MAX: u32 = 200;
/// An error is cut to this many characters.
const ERROR_MAX: usize = 500;

/// An account at an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeAccount {
    /// Its ID and key, sealed under [`account_context`].
    pub credentials: SealedText,
    /// The address that the authority has.
    pub email: Option<String>,
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeCertificate {
    /// The certificate and its chain, in PEM form.
    pub chain: String,
    /// The private key in PEM form, sealed under [`key_context`].
    pub private_key: SealedText,
    /// When the certificate expires.
    pub expires_at: Timestamp,
}

/// How the orders of a certificate stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcmeStanding {
    /// How many certificates there were.
    pub generation: i64,
    /// When the next order is due.
    pub attempt_at: Timestamp,
    /// Attempts since the last one that succeeded.
    pub failures: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// A challenge that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeChallenge {
    /// Its token.
    pub token: String,
    /// The domain that it proves.
    pub domain: String,
    /// The answer.
    pub key_authorization: String,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// The context under which the credentials of an account are sealed.
pub fn account_context(directory: &str) -> String {
    format!("acme_accounts/credentials/{directory}")
}

/// The context under which the private key of a certificate is sealed.
pub fn key_context(id: &str) -> String {
    format!("acme_certificates/private_key/{id}")
}

/// The account at a directory.
pub async fn find_account(tx: &mut Tx, directory: &str) -> Result<Option<AcmeAccount>, StoreError> {
    let sql = "SELECT credentials, email FROM acme_accounts WHERE directory = $1";
    let row = tx.fetch_optional(sql, values![directory]).await?;
    row.map(|row| {
        Ok(AcmeAccount {
            credentials: row.sealed("credentials")?,
            email: row.opt_text("email")?,
        })
    })
    .transpose()
}

/// Writes the account at a directory, in the place of an earlier one.
pub async fn put_account(
    tx: &mut Tx,
    directory: &str,
    account: &AcmeAccount,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO acme_accounts (directory, credentials, email, created_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (directory) DO UPDATE SET credentials = excluded.credentials, email = excluded.email";
    let values = values![directory, &account.credentials, &account.email, at];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Forgets the account at a directory, which the authority no longer knows.
pub async fn delete_account(tx: &mut Tx, directory: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM acme_accounts WHERE directory = $1";
    tx.execute(sql, values![directory]).await?;
    Ok(())
}

/// The newest certificate.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<AcmeCertificate>, StoreError> {
    let sql =
        "SELECT chain, private_key, expires_at FROM acme_certificates WHERE id = $1 AND chain IS NOT NULL";
    let row = tx.fetch_optional(sql, values![id]).await?;
    row.map(|row| {
        Ok(AcmeCertificate {
            chain: row.text("chain")?,
            private_key: row.sealed("private_key")?,
            expires_at: row.time("expires_at")?,
        })
    })
    .transpose()
}

/// How the orders stand; those that never began are due.
pub async fn standing(tx: &mut Tx, id: &str) -> Result<AcmeStanding, StoreError> {
    let sql = "SELECT generation, attempt_at, failures, last_error FROM acme_certificates WHERE id = $1";
    let row = tx.fetch_optional(sql, values![id]).await?;
    row.as_ref().map_or_else(|| Ok(AcmeStanding::default()), read)
}

fn read(row: &Row) -> Result<AcmeStanding, StoreError> {
    Ok(AcmeStanding {
        generation: row.int("generation")?,
        attempt_at: row.time("attempt_at")?,
        failures: row.small("failures")?,
        last_error: row.opt_text("last_error")?,
    })
}

/// Takes the next order until `until`; `false` if it is not due or another process has it. If the process is killed before the
/// order ends, the next one is due at `next_at`.
pub async fn claim(
    tx: &mut Tx,
    id: &str,
    now: Timestamp,
    until: Timestamp,
    next_at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO acme_certificates (id, claimed_until, attempt_at) VALUES ($1, $3, $4) \
               ON CONFLICT (id) DO UPDATE \
               SET claimed_until = excluded.claimed_until, attempt_at = excluded.attempt_at \
               WHERE acme_certificates.claimed_until <= $2 AND acme_certificates.attempt_at <= $2";
    Ok(tx.execute(sql, values![id, now, until, next_at]).await? > 0)
}

/// Writes the certificate that was ordered, and forgets others that expired before `forgotten`.
pub async fn issue(
    tx: &mut Tx,
    id: &str,
    certificate: &AcmeCertificate,
    next_at: Timestamp,
    forgotten: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE acme_certificates SET chain = $2, private_key = $3, expires_at = $4, attempt_at = $5, \
               generation = generation + 1, claimed_until = 0, failures = 0, last_error = NULL WHERE id = $1";
    let AcmeCertificate {
        chain,
        private_key,
        expires_at,
    } = certificate;
    tx.execute(sql, values![id, chain, private_key, *expires_at, next_at])
        .await?;
    let sql = "DELETE FROM acme_certificates WHERE id <> $1 AND expires_at < $2";
    tx.execute(sql, values![id, forgotten]).await?;
    Ok(())
}

/// What an authority answered, made safe to store and to show: short, on one line, and in plain characters. What could deceive a
/// reader becomes `?`.
pub fn printable(error: &str) -> String {
    let plain = |character: char| {
        let hides = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || hides {
            '?'
        } else {
            character
        }
    };
    error.chars().take(ERROR_MAX).map(plain).collect()
}

/// Notes that the order failed, and when the next is due.
pub async fn fail(tx: &mut Tx, id: &str, error: &str, next_at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE acme_certificates SET failures = failures + 1, last_error = $2, attempt_at = $3, claimed_until = 0 \
               WHERE id = $1";
    tx.execute(sql, values![id, printable(error), next_at]).await?;
    Ok(())
}

/// Opens challenges, in the place of others for the same domains: those of an order that was stopped are no longer asked for.
pub async fn open_challenges(tx: &mut Tx, challenges: &[AcmeChallenge]) -> Result<(), StoreError> {
    let sql = "INSERT INTO acme_challenges (token, domain, key_authorization, expires_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (token) DO UPDATE SET key_authorization = excluded.key_authorization, \
               expires_at = excluded.expires_at";
    for challenge in challenges {
        let earlier = "DELETE FROM acme_challenges WHERE domain = $1";
        tx.execute(earlier, values![&challenge.domain]).await?;
        let values = values![
            &challenge.token,
            &challenge.domain,
            &challenge.key_authorization,
            challenge.expires_at
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// The challenges that are open.
pub async fn list_challenges(tx: &mut Tx, now: Timestamp) -> Result<Vec<AcmeChallenge>, StoreError> {
    let sql = "SELECT token, domain, key_authorization, expires_at FROM acme_challenges WHERE expires_at > $1 \
               ORDER BY token LIMIT $2";
    let rows = tx.fetch_all(sql, values![now, CHALLENGES_MAX]).await?;
    rows.iter()
        .map(|row| {
            Ok(AcmeChallenge {
                token: row.text("token")?,
                domain: row.text("domain")?,
                key_authorization: row.text("key_authorization")?,
                expires_at: row.time("expires_at")?,
            })
        })
        .collect()
}

/// Closes challenges, and those that have expired.
pub async fn close_challenges(
    tx: &mut Tx,
    challenges: &[AcmeChallenge],
    now: Timestamp,
) -> Result<(), StoreError> {
    for challenge in challenges {
        let sql = "DELETE FROM acme_challenges WHERE token = $1";
        tx.execute(sql, values![&challenge.token]).await?;
    }
    let sql = "DELETE FROM acme_challenges WHERE expires_at <= $1";
    tx.execute(sql, values![now]).await?;
    Ok(())
}
