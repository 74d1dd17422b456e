//! New requests as they come: a stream of server-sent events (HTML standard, section 9.2), which the script of the page
//! follows. It asks the store every two seconds, so it shows what any replica served, and holds nothing while its browser
//! does not read. Each time it looks up the session again and ends with it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use gatewright_store::activity::ActivityFilter;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior};

use super::{filter, row::rows};
use crate::{
    Admin,
    error::PageError,
    form::Asked,
    service::{activity as service, live_tails::Place},
    session::{self, InProject},
};

/// How often new requests are looked for.
const EVERY: Duration = Duration::from_secs(2);
/// Requests sent at a time. Of more, the rest follows with the next look.
const ROWS: u32 = 50;
/// The number of looks after which the stream ends and the browser opens another: an hour, so that no connection stays forever.
const LOOKS: u32 = 1_800;
/// A stream that is silent for this many looks gets a comment, so that proxies keep it.
const SILENT: u32 = 5;
/// How long a browser waits before it opens another stream, in milliseconds.
const RETRY: &str = "retry: 3000\n\n";

/// A stream on its way.
struct Tail {
    app: Arc<Admin>,
    place: InProject,
    /// With which the session is looked up again.
    headers: HeaderMap,
    filter: ActivityFilter,
    /// The number of the last row that was looked at.
    after: i64,
    looks: u32,
    silent: u32,
    ticks: Interval,
    _seat: Place,
}

/// GET `/projects/{project}/activity/live`.
pub(super) async fn follow(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let Some(seat) = app.live_tails.enter(place.visit.session.account.id) else {
        let later = [(RETRY_AFTER, HeaderValue::from_static("60"))];
        return Ok((StatusCode::TOO_MANY_REQUESTS, later).into_response());
    };
    let filters = filter::read(&place, &asked);
    let filter = ActivityFilter {
        from: None,
        ..filter::wanted(&filters, filter::range(&filters), app.now())
    };
    let last = service::last_row(&app, &place.visit.authority, place.project.id).await?;
    // A browser that comes back says what it has seen last. Nothing before the page is asked for again.
    let seen = headers.get("last-event-id").and_then(|seen| seen.to_str().ok());
    let after = seen
        .or_else(|| asked.text("after"))
        .and_then(|after| after.parse().ok());
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tail = Tail {
        after: after.filter(|after| (0..=last).contains(after)).unwrap_or(last),
        app,
        place,
        headers,
        filter,
        looks: 0,
        silent: 0,
        ticks,
        _seat: seat,
    };
    let events = stream::unfold(Some(tail), |tail| async move {
        let (text, tail) = tail?.next().await;
        Some((Ok::<_, Infallible>(text), tail))
    });
    let fixed = HeaderValue::from_static;
    let headers = [
        (CONTENT_TYPE, fixed("text/event-stream")),
        (CACHE_CONTROL, fixed("no-store")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        // nginx holds back what it can.
        (HeaderName::from_static("x-accel-buffering"), fixed("no")),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

impl Tail {
    /// The next events, and what is left after them. Nothing is read before the browser has taken what came before.
    async fn next(mut self) -> (Bytes, Option<Self>) {
        if self.looks == 0 {
            self.looks = 1;
            return (Bytes::from_static(RETRY.as_bytes()), Some(self));
        }
        loop {
            let shutdown = self.app.shutdown.clone();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return (Bytes::new(), None),
                _ = self.ticks.tick() => {}
            }
            self.looks += 1;
            match self.look().await {
                Ok(Some(text)) => {
                    self.silent = 0;
                    return (text.into(), Some(self));
                }
                Ok(None) if self.looks > LOOKS => return (Bytes::new(), None),
                Ok(None) => {
                    self.silent += 1;
                    if self.silent >= SILENT {
                        self.silent = 0;
                        return (Bytes::from_static(b":\n\n"), Some(self));
                    }
                }
                Err(Ended) => return (Bytes::from_static(b"event: end\ndata: {}\n\n"), None),
            }
        }
    }

    /// An event with what is new, if anything is. What cannot be read now is read with the next look.
    async fn look(&mut self) -> Result<Option<String>, Ended> {
        self.check().await?;
        let (authority, project) = (&self.place.visit.authority, self.place.project.id);
        let read = service::since(&self.app, authority, project, &self.filter, self.after, ROWS).await;
        let Ok((new, after)) = read else {
            return Ok(None);
        };
        if new.is_empty() {
            self.after = after;
            return Ok(None);
        }
        let Ok(rows) = rows(&self.app, &self.place, &new).await else {
            return Ok(None);
        };
        self.after = after;
        let rows: Vec<_> = rows.iter().filter_map(|row| row.html().ok()).collect();
        Ok(Some(format!(
            "id: {after}\ndata: {}\n\n",
            json!({ "rows": rows })
        )))
    }

    /// Looks up the session and the membership again, as a page would.
    async fn check(&self) -> Result<(), Ended> {
        let project = self.place.project.id;
        match session::find(&self.app, &self.headers).await {
            Ok(Some(session)) => {
                let is_member = session.memberships.iter().any(|one| one.project_id == project);
                let is_same = session.account.id == self.place.visit.session.account.id;
                if is_same && is_member { Ok(()) } else { Err(Ended) }
            }
            Ok(None) | Err(_) => Err(Ended),
        }
    }
}

/// The session ended, or the account is no longer a member.
struct Ended;
