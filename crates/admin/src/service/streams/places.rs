//! How far streams are: what they begin with, and what waits.

use gatewright_domain::{
    Timestamp,
    stream::{Stream, StreamLag},
};
use gatewright_store::{
    StoreError, Tx,
    activity::{self, Place},
    stream_state,
};

use super::{
    super::{Authority, ServiceError},
    Standing,
};
use crate::Admin;

/// A stream and how it stands, without the requests that wait.
pub(super) async fn standing(tx: &mut Tx, stream: Stream) -> Result<Standing, ServiceError> {
    let state = stream_state::find(tx, stream.id).await?.unwrap_or_default();
    let lag = if stream.audit {
        stream_state::audit_lag(tx, stream.id, stream.project_id).await?
    } else {
        StreamLag::default()
    };
    Ok(Standing { stream, state, lag })
}

/// Adds the requests that wait, which are kept elsewhere.
pub(super) async fn add_activity(
    app: &Admin,
    authority: &Authority,
    standing: &mut Standing,
) -> Result<(), ServiceError> {
    if !standing.stream.activity {
        return Ok(());
    }
    let mut tx = app.store.read(authority.read_instance()?).await?;
    let place = stream_state::activity_place(&mut tx, standing.stream.id).await?;
    drop(tx);
    if place.row == stream_state::GONE {
        return Ok(());
    }
    let mut tx = app.store.read_activity(authority.read_instance()?).await?;
    let begin = activity::begin(&mut tx, place).await?;
    // What is to be said about numbers that began again waits too.
    let waiting = begin.last - begin.after + i64::from(begin.is_again);
    if waiting > 0 {
        let lag = &mut standing.lag;
        lag.events += waiting;
        let oldest = activity::next_at(&mut tx, begin.after).await?;
        lag.oldest_at = lag.oldest_at.into_iter().chain(oldest).min();
    }
    Ok(())
}

/// The end of the activity.
pub(super) async fn activity_end(app: &Admin, authority: &Authority) -> Result<Place, ServiceError> {
    let mut tx = app.store.read_activity(authority.read_instance()?).await?;
    Ok(activity::end(&mut tx).await?)
}

/// Sets the places from where a stream sends what it did not send before.
pub(super) async fn begin(
    tx: &mut Tx,
    stream: &Stream,
    before: Option<&Stream>,
    end: Place,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sent_audit = before.is_some_and(|before| before.audit && before.project_id == stream.project_id);
    match (sent_audit, stream.audit) {
        (false, true) => stream_state::begin_audit(tx, stream.id, stream.project_id, now).await?,
        (true, false) => stream_state::forget_audit(tx, stream.id).await?,
        (true, true) | (false, false) => {}
    }
    let sent_activity =
        before.is_some_and(|before| before.activity && before.project_id == stream.project_id);
    match (sent_activity, stream.activity) {
        (false, true) => stream_state::begin_activity(tx, stream.id, end, now).await,
        (true, false) => stream_state::forget_activity(tx, stream.id).await,
        (true, true) | (false, false) => Ok(()),
    }
}
