//! `logging/setLevel` (2025-11-25 server/utilities/logging, "Setting Log Level"). The level is remembered with the session;
//! a server learns it with the next call to it, and of what it sends the session gets what is severe enough.

use bytes::Bytes;
use http::Response;

use super::{
    answer::Answer,
    methods::{Asking, Client},
    reply,
    service::Endpoint,
    session::Note,
};
use crate::{
    peer::transport::Transport,
    wire::{
        jsonrpc::{ErrorCode, Refusal},
        log_level::LogLevel,
        scan::{self, Kind},
    },
};

impl<T: Transport> Endpoint<T> {
    /// Answers `logging/setLevel`.
    pub(super) async fn set_level(&self, asking: &Asking<'_>) -> Response<Answer<T::Body>> {
        let request = asking.request;
        let refuse =
            |refusal: &Refusal| reply::refusal(refusal, Some(&request.id.to_owned()), asking.client.era());
        let Client::Legacy(session) = asking.client else {
            return refuse(&Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found."));
        };
        match level(asking) {
            Some(level) => {
                session.wishes.set_log_level(level);
                let note = Note::LogLevel(level.number());
                self.write(asking.plan.project, session, &note).await;
                reply::result(request.id.raw, Bytes::from_static(b"{}"))
            }
            None => refuse(&Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "params.level must be one of debug, info, notice, warning, error, critical, alert and emergency.",
            )),
        }
    }
}

fn level(asking: &Asking<'_>) -> Option<LogLevel> {
    let params = asking.request.params.as_ref()?.span;
    let [level] = scan::pick(asking.body, params, ["level"]).ok()?;
    let level = level.filter(|level| level.kind == Kind::String)?;
    LogLevel::parse(&scan::decode_string(level.value.of(asking.body))?)
}
