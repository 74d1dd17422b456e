//! Creations that happen once, however often they are requested: with an `Idempotency-Key`, the key is claimed in the
//! transaction that creates, and the commit waits for the answer, which is stored beside it. A crash leaves all of it or
//! nothing.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{Timestamp, audit::Actor, sealed::Purpose, token_hash::TokenHash};
use gatewright_store::{
    Tx,
    idempotency::{self as rows, Claim},
};

use super::{ServiceError, authority::before_sign_in};
use crate::Admin;

/// How long an answer is remembered.
const REMEMBERED: Duration = Duration::from_hours(24);

/// A creation under an `Idempotency-Key`.
#[derive(Debug)]
pub struct Once {
    claim: Claim,
    /// The transaction that creates, from its commit on.
    held: Mutex<Option<Tx>>,
    came_late: AtomicBool,
    is_known: AtomicBool,
}

impl Once {
    /// The creation that `actor` asks for at `path` under the key of the header, with this body.
    pub fn new(actor: &Actor, path: &str, header: &str, body: &[u8]) -> Self {
        let caller = actor.kind.to_string();
        // None of the parts has a line break: an actor is an id, a path and a header have visible characters only.
        let key = format!("{caller}\n{path}\n{header}");
        Self {
            claim: Claim {
                key: TokenHash::of(&key),
                caller: TokenHash::of(&caller),
                body: TokenHash::of_bytes(body),
            },
            held: Mutex::default(),
            came_late: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
        }
    }

    /// Whether another request with the same key was first, so that this one has made nothing.
    pub fn came_late(&self) -> bool {
        self.came_late.load(Ordering::SeqCst)
    }

    /// Goes on with a creation that is new. One that was done before ends here: its caller has just been found to be allowed
    /// to do it, and nothing else is asked or made.
    pub(super) fn go_on(&self) -> Result<(), ServiceError> {
        if self.is_known.load(Ordering::SeqCst) {
            self.came_late.store(true, Ordering::SeqCst);
            return Err(ServiceError::Repeated);
        }
        Ok(())
    }

    /// Claims the key for the transaction that creates.
    pub(super) async fn claim(&self, tx: &mut Tx, now: Timestamp) -> Result<(), ServiceError> {
        if rows::claim(tx, &self.claim, now, now.plus(REMEMBERED)).await? {
            return Ok(());
        }
        self.came_late.store(true, Ordering::SeqCst);
        Err(ServiceError::Repeated)
    }

    /// Keeps the transaction, all but committed, until the answer is known.
    pub(super) fn hold(&self, tx: Tx) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(tx);
    }

    fn take(&self) -> Option<Tx> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Finds out whether the key was used before. The response is not returned yet: first the caller must be allowed to ask for it.
pub(crate) async fn recognise(app: &Admin, once: &Once) -> Result<(), ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    let done = rows::find(&mut tx, once.claim.key, app.now()).await?;
    once.is_known.store(done.is_some(), Ordering::SeqCst);
    Ok(())
}

/// The response to the same request before, if there was one.
pub(crate) async fn look_up(app: &Admin, once: &Once) -> Result<Option<Vec<u8>>, ServiceError> {
    let mut tx = app.store.read(before_sign_in()).await?;
    let Some(done) = rows::find(&mut tx, once.claim.key, app.now()).await? else {
        return Ok(None);
    };
    drop(tx);
    if done.body != once.claim.body {
        return Err(ServiceError::KeyReused);
    }
    let context = rows::answer_context(once.claim.key);
    match app.keyring.open(Purpose::StoredSecret, &context, &done.answer) {
        Ok(answer) => Ok(Some(answer)),
        Err(_) => Err(ServiceError::conflict(
            "This was created before under the same `Idempotency-Key`, but its answer was sealed with a master key that is \
             no longer configured. Look for it in the list.",
        )),
    }
}

/// Stores the answer and makes the creation happen, if there was one to make.
pub(crate) async fn finish(app: &Admin, once: &Once, answer: &[u8]) -> Result<(), ServiceError> {
    let Some(mut tx) = once.take() else {
        return Ok(());
    };
    let context = rows::answer_context(once.claim.key);
    let sealed = app
        .keyring
        .seal(app.entropy.as_ref(), Purpose::StoredSecret, &context, answer);
    rows::answer(&mut tx, once.claim.key, &sealed).await?;
    tx.commit().await?;
    app.refresh_directory().await.map_err(ServiceError::NotConfirmed)
}
