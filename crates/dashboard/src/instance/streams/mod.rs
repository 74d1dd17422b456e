//! `/instance/streams`: where audit events and requests are sent, and how that goes.

pub(super) mod create;
pub(super) mod detail;
mod fields;
pub(super) mod list;

use gatewright_domain::{Timestamp, id::StreamId, stream::StreamStatus};

use crate::{counted::counted, error::PageError, moment::Moment, service::streams::Standing};

/// Where the list is.
const PATH: &str = "/instance/streams";

/// How a stream stands, on the list and on its page.
struct Shown {
    href: String,
    name: String,
    kind: &'static str,
    to: String,
    sends: &'static str,
    is_active: bool,
    fails: bool,
    has_lost: bool,
    waiting: i64,
    oldest: Option<Moment>,
    delivered: String,
    last: Option<Moment>,
    lost: i64,
    lost_at: Option<Moment>,
    error: Option<String>,
    failing_since: Option<Moment>,
    next_attempt: Option<Moment>,
}

impl Shown {
    fn new(standing: &Standing, now: Timestamp) -> Self {
        let Standing { stream, state, lag } = standing;
        let moment = |at| Moment::new(at, now);
        let is_active = stream.status == StreamStatus::Active;
        Self {
            href: format!("{PATH}/{}", stream.id),
            name: stream.name.clone(),
            kind: stream.target.kind().label(),
            to: stream.target.place(),
            sends: match (stream.audit, stream.activity) {
                (true, true) => "Audit events and requests",
                (true, false) => "Audit events",
                (false, _) => "Requests",
            },
            is_active,
            fails: is_active && state.failed > 0,
            has_lost: state.lost > 0,
            waiting: lag.events,
            oldest: lag.oldest_at.map(moment),
            delivered: counted(state.delivered, "record"),
            last: state.last_delivered_at.map(moment),
            lost: state.lost,
            lost_at: state.lost_at.map(moment),
            error: state.last_error.clone(),
            failing_since: state.failing_since.map(moment),
            next_attempt: state
                .failing_since
                .filter(|_| is_active)
                .map(|_| moment(state.next_attempt_at)),
        }
    }
}

fn parse(id: &str) -> Result<StreamId, PageError> {
    id.parse().map_err(|_| PageError::NotFound("stream"))
}
