//! What the database knows that needs attention: refused client secrets, failing sign-ins, keys about to expire. Each
//! query reads a bounded number of rows of all projects.

use std::{collections::BTreeSet, time::Duration};

use gatewright_domain::{
    Timestamp,
    id::{GatewayId, ProjectId},
    incident::{IncidentKind, Observation},
    sign_in_attempt::Outcome,
    stream::StreamStatus,
};
use gatewright_store::{
    PageRequest, StoreError, Tx, attention as rows, incident,
    names::{self, Kind},
    sign_in_attempt::{self, AttemptFilter},
    stream, stream_state, user_source,
};

use super::OF_A_KIND;
use crate::{
    Admin,
    service::attention::{self, LATELY, SECRET_SOON, SECRET_VERY_SOON, SOON},
};

/// Attempts of a stream that must fail in a row before it needs attention: some fifteen seconds.
const STREAM_FAILURES: u32 = 3;
/// How long lost records need attention.
const LOST_SHOWN: Duration = Duration::from_hours(24);
/// Projects whose sign-ins are counted in one round.
const PROJECTS: u32 = 200;

/// All kinds, each with everything that is observed of it.
pub(super) async fn all(
    app: &Admin,
    tx: &mut Tx,
) -> Result<Vec<(IncidentKind, Vec<Observation>)>, StoreError> {
    Ok(vec![
        (IncidentKind::ClientSecretRefused, refused_secrets(app, tx).await?),
        (IncidentKind::SignInsFail, failing_sign_ins(app, tx).await?),
        (IncidentKind::ClientSecretExpires, ending_secrets(app, tx).await?),
        (IncidentKind::ApiKeyExpires, ending_keys(app, tx).await?),
        (IncidentKind::StreamFails, failing_streams(app, tx).await?),
        (IncidentKind::StreamLost, lost_records(app, tx).await?),
    ])
}

/// Active streams of which several attempts have failed.
async fn failing_streams(app: &Admin, tx: &mut Tx) -> Result<Vec<Observation>, StoreError> {
    let states = stream_state::list(tx).await?;
    let streams = stream::list(tx).await?;
    let active = streams
        .into_iter()
        .filter(|stream| stream.status == StreamStatus::Active);
    let observed = active.filter_map(|stream| {
        let state = states.get(&stream.id).filter(|state| state.failed >= STREAM_FAILURES)?;
        let since = state.failing_since.map(Timestamp::to_rfc3339).unwrap_or_default();
        let why = state.last_error.as_deref().unwrap_or_default();
        Some(Observation {
            project_id: None,
            kind: IncidentKind::StreamFails,
            subject_id: stream.id.to_string(),
            subject_name: stream.name,
            what: format!("The stream has delivered nothing since {since}: {why}."),
            remedy: "Check the receiver and the stream. What waits is sent once it can be, as long as it is not deleted because of \
                     its age or size."
                .to_owned(),
            at: app.now(),
        })
    });
    Ok(observed.map(Observation::bounded).collect())
}

/// Streams that were found in the last day to have lost records.
async fn lost_records(app: &Admin, tx: &mut Tx) -> Result<Vec<Observation>, StoreError> {
    let states = stream_state::list(tx).await?;
    let after = app.now().minus(LOST_SHOWN);
    let streams = stream::list(tx).await?;
    let observed = streams.into_iter().filter_map(|stream| {
        let state = states.get(&stream.id)?;
        state.lost_at.filter(|at| *at > after)?;
        Some(Observation {
            project_id: None,
            kind: IncidentKind::StreamLost,
            subject_id: stream.id.to_string(),
            subject_name: stream.name,
            what: format!(
                "Up to {} records were deleted, because of their age or size, before the stream could send them.",
                state.lost
            ),
            remedy: "A record in the stream says which. Keep events and requests for longer than a receiver may be away: \
                     audit.retention_days, activity.retention_days and activity.max_size_mb."
                .to_owned(),
            at: app.now(),
        })
    });
    Ok(observed.map(Observation::bounded).collect())
}

async fn ending_secrets(app: &Admin, tx: &mut Tx) -> Result<Vec<Observation>, StoreError> {
    let now = app.now();
    let until = now.plus(SECRET_SOON);
    let sources = user_source::list_expiring(tx, None, until, OF_A_KIND).await?;
    let observed = sources.into_iter().map(|(project, id, name, at)| Observation {
        project_id: Some(project),
        kind: IncidentKind::ClientSecretExpires,
        subject_id: id.to_string(),
        subject_name: name,
        what: secret_ends(at, now),
        remedy: attention::RENEW_SECRET.to_owned(),
        at: now,
    });
    Ok(observed.map(Observation::bounded).collect())
}

