//! Letters between the replicas of an instance, through the store: what only one of them can do is asked of it, such as going
//! on with a call that it holds. Letters and answers are sealed, and live for minutes.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use gatewright_domain::{
    Clock, Entropy, Timestamp, entropy,
    sealed::{Keyring, Purpose},
};
use gatewright_mcp::{
    endpoint::{LATE, Replica, Replicas, Reply},
    session::SessionNote,
};
use gatewright_store::{
    Store, StoreError,
    replica_mail::{self, Fate, Letter},
};
use tokio::{sync::Semaphore, time::Instant};

use super::{ResourceServer, session_notes};

/// A replica that does not take a letter within this time has stopped.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked what became of a letter, at first and later.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Rows are kept a little longer than anyone waits for them.
const KEPT: Duration = Duration::from_mins(1);
/// Letters taken at once.
const TAKEN_MAX: u32 = 64;
/// Letters that are worked on at once.
const AT_WORK_MAX: usize = 512;
/// How often it is looked whether who sent a letter still waits for the answer.
const LOOK_BACK: Duration = Duration::from_secs(2);
/// How often who works on a letter says so. One that has said nothing for so long is gone, and its answer with it.
const RENEWED: Duration = Duration::from_secs(8);
const SILENT_MAX: Duration = Duration::from_secs(25);

/// Sends letters to other replicas.
pub(super) struct Mail {
    store: Store,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Whether there can be other replicas.
    others: bool,
    /// How long a letter waits for its replica.
    taken_within: Duration,
    /// How long the replica that took it may say nothing.
    silent_max: Duration,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

/// Places for letters that are worked on.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_WORK_MAX))
}

/// A letter that is in the store until this is dropped: its sender has the answer, or no longer waits for it.
struct Sent {
    store: Store,
    id: [u8; 16],
}

async fn delete(store: Store, id: [u8; 16]) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    replica_mail::delete(&mut tx, id).await?;
    tx.commit().await
}

impl Drop for Sent {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let deleting = delete(self.store.clone(), self.id);
        // A task of its own, because nothing can wait here. What fails leaves a row that expires.
        runtime.spawn(async move {
            if let Err(error) = deleting.await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a letter to another replica was not deleted"
                );
            }
        });
    }
}

/// What was heard of the replica that works on a letter: when it said so last, by its own clock, and since when that is known.
#[derive(Debug, Default)]
pub(super) struct Heard(Option<(Timestamp, Instant)>);

impl Heard {
    /// How long it has said nothing that was not known.
    pub(super) fn silence(&mut self, said_at: Timestamp, now: Instant) -> Duration {
        match self.0 {
            Some((known, since)) if known == said_at => now.duration_since(since),
            _ => {
                self.0 = Some((said_at, now));
                Duration::ZERO
            }
        }
    }
}

/// Under which context a letter or its answer is sealed.
fn context(id: [u8; 16], what: &str) -> String {
    format!("replica_mail/{what}/{:032x}", u128::from_be_bytes(id))
}

impl Replicas for Mail {
    fn ask(&self, to: Replica, letter: Vec<u8>, at_most: Duration) -> Reply<'_> {
        Box::pin(async move {
            match self.send(to, &letter, at_most).await {
                Ok(reply) => reply,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a letter to another replica was not delivered"
                    );
                    None
                }
            }
        })
    }

    fn write(&self, note: SessionNote) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let random = (self.clock.as_ref(), self.entropy.as_ref());
            let written = session_notes::write(&self.store, &self.keyring, random, &note).await;
            if let Err(error) = written {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what a client asked for in its session was not written; other replicas do not know of it"
                );
            }
        })
    }

    fn are_possible(&self) -> bool {
        self.others
    }
}

impl Mail {
    /// Through this store; whether there can be `others`.
    pub(super) const fn new(
        store: Store,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        others: bool,
    ) -> Self {
        Self {
            store,
            keyring,
            clock,
            entropy,
            others,
            taken_within: TAKEN_WITHIN,
            silent_max: SILENT_MAX,
        }
    }

    /// The same with another patience.
    #[cfg(test)]
    pub(super) fn patient_for(self, taken_within: Duration) -> Self {
        Self { taken_within, ..self }
    }

    /// The same with other patience with a replica that took it.
    #[cfg(test)]
    pub(super) fn silent_for(self, silent_max: Duration) -> Self {
        Self { silent_max, ..self }
    }

