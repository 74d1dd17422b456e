//! Watching for what needs attention, in the background: incidents begin, continue and end in the store, so that it is known
//! when, and reported once whatever the number of replicas. Each replica records what it sees itself of servers; what the
//! database knows is looked through by one replica at a time.

mod causes;
mod certificates;
mod listener;
mod servers;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{
    Timestamp,
    audit::Origin,
    id::{IncidentId, ServerId},
    incident::{IncidentKind, Observation},
};
use gatewright_store::{StoreError, Tx, incident, lease};

use super::{
    Authority,
    authority::{MayChange, MayReadInstance},
    notifications,
};
use crate::Admin;

/// How often one replica looks through what all replicas share, at most and at least.
const ROUND_EVERY: Duration = Duration::from_mins(1);
const ROUND_EVERY_LEAST: Duration = Duration::from_secs(1);
/// The lease of these rounds.
const LEASE: &str = "watching";
/// Incidents of one kind that a round compares. What is beyond is left as it is.
const OF_A_KIND: u32 = 1_000;

/// What this replica has noted of what it sees itself.
#[derive(Debug, Default)]
pub struct Watch {
    /// Servers that could not be used, and when that was last noted.
    failing: Mutex<HashMap<ServerId, Timestamp>>,
    certificates: certificates::Noted,
    listener: listener::Noted,
    /// When this replica last tried to take the lease, in milliseconds.
    tried_at: AtomicI64,
}

/// The program itself: what it watches is in all projects.
pub(super) fn ourselves() -> Authority {
    Authority::operator(Origin::System)
}

/// The permits of the program itself. They are not requested by a caller, so they are never refused.
pub(super) fn permits(authority: &Authority) -> Option<(MayReadInstance, MayChange<'_>)> {
    Some((authority.read_instance().ok()?, authority.instance().ok()?))
}

/// Notes what this replica has seen since the last look; every few seconds.
pub async fn look(app: &Admin) -> Result<(), StoreError> {
    let authority = ourselves();
    let Some((_, permit)) = permits(&authority) else {
        return Ok(());
    };
    let mut seen = servers::seen(app, &authority);
    seen.extend(certificates::seen(app));
    seen.extend(listener::seen(app));
    if !seen.is_empty() {
        let mut tx = app.store.write(permit).await?;
        for change in &seen {
            apply(app, &mut tx, change).await?;
        }
        tx.commit().await?;
    }
    // Only what is written is remembered: otherwise the next look notes it.
    servers::remember(app, &seen);
    certificates::remember(app, &seen);
    listener::remember(app, &seen);
    Ok(())
}

/// Looks through what all replicas share, if no other replica has done so within a minute: begins and ends incidents, and writes
/// messages about them.
pub async fn round(app: &Admin) -> Result<(), StoreError> {
    let authority = ourselves();
    let Some((reading, writing)) = permits(&authority) else {
        return Ok(());
    };
    let now = app.now();
    // Nothing is written where another round is not due.
    let tried_at = Timestamp::from_millis(app.watch.tried_at.load(Ordering::Relaxed));
    if now.since(tried_at) < round_every(app) {
        return Ok(());
    }
    app.watch.tried_at.store(now.as_millis(), Ordering::Relaxed);
    let mut tx = app.store.write(writing).await?;
    let is_ours = lease::take(&mut tx, LEASE, now, round_every(app)).await?;
    tx.commit().await?;
    if !is_ours {
        return Ok(());
    }
    let mut tx = app.store.read(reading).await?;
    let open = incident::list_open(&mut tx, IncidentKind::ServerUnavailable, None, OF_A_KIND).await?;
    let causes = causes::all(app, &mut tx).await?;
    drop(tx);
    let asked = servers::ask_again(app, &authority, open).await;
    let mut tx = app.store.write(writing).await?;
    for change in &asked {
        apply(app, &mut tx, change).await?;
    }
    for (kind, observed) in causes {
        reconcile(app, &mut tx, kind, observed).await?;
    }
    causes::remind(app, &mut tx).await?;
    notifications::write(app, &mut tx).await?;
    tx.commit().await
}

/// How often incidents are checked: more often if messages are sent sooner.
fn round_every(app: &Admin) -> Duration {
    app.config
        .notifications
        .wait()
        .clamp(ROUND_EVERY_LEAST, ROUND_EVERY)
}

/// Something that was seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It needs attention.
    Observed(Observation),
    /// It does not, or not any more.
    Recovered {
        /// What did.
        kind: IncidentKind,
        /// The ID of what it was about.
        subject_id: String,
        /// When that was seen.
        at: Timestamp,
    },
}

async fn apply(app: &Admin, tx: &mut Tx, seen: &Seen) -> Result<(), StoreError> {
    match seen {
        Seen::Observed(observed) => note(app, tx, observed).await,
        Seen::Recovered { kind, subject_id, at } => {
            if incident::recover(tx, *kind, subject_id, *at).await? {
                tracing::info!(kind = kind.as_str(), subject = subject_id, "an incident is over");
            }
            Ok(())
        }
    }
}

async fn note(app: &Admin, tx: &mut Tx, observed: &Observation) -> Result<(), StoreError> {
    let id = IncidentId::generate(&*app.clock, &*app.entropy);
    if incident::note(tx, id, observed, app.config.notifications.settle()).await? != incident::Noted::GoesOn {
        tracing::warn!(
            incident = %id,
            kind = observed.kind.as_str(),
            subject = observed.subject_id,
            what = observed.what,
            "an incident has begun"
        );
    }
    Ok(())
}

/// Makes the open incidents of a kind those that were observed. What was observed is complete, unless it is as much as is read.
async fn reconcile(
    app: &Admin,
    tx: &mut Tx,
    kind: IncidentKind,
    observed: Vec<Observation>,
) -> Result<(), StoreError> {
    let is_complete = observed.len() < OF_A_KIND as usize;
    for observation in &observed {
        note(app, tx, observation).await?;
    }
    if !is_complete {
        return Ok(());
    }
    let open = incident::list_open(tx, kind, None, OF_A_KIND).await?;
    let over = open
        .into_iter()
        .filter(|incident| observed.iter().all(|seen| seen.subject_id != incident.subject_id));
    for incident in over {
        let seen = Seen::Recovered {
            kind,
            subject_id: incident.subject_id,
            at: app.now(),
        };
        apply(app, tx, &seen).await?;
    }
    Ok(())
}