/// That a client secret expires or has expired, in words.
fn secret_ends(at: Timestamp, now: Timestamp) -> String {
    let when = at.to_rfc3339();
    if at <= now {
        return format!(
            "The client secret has expired at {when}, so sign-ins fail if the provider keeps to it."
        );
    }
    let days = at.since(now).as_secs().div_ceil(24 * 60 * 60);
    let plural = if days == 1 { "" } else { "s" };
    format!("The client secret expires within {days} day{plural}, at {when}.")
}

/// Repeats the message about a client secret when a week is left and when it has expired: the reader of the first message may
/// have put it aside.
pub(super) async fn remind(app: &Admin, tx: &mut Tx) -> Result<(), StoreError> {
    let now = app.now();
    let sources = user_source::list_expiring(tx, None, now.plus(SECRET_VERY_SOON), OF_A_KIND).await?;
    for (_, id, _, at) in sources {
        let closer = if at <= now { at } else { at.minus(SECRET_VERY_SOON) };
        let kind = IncidentKind::ClientSecretExpires;
        incident::tell_again(tx, kind, &id.to_string(), closer).await?;
    }
    Ok(())
}

async fn refused_secrets(app: &Admin, tx: &mut Tx) -> Result<Vec<Observation>, StoreError> {
    let sources = user_source::list_refused(tx, OF_A_KIND).await?;
    let observed = sources.into_iter().map(|(project, id, name)| Observation {
        project_id: Some(project),
        kind: IncidentKind::ClientSecretRefused,
        subject_id: id.to_string(),
        subject_name: name,
        what: "The provider refuses the client secret.".to_owned(),
        remedy: "Look up the secret at the provider and enter it again. Until then, sign-ins use the previous one if it works."
            .to_owned(),
        at: app.now(),
    });
    Ok(observed.map(Observation::bounded).collect())
}

async fn ending_keys(app: &Admin, tx: &mut Tx) -> Result<Vec<Observation>, StoreError> {
    let now = app.now();
    let keys = rows::keys_ending_anywhere(tx, now, now.plus(SOON), OF_A_KIND).await?;
    let observed = keys.into_iter().map(|(project_id, id, name, at)| Observation {
        project_id,
        kind: IncidentKind::ApiKeyExpires,
        subject_id: id.to_string(),
        subject_name: name,
        what: format!("The API key expires at {}.", at.to_rfc3339()),
        remedy: "Rotate it, and put the new key where this one is used.".to_owned(),
        at: now,
    });
    Ok(observed.map(Observation::bounded).collect())
}

/// Gateways at which sign-ins fail, in the projects in which one failed just now, and in those of which it is known.
async fn failing_sign_ins(app: &Admin, tx: &mut Tx) -> Result<Vec<Observation>, StoreError> {
    let now = app.now();
    let open = incident::list_open(tx, IncidentKind::SignInsFail, None, OF_A_KIND).await?;
    let mut projects: BTreeSet<_> = open
        .into_iter()
        .filter_map(|incident| incident.project_id)
        .collect();
    let since = now.minus(super::ROUND_EVERY * 3);
    projects.extend(rows::projects_with_failures(tx, since, PROJECTS).await?);
    let mut observed = Vec::new();
    for project in projects {
        let lately = rows::sign_ins_since(tx, project, now.minus(LATELY)).await?;
        for (gateway, failed, of) in attention::failing(lately) {
            let Some(words) = words(app, tx, project, gateway).await? else {
                continue;
            };
            let (subject_name, reason, remedy) = words;
            let what = format!("{failed} of the last {of} sign-ins failed, the last one because: {reason}");
            observed.push(
                Observation {
                    project_id: Some(project),
                    kind: IncidentKind::SignInsFail,
                    subject_id: gateway.to_string(),
                    subject_name,
                    what,
                    remedy,
                    at: now,
                }
                .bounded(),
            );
        }
    }
    Ok(observed)
}

/// The name of a gateway, and why the last sign-in there failed and what to do; `None` if the gateway was deleted.
async fn words(
    app: &Admin,
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
) -> Result<Option<(String, String, String)>, StoreError> {
    let ids = [gateway.to_string()];
    let Some(name) = names::of(tx, project, Kind::Gateway, &ids).await?.remove(&ids[0]) else {
        return Ok(None);
    };
    let filter = AttemptFilter {
        gateway_id: Some(gateway),
        outcome: Some(Outcome::Failed),
        ..AttemptFilter::default()
    };
    let last = sign_in_attempt::list(tx, project, &filter, app.now(), &PageRequest::first(1)).await?;
    let failure = last.items.first().and_then(|attempt| attempt.failure(app.now()));
    let (reason, advice) = failure
        .map(|(_, failure)| (failure.reason, failure.advice))
        .unwrap_or_default();
    Ok(Some((name, reason, advice)))
}