    async fn send(
        &self,
        to: Replica,
        letter: &[u8],
        at_most: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let id: [u8; 16] = entropy::bytes(self.entropy.as_ref());
        let seal = |plain: &[u8]| {
            let context = context(id, "letter");
            self.keyring
                .seal(self.entropy.as_ref(), Purpose::Question, &context, plain)
        };
        let row = Letter {
            id,
            recipient: to,
            letter: seal(letter),
            expires_at: self.clock.now().plus(at_most + KEPT),
        };
        let _sent = Sent {
            store: self.store.clone(),
            id,
        };
        let mut tx = self.store.write().await?;
        replica_mail::insert(&mut tx, &row).await?;
        tx.commit().await?;
        let began = Instant::now();
        let mut pause = LOOK;
        let mut heard = Heard::default();
        loop {
            tokio::time::sleep(pause).await;
            let mut tx = self.store.read().await?;
            let fate = replica_mail::find_fate(&mut tx, id).await?;
            drop(tx);
            match fate {
                None => return Ok(None),
                Some(Fate::Answered(reply)) => {
                    let opened = self
                        .keyring
                        .open(Purpose::Question, &context(id, "reply"), &reply);
                    return Ok(opened.ok());
                }
                Some(Fate::Waiting) if began.elapsed() >= self.taken_within => {
                    let mut tx = self.store.write().await?;
                    let withdrawn = replica_mail::withdraw(&mut tx, id).await?;
                    tx.commit().await?;
                    if withdrawn {
                        return Ok(None);
                    }
                }
                Some(Fate::Waiting) => {}
                Some(Fate::Taken(_)) if began.elapsed() >= at_most => return Ok(None),
                Some(Fate::Taken(at)) => {
                    pause = (pause * 2).min(LOOK_MAX);
                    if heard.silence(at, Instant::now()) >= self.silent_max {
                        tracing::warn!("the replica that took a letter says nothing any more");
                        return Ok(None);
                    }
                }
            }
        }
    }
}

/// Takes the letters for this replica, and answers each when it is done.
pub async fn hear(app: &Arc<ResourceServer>) -> Result<(), StoreError> {
    let (me, now) = (app.federation.replica(), app.now());
    let free = u32::try_from(app.letters.available_permits()).unwrap_or(TAKEN_MAX);
    if free == 0 {
        return Ok(());
    }
    let mut tx = app.store.read().await?;
    let has_any = replica_mail::has_any(&mut tx, me, now).await?;
    drop(tx);
    if !has_any {
        return Ok(());
    }
    let mut tx = app.store.write().await?;
    let letters = replica_mail::take(&mut tx, me, now, free.min(TAKEN_MAX)).await?;
    tx.commit().await?;
    for letter in letters {
        let app = Arc::clone(app);
        let place = Arc::clone(&app.letters).acquire_owned().await;
        // A task of its own: a call that goes on may last for minutes.
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = take(&app, &letter).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a letter of another replica was not answered"
                );
            }
        });
    }
    Ok(())
}

async fn take(app: &ResourceServer, letter: &Letter) -> Result<(), StoreError> {
    let opened = app
        .keyring
        .open(Purpose::Question, &context(letter.id, "letter"), &letter.letter);
    let reply = if let Ok(plain) = opened {
        tokio::select! {
            reply = app.federation.take_letter(&plain) => reply,
            () = is_withdrawn(app, letter.id) => return Ok(()),
        }
    } else {
        tracing::warn!("a letter of another replica cannot be opened");
        LATE.to_vec()
    };
    let context = context(letter.id, "reply");
    let reply = app
        .keyring
        .seal(app.entropy.as_ref(), Purpose::Question, &context, &reply);
    let mut tx = app.store.write().await?;
    replica_mail::answer(&mut tx, letter.id, &reply).await?;
    tx.commit().await
}

/// Ready when who sent a letter no longer waits for the answer. Until then it is said now and then that it is worked on.
async fn is_withdrawn(app: &ResourceServer, id: [u8; 16]) {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(LOOK_BACK).await;
        // While the store cannot be used, the work goes on.
        let waits = if renewed.elapsed() >= RENEWED {
            renew(app, id).await.inspect(|_| renewed = Instant::now())
        } else {
            is_known(app, id).await
        };
        if let Ok(false) = waits {
            return;
        }
    }
}

async fn is_known(app: &ResourceServer, id: [u8; 16]) -> Result<bool, StoreError> {
    let mut tx = app.store.read().await?;
    Ok(replica_mail::find_fate(&mut tx, id).await?.is_some())
}

async fn renew(app: &ResourceServer, id: [u8; 16]) -> Result<bool, StoreError> {
    let mut tx = app.store.write().await?;
    let waits = replica_mail::renew(&mut tx, id, app.now()).await?;
    tx.commit().await?;
    Ok(waits)
}
