//! A trial in the activity: like any other request, with the administrator in the place of the client.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{
    activity::{Activity, Outcome, RequestKind, RequestNumber, Rule},
    id::GatewayId,
};
use gatewright_mcp::{
    endpoint::Reached,
    verdict::{AnswerReader, Verdict},
};

use super::outcome;
use crate::resource_server::{ResourceServer, authenticate::Authenticated};

/// Records a trial that took so long.
pub(super) fn record(
    app: &ResourceServer,
    caller: &Authenticated,
    gateway_id: GatewayId,
    reached: &mut Reached,
    outcome: &outcome::Outcome,
    duration: Duration,
) {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let went_to_server = reached.sent_at.is_some();
    let (outcome, rule) = reached
        .decided
        .unwrap_or_else(|| decided(outcome, went_to_server));
    let row = Activity {
        at: app.now(),
        project_id: caller.principal.project_id,
        gateway_id,
        caller: Some(Arc::clone(&caller.recorded)),
        server_id: reached.server.as_ref().map(|upstream| upstream.config.id),
        kind: reached.kind.unwrap_or(RequestKind::Other),
        item: reached.item.take(),
        outcome,
        rule,
        duration_us: micros(duration),
        upstream_us: reached.sent_at.map(|sent_at| micros(sent_at.elapsed())),
        bytes_in: 0,
        bytes_out: 0,
        // It came with a request of a page or of the API, which has a log line of its own.
        request: RequestNumber::default(),
        trace: None,
        session: None,
    };
    app.activity.record(row, &app.telemetry);
}

fn decided(outcome: &outcome::Outcome, went_to_server: bool) -> (Outcome, Option<Rule>) {
    match outcome {
        outcome::Outcome::Result(result) => {
            let mut reader = AnswerReader::new(false);
            for piece in [br#"{"result":"#, result.get().as_bytes(), b"}"] {
                reader.read(piece);
            }
            let outcome = match reader.verdict() {
                Some(Verdict::ToolError) => Outcome::ToolError,
                Some(Verdict::InputRequired) => Outcome::InputRequired,
                Some(Verdict::Result | Verdict::Error) | None => Outcome::Ok,
            };
            (outcome, None)
        }
        outcome::Outcome::Error { .. } if went_to_server => (Outcome::Error, None),
        outcome::Outcome::Error { .. } => (Outcome::Refused, Some(Rule::BadParams)),
        outcome::Outcome::Late => (Outcome::Unavailable, None),
        outcome::Outcome::TooLarge | outcome::Outcome::Broken => (Outcome::Broken, None),
    }
}
