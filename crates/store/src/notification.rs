//! Messages that wait for their receivers: written with what they are about, sent by one replica at a time, and deleted once they
//! have arrived.

use std::time::Duration;

use gatewright_domain::{Timestamp, id::NotificationId};

use crate::{StoreError, Tx, row::Row, value::values};

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its ID, which is the same in every attempt.
    pub id: NotificationId,
    /// The way it is sent: a word of those who send it.
    pub channel: String,
    /// What it says, as JSON.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How many attempts have failed.
    pub failed: u32,
}

/// Adds a message, to be sent now.
pub async fn insert(tx: &mut Tx, message: &Notification) -> Result<(), StoreError> {
    let sql = "INSERT INTO notifications (id, channel, body, created_at, next_attempt_at, claimed_until, failed) \
               VALUES ($1, $2, $3, $4, $4, 0, $5)";
    let values = values![
        message.id,
        &message.channel,
        &message.body,
        message.created_at,
        message.failed,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// How many messages of a channel wait.
pub async fn count(tx: &mut Tx, channel: &str) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) AS number FROM notifications WHERE channel = $1";
    tx.fetch_one(sql, values![channel]).await?.int("number")
}

/// Whether the time of any message has come.
pub async fn is_any_due(tx: &mut Tx, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM notifications WHERE next_attempt_at <= $1 AND claimed_until <= $1 LIMIT 1";
    Ok(tx.fetch_optional(sql, values![now]).await?.is_some())
}

/// Takes messages whose time has come, for `claim`: no other replica tries them until then. Oldest first, at most `limit`.
pub async fn claim(
    tx: &mut Tx,
    now: Timestamp,
    claim: Duration,
    limit: u32,
) -> Result<Vec<Notification>, StoreError> {
    let sql = "UPDATE notifications SET claimed_until = $2 WHERE claimed_until <= $1 AND id IN \
               (SELECT id FROM notifications WHERE next_attempt_at <= $1 AND claimed_until <= $1 \
               ORDER BY next_attempt_at LIMIT $3) \
               RETURNING id, channel, body, created_at, failed";
    let rows = tx.fetch_all(sql, values![now, now.plus(claim), limit]).await?;
    let mut messages: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
    messages.sort_by_key(|message: &Notification| message.id);
    Ok(messages)
}

/// Deletes a message that has arrived, or that is abandoned.
pub async fn delete(tx: &mut Tx, id: NotificationId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM notifications WHERE id = $1", values![id])
        .await?;
    Ok(())
}

/// Notes that an attempt failed: the next is at `next`.
pub async fn postpone(tx: &mut Tx, id: NotificationId, why: &str, next: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE notifications SET failed = failed + 1, last_error = $2, next_attempt_at = $3, claimed_until = 0 \
               WHERE id = $1";
    tx.execute(sql, values![id, why, next]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Notification, StoreError> {
    Ok(Notification {
        id: row.id("id")?,
        channel: row.text("channel")?,
        body: row.text("body")?,
        created_at: row.time("created_at")?,
        failed: row.small("failed")?,
    })
}
