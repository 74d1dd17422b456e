//! What clients asked for in their sessions, at any replica: written sealed to the store, read by every replica within a poll, and
//! where a session comes to a replica for the first time.

use std::{collections::HashSet, sync::Mutex, sync::PoisonError};

use gatewright_domain::{
    Clock, Entropy, Timestamp,
    gateway::REVOCATION_LEEWAY,
    sealed::{Keyring, Purpose},
};
use gatewright_mcp::session;
use gatewright_store::{
    Store, StoreError,
    session_note::{self, NoteKey, SessionNote},
};

use super::ResourceServer;

/// Notes read at once.
const READ_MAX: u32 = 10_000;

/// Which notes were read lately, by session, item and time, so that none is acted on twice.
#[derive(Debug, Default)]
pub(super) struct ReadNotes(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    newest: Option<Timestamp>,
    seen: HashSet<NoteKey>,
}

fn context(session: [u8; 16], item: [u8; 16]) -> String {
    let number = u128::from_be_bytes;
    format!("session_notes/{:032x}/{:032x}", number(session), number(item))
}

/// Writes what a client asked for.
pub(super) async fn write(
    store: &Store,
    keyring: &Keyring,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
    note: &session::SessionNote,
) -> Result<(), StoreError> {
    let context = context(note.session, note.item);
    let row = SessionNote {
        session: note.session,
        item: note.item,
        note: keyring.seal(entropy, Purpose::Question, &context, &note.note),
        written_at: clock.now(),
        expires_at: note.until,
    };
    let mut tx = store.write().await?;
    if note.only_replaces {
        session_note::replace(&mut tx, &row).await?;
    } else {
        session_note::write(&mut tx, note.caller, &row).await?;
    }
    tx.commit().await
}

/// Reads what clients asked for at other replicas since the last look.
pub async fn hear(app: &ResourceServer) -> Result<(), StoreError> {
    // Requests are refused meanwhile, and the notes are still there afterwards.
    if app.directory.current().is_err() {
        return Ok(());
    }
    let newest = app.read_notes.lock().newest;
    let now = app.now();
    // For the same reasons as where ended sessions are read: clocks differ, and transactions commit after their own time.
    let since = newest
        .map_or(Timestamp::from_millis(0), |newest| newest.min(now))
        .minus(2 * REVOCATION_LEEWAY);
    let mut tx = app.store.read().await?;
    let keys = session_note::list_since(&mut tx, since, now, READ_MAX).await?;
    let fresh = app.read_notes.not_seen(keys, since);
    let mut notes = Vec::with_capacity(fresh.len());
    // They come the newest first.
    for (session, item, _) in fresh.iter().rev() {
        notes.extend(session_note::find(&mut tx, *session, *item).await?);
    }
    drop(tx);
    act_on(app, &notes);
    app.read_notes.have_read(fresh);
    Ok(())
}

/// Reads what the client of a session asked for before the session came to this replica.
pub(super) async fn recall(app: &ResourceServer, session: [u8; 16]) -> Result<(), StoreError> {
    let now = app.now();
    let mut tx = app.store.read().await?;
    let notes = session_note::list_of_session(&mut tx, session, now).await?;
    drop(tx);
    act_on(app, &notes);
    Ok(())
}

fn act_on(app: &ResourceServer, notes: &[SessionNote]) {
    if notes.is_empty() {
        return;
    }
    let opened: Vec<_> = notes
        .iter()
        .filter_map(|note| {
            let context = context(note.session, note.item);
            let plain = app.keyring.open(Purpose::Question, &context, &note.note).ok()?;
            Some((note.session, plain))
        })
        .collect();
    let Ok(directory) = app.directory.current() else {
        return;
    };
    app.federation.act_on(&opened, |id| {
        directory.gateway_by_id(id).map(|entry| entry.gateway.project_id)
    });
}

impl ReadNotes {
    fn lock(&self) -> std::sync::MutexGuard<'_, Lately> {
        // What is noted is whole after each operation.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of these notes, the newest first, those that were not read before. Earlier ones than `since` are not read again and forgotten.
    fn not_seen(&self, mut notes: Vec<NoteKey>, since: Timestamp) -> Vec<NoteKey> {
        let mut lately = self.lock();
        lately.seen.retain(|(_, _, at)| *at >= since);
        notes.retain(|note| !lately.seen.contains(note));
        notes
    }

    /// That these were read.
    fn have_read(&self, notes: Vec<NoteKey>) {
        let mut lately = self.lock();
        let newest = notes.iter().map(|(_, _, at)| *at).max();
        lately.newest = lately.newest.max(newest);
        lately.seen.extend(notes);
    }
}
