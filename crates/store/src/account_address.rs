//! Accounts by address. One account of an address can be proven. Until one is, there can be several,
//! each created by someone who had the link of an invitation for it.

use gatewright_domain::{
    Timestamp,
    account::{Account, Email},
    id::AccountId,
    password::PasswordHash,
};

use crate::{StoreError, Tx, account, row::to_word, value::values};

/// The maximum number of accounts with one address: each costs one password hash per sign-in.
pub const MAX_OF_ADDRESS: u32 = 4;

macro_rules! select {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            account::columns!(),
            $columns,
            " FROM accounts WHERE address_key = $1 OR email_key = $1 ORDER BY address_proven DESC, status, id LIMIT $2"
        )
    };
}

/// All accounts with an address, ignoring case: the proven one first, then those that may sign in, oldest first.
pub async fn list(tx: &mut Tx, email: &Email) -> Result<Vec<Account>, StoreError> {
    let rows = tx
        .fetch_all(select!(""), values![email.key(), MAX_OF_ADDRESS])
        .await?;
    rows.iter().map(account::read).collect()
}

/// The same with their password hashes: only for signing in.
pub async fn credentials(
    tx: &mut Tx,
    email: &Email,
) -> Result<Vec<(Account, Option<PasswordHash>)>, StoreError> {
    let rows = tx
        .fetch_all(
            select!(", accounts.password_hash"),
            values![email.key(), MAX_OF_ADDRESS],
        )
        .await?;
    let mut found = Vec::new();
    for row in &rows {
        let hash = row.opt_text("password_hash")?.map(PasswordHash::new);
        found.push((account::read(row)?, hash));
    }
    Ok(found)
}

/// Adds an account with an unproven address, next to others with the address that are not proven either. `Taken { field:
/// "email" }` if one of them is proven, or there are [`MAX_OF_ADDRESS`].
pub async fn insert_unproven(tx: &mut Tx, new: &Account, password: &PasswordHash) -> Result<(), StoreError> {
    match account::insert(tx, new, Some(password)).await {
        Err(StoreError::Taken { .. }) => {}
        done => return done,
    }
    let sql = "INSERT INTO accounts (id, email, email_key, address_key, name, password_hash, is_instance_admin, \
               address_proven, status, session_epoch, created_at, updated_at) \
               SELECT $1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10 WHERE NOT EXISTS \
               (SELECT 1 FROM accounts WHERE address_key = $4 AND address_proven = 1) \
               AND (SELECT COUNT(*) FROM accounts WHERE address_key = $4) < $11";
    let key = new.email.key();
    let values = values![
        new.id,
        new.email.as_str(),
        format!("{key} {}", new.id),
        key,
        &new.name,
        password.expose().to_owned(),
        to_word(&new.status),
        new.session_epoch,
        new.created_at,
        new.updated_at,
        MAX_OF_ADDRESS,
    ];
    match tx.execute(sql, values).await? {
        0 => Err(StoreError::Taken { field: "email" }),
        _ => Ok(()),
    }
}

/// Deletes accounts with an address that are not proven and have no access: not members of any project, and not disabled, because
/// a disabled account records an administrator's decision about the person.
pub async fn delete_empty(tx: &mut Tx, email: &Email) -> Result<u64, StoreError> {
    let sql = "DELETE FROM accounts WHERE address_key = $1 AND address_proven = 0 AND is_instance_admin = 0 \
               AND status = 'active' AND NOT EXISTS (SELECT 1 FROM members WHERE members.account_id = accounts.id)";
    tx.execute(sql, values![email.key()]).await
}

/// Records that the address of an account is proven; `false` if it already was, or the account is missing. Every
/// invitation for the address was meant for its owner: memberships of its other accounts move to this one, and the other
/// accounts are deleted, with the passwords that other people chose.
pub async fn prove(tx: &mut Tx, id: AccountId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET address_proven = 1, updated_at = $1 WHERE id = $2 AND address_proven = 0 \
               RETURNING address_key";
    let Some(row) = tx.fetch_optional(sql, values![now, id]).await? else {
        return Ok(false);
    };
    let key = row.text("address_key")?;
    let sql = "INSERT INTO members (project_id, account_id, role, created_at, updated_at) \
               SELECT members.project_id, $1, members.role, members.created_at, $2 FROM members \
               JOIN accounts ON accounts.id = members.account_id \
               WHERE accounts.address_key = $3 AND accounts.id <> $1 AND accounts.status = 'active' \
               ON CONFLICT (project_id, account_id) DO NOTHING";
    tx.execute(sql, values![id, now, &key]).await?;
    let sql = "UPDATE invitations SET revoked_at = $1 WHERE accepted_at IS NULL AND revoked_at IS NULL AND made_by IN \
               (SELECT id FROM accounts WHERE address_key = $2 AND id <> $3)";
    tx.execute(sql, values![now, &key, id]).await?;
    let sql = "DELETE FROM accounts WHERE address_key = $1 AND id <> $2";
    tx.execute(sql, values![&key, id]).await?;
    let sql = "UPDATE accounts SET email_key = address_key WHERE id = $1";
    tx.execute(sql, values![id]).await?;
    tx.note_change();
    Ok(true)
}
