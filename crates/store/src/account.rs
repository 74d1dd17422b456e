//! Accounts.

use gatewright_domain::{
    Timestamp,
    account::{Account, AccountStatus, Email},
    id::AccountId,
    password::PasswordHash,
    token_hash::TokenHash,
};

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_word},
    tx::Lock,
    value::values,
};

/// The columns of an account, qualified for use in a join.
macro_rules! columns {
    () => {
        "accounts.id, accounts.email, accounts.name, accounts.is_instance_admin, accounts.address_proven, \
         accounts.status, \
         accounts.session_epoch, accounts.created_at, accounts.updated_at, accounts.last_sign_in_at, \
         CAST(CASE WHEN accounts.password_hash IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_password"
    };
}
pub(crate) use columns;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM accounts ", $rest)
    };
}

/// The outcome of a change that must leave the instance an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountWrite {
    /// It was written.
    Done,
    /// It would have left no active administrator of the instance.
    LastInstanceAdmin,
    /// There is no such account.
    Missing,
}

/// Adds an account; `Taken { field: "email" }`.
pub async fn insert(
    tx: &mut Tx,
    account: &Account,
    password: Option<&PasswordHash>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO accounts (id, email, email_key, address_key, name, password_hash, is_instance_admin, \
               address_proven, status, session_epoch, created_at, updated_at, last_sign_in_at) \
               VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (email_key) DO NOTHING";
    let values = values![
        account.id,
        account.email.as_str(),
        account.email.key(),
        &account.name,
        password.map(|hash| hash.expose().to_owned()),
        account.is_instance_admin,
        account.address_proven,
        to_word(&account.status),
        account.session_epoch,
        account.created_at,
        account.updated_at,
        account.last_sign_in_at,
    ];
    match tx.execute(sql, values).await? {
        0 => Err(StoreError::Taken { field: "email" }),
        _ => Ok(()),
    }
}

/// Records that this account is the first of the instance; `false` if there already is one. Of concurrent calls, one succeeds.
pub async fn claim_first(tx: &mut Tx, id: AccountId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "INSERT INTO first_account (id, account_id, created_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
    Ok(tx.execute(sql, values![id, now]).await? > 0)
}

/// Whether the first account exists.
pub async fn has_first(tx: &mut Tx) -> Result<bool, StoreError> {
    let row = tx
        .fetch_optional("SELECT account_id FROM first_account", &[])
        .await?;
    Ok(row.is_some())
}

/// Finds an account by ID.
pub async fn find(tx: &mut Tx, id: AccountId) -> Result<Option<Account>, StoreError> {
    let row = tx.fetch_optional(select!("WHERE id = $1"), values![id]).await?;
    row.as_ref().map(read).transpose()
}

