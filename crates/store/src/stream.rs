//! Streams: what is sent where. How they stand is in [`crate::stream_state`].

use gatewright_domain::{id::StreamId, stream::Stream};

use crate::{
    StoreError, Tx,
    row::{Row, to_json, to_word},
    tx::Lock,
    value::values,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, status, audit, activity, project_id, format, target, secret, created_at, updated_at FROM streams ",
            $rest
        )
    };
}

/// Adds a stream, with a state that says nothing yet; `Taken { field: "name" }`.
pub async fn insert(tx: &mut Tx, stream: &Stream) -> Result<(), StoreError> {
    let sql = "INSERT INTO streams (id, name, name_key, status, audit, activity, project_id, format, target, secret, created_at, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (name_key) DO NOTHING";
    let values = values![
        stream.id,
        &stream.name,
        stream.name.to_lowercase(),
        to_word(&stream.status),
        stream.audit,
        stream.activity,
        stream.project_id.map(|id| id.to_string()),
        to_word(&stream.format),
        to_json(&stream.target),
        stream.secret.as_ref(),
        stream.created_at,
        stream.updated_at,
    ];
    if tx.execute(sql, values).await? == 0 {
        return Err(StoreError::Taken { field: "name" });
    }
    let sql = "INSERT INTO stream_states (stream_id) VALUES ($1)";
    tx.execute(sql, values![stream.id]).await?;
    Ok(())
}

/// Finds a stream.
pub async fn find(tx: &mut Tx, id: StreamId) -> Result<Option<Stream>, StoreError> {
    let row = tx.fetch_optional(select!("WHERE id = $1"), values![id]).await?;
    row.as_ref().map(read).transpose()
}

/// Finds a stream, locked until the end of the transaction: `keys rotate` leaves its secret alone until then.
pub async fn find_and_hold(tx: &mut Tx, id: StreamId) -> Result<Option<Stream>, StoreError> {
    let row = tx
        .lock_optional(select!("WHERE id = $1"), Lock::Update, values![id])
        .await?;
    row.as_ref().map(read).transpose()
}

/// All streams, oldest first: they are few, see [`gatewright_domain::stream::STREAMS_MAX`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Stream>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY id"), &[]).await?;
    rows.iter().map(read).collect()
}

/// Replaces a stream if it has not changed since it was `seen`; `Taken { field: "name" }`.
pub async fn update(tx: &mut Tx, stream: &Stream, seen: &Stream) -> Result<bool, StoreError> {
    let key = stream.name.to_lowercase();
    let sql = "SELECT id FROM streams WHERE name_key = $1 AND id <> $2";
    if tx.fetch_optional(sql, values![&key, stream.id]).await?.is_some() {
        return Err(StoreError::Taken { field: "name" });
    }
    let sql = "UPDATE streams SET name = $1, name_key = $2, status = $3, audit = $4, activity = $5, project_id = $6, format = $7, \
               target = $8, secret = $9, updated_at = $10 WHERE id = $11 AND updated_at = $12";
    let values = values![
        &stream.name,
        key,
        to_word(&stream.status),
        stream.audit,
        stream.activity,
        stream.project_id.map(|id| id.to_string()),
        to_word(&stream.format),
        to_json(&stream.target),
        stream.secret.as_ref(),
        stream.updated_at,
        stream.id,
        seen.updated_at,
    ];
    Ok(tx.execute(sql, values).await? > 0)
}

/// Deletes a stream, with its place.
pub async fn delete(tx: &mut Tx, id: StreamId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM streams WHERE id = $1";
    Ok(tx.execute(sql, values![id]).await? > 0)
}

fn read(row: &Row) -> Result<Stream, StoreError> {
    Ok(Stream {
        id: row.id("id")?,
        name: row.text("name")?,
        status: row.word("status")?,
        audit: row.flag("audit")?,
        activity: row.flag("activity")?,
        project_id: row.opt_id("project_id")?,
        format: row.word("format")?,
        target: row.json("target")?,
        secret: row.opt_sealed("secret")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
