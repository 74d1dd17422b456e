//! Sessions that were ended: a DELETE at one replica acts at all of them, within a poll.

use std::sync::atomic::{AtomicI64, Ordering};

use gatewright_domain::{Timestamp, gateway::REVOCATION_LEEWAY};
use gatewright_mcp::session::Ending;
use gatewright_store::{StoreError, ended_session, session_note};

use super::ResourceServer;
/// Sessions read at once: as many as are remembered.
const READ_MAX: u32 = 200_000;

/// How far the ended sessions have been read.
#[derive(Debug, Default)]
pub(super) struct EndedElsewhere {
    /// When the newest of them was ended, milliseconds.
    newest: AtomicI64,
}

/// Writes that a session ends.
pub(super) async fn tell_others(app: &ResourceServer, ending: Ending) -> Result<(), StoreError> {
    let row = ended_session::EndedSession {
        session: ending.session,
        caller: ending.caller,
        ended_at: app.now(),
        expires_at: ending.until,
    };
    let mut tx = app.store.write().await?;
    ended_session::insert(&mut tx, &row).await?;
    session_note::delete_of_session(&mut tx, row.session).await?;
    tx.commit().await
}

/// Reads which sessions were ended since the last look.
pub async fn hear(app: &ResourceServer) -> Result<(), StoreError> {
    let elsewhere = &app.elsewhere;
    let newest = elsewhere.newest.load(Ordering::Acquire);
    let now = app.now();
    // Clocks of replicas differ, and a transaction commits after its own time: what was ended lately is read again each
    // time, also where the newest was ended by the fastest clock and the next is by the slowest.
    let since = Timestamp::from_millis(newest)
        .min(now)
        .minus(2 * REVOCATION_LEEWAY);
    let mut tx = app.store.read().await?;
    let ended = ended_session::list_since(&mut tx, since, now, READ_MAX).await?;
    drop(tx);
    if let Some((_, at)) = ended.first() {
        elsewhere.newest.fetch_max(at.as_millis(), Ordering::AcqRel);
    }
    let sessions = ended.into_iter().map(|(session, _)| session);
    app.federation.note_ended(sessions);
    Ok(())
}