/// Finds the first account with an address, ignoring case; the proven one, if there is one.
pub async fn find_by_email(tx: &mut Tx, email: &Email) -> Result<Option<Account>, StoreError> {
    let row = tx
        .fetch_optional(select!("WHERE email_key = $1"), values![email.key()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// The password hash of an account: only for checking a password.
pub async fn find_password(tx: &mut Tx, id: AccountId) -> Result<Option<PasswordHash>, StoreError> {
    let sql = "SELECT password_hash FROM accounts WHERE id = $1";
    let row = tx.fetch_optional(sql, values![id]).await?;
    let hash = row.map(|row| row.opt_text("password_hash")).transpose()?;
    Ok(hash.flatten().map(PasswordHash::new))
}

/// Finds an account by its identity at the identity provider for administrators.
pub async fn find_by_identity(
    tx: &mut Tx,
    issuer: &str,
    subject: &str,
) -> Result<Option<Account>, StoreError> {
    let sql = select!(
        "JOIN account_identities ON account_identities.account_id = accounts.id \
         WHERE account_identities.identity_key = $1"
    );
    let row = tx
        .fetch_optional(sql, values![identity_key(issuer, subject)])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Records an account's identity at the identity provider; `false` if that identity already has an account.
pub async fn link_identity(
    tx: &mut Tx,
    id: AccountId,
    issuer: &str,
    subject: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO account_identities (identity_key, account_id, issuer, subject, created_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (identity_key) DO NOTHING";
    let values = values![identity_key(issuer, subject), id, issuer, subject, now];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Whether an account has an identity at this identity provider.
pub async fn has_identity(tx: &mut Tx, id: AccountId, issuer: &str) -> Result<bool, StoreError> {
    let sql = "SELECT identity_key FROM account_identities WHERE account_id = $1 AND issuer = $2";
    Ok(tx.fetch_optional(sql, values![id, issuer]).await?.is_some())
}

/// All accounts, oldest first.
pub async fn list(tx: &mut Tx, page: &PageRequest) -> Result<Page<Account>, StoreError> {
    let sql = select!("WHERE id > $1 ORDER BY id LIMIT $2");
    let rows = tx.fetch_all(sql, values![page.above(), page.rows()]).await?;
    page.page(rows, read)
}

/// Accounts whose name or e-mail address contains a text, oldest first. Letters beyond ASCII in names must match in
/// case: the engines do not agree on their lower-case forms.
pub async fn search(tx: &mut Tx, text: &str, page: &PageRequest) -> Result<Page<Account>, StoreError> {
    let sql = select!(
        "WHERE id > $1 AND (address_key LIKE $2 ESCAPE '!' OR LOWER(name) LIKE $2 ESCAPE '!') ORDER BY id LIMIT $3"
    );
    let values = values![page.above(), crate::user::pattern(text), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// Renames an account.
pub async fn rename(tx: &mut Tx, id: AccountId, name: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET name = $1, updated_at = $2 WHERE id = $3";
    Ok(tx.execute(sql, values![name, now, id]).await? > 0)
}

/// Records a sign-in.
pub async fn note_sign_in(tx: &mut Tx, id: AccountId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE accounts SET last_sign_in_at = $1 WHERE id = $2";
    tx.execute(sql, values![now, id]).await?;
    Ok(())
}

/// Sets the password and ends every session; returns the new epoch, or `None` if there is no such active account.
pub async fn set_password(
    tx: &mut Tx,
    id: AccountId,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let sql = "UPDATE accounts SET password_hash = $1, session_epoch = session_epoch + 1, updated_at = $2 \
               WHERE id = $3 AND status = 'active' RETURNING session_epoch";
    let row = tx.fetch_optional(sql, values![hash.expose(), now, id]).await?;
    let Some(row) = row else { return Ok(None) };
    forget_sessions(tx, id).await?;
    row.int("session_epoch").map(Some)
}

/// Removes the password and ends every session; returns the new epoch.
pub async fn forget_password(tx: &mut Tx, id: AccountId, now: Timestamp) -> Result<Option<i64>, StoreError> {
    let sql = "UPDATE accounts SET password_hash = NULL, updated_at = $1 WHERE id = $2";
    tx.execute(sql, values![now, id]).await?;
    end_sessions(tx, id).await
}

/// Replaces a hash by one of the same password with another cost; `false` if the password was changed in the meantime.
pub async fn rehash(
    tx: &mut Tx,
    id: AccountId,
    before: &PasswordHash,
    after: &PasswordHash,
) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
    let values = values![after.expose(), id, before.expose()];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Ends every session of an account, including those that begin at this moment; returns the new epoch.
pub async fn end_sessions(tx: &mut Tx, id: AccountId) -> Result<Option<i64>, StoreError> {
    let sql = "UPDATE accounts SET session_epoch = session_epoch + 1 WHERE id = $1 RETURNING session_epoch";
    let Some(row) = tx.fetch_optional(sql, values![id]).await? else {
        return Ok(None);
    };
    forget_sessions(tx, id).await?;
    row.int("session_epoch").map(Some)
}

/// Enables an account, or disables it and ends every session.
pub async fn set_status(
    tx: &mut Tx,
    id: AccountId,
    status: AccountStatus,
    now: Timestamp,
) -> Result<AccountWrite, StoreError> {
    let sql = "UPDATE accounts SET status = $1, updated_at = $2 WHERE id = $3";
    if status == AccountStatus::Disabled && is_only_admin(tx, id).await? {
        return Ok(AccountWrite::LastInstanceAdmin);
    }
    if tx.execute(sql, values![to_word(&status), now, id]).await? == 0 {
        return Ok(AccountWrite::Missing);
    }
    end_sessions(tx, id).await?;
    tx.note_change();
    Ok(AccountWrite::Done)
}

/// Makes an account an administrator of the instance, or removes that role; its sessions end in both cases.
pub async fn set_instance_admin(
    tx: &mut Tx,
    id: AccountId,
    is_admin: bool,
    now: Timestamp,
) -> Result<AccountWrite, StoreError> {
    let sql = "UPDATE accounts SET is_instance_admin = $1, updated_at = $2 WHERE id = $3";
    if !is_admin && is_only_admin(tx, id).await? {
        return Ok(AccountWrite::LastInstanceAdmin);
    }
    if tx.execute(sql, values![is_admin, now, id]).await? == 0 {
        return Ok(AccountWrite::Missing);
    }
    end_sessions(tx, id).await?;
    Ok(AccountWrite::Done)
}

/// Whether this is the only active administrator. All of them are locked, in one order, so that two changes that would each
/// leave the other as the last one run one after the other.
async fn is_only_admin(tx: &mut Tx, id: AccountId) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM accounts WHERE is_instance_admin = 1 AND status = 'active' ORDER BY id";
    let admins = tx.lock_all(sql, Lock::Update, &[]).await?;
    Ok(admins.len() == 1 && admins[0].id::<AccountId>("id")? == id)
}

async fn forget_sessions(tx: &mut Tx, id: AccountId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM account_sessions WHERE account_id = $1", values![id])
        .await?;
    // Links to set a password are as powerful as a session. Those that the account created for others stop working with
    // its rights.
    let sql = "DELETE FROM account_links WHERE account_id = $1 OR made_by = $1";
    tx.execute(sql, values![id]).await?;
    Ok(())
}

/// The length prevents two identities from producing the same text.
fn identity_key(issuer: &str, subject: &str) -> TokenHash {
    TokenHash::of(&format!("{}:{issuer}{subject}", issuer.len()))
}

pub(crate) fn read(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.id("id")?,
        email: Email::stored(row.text("email")?),
        name: row.text("name")?,
        has_password: row.flag("has_password")?,
        is_instance_admin: row.flag("is_instance_admin")?,
        address_proven: row.flag("address_proven")?,
        status: row.word("status")?,
        session_epoch: row.int("session_epoch")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        last_sign_in_at: row.opt_time("last_sign_in_at")?,
    })
}
