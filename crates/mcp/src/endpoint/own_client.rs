//! A client of the house's own, for people who try a gateway out on its pages: their requests go the very way that those of
//! every other client go, and nothing is decided here that is not decided there.

use std::{
    fmt::Write as _,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{
    answer::Answer,
    methods::{Asking, Client},
    reached::Reached,
    reply,
    service::Endpoint,
};
use crate::{
    federation::{catalogs::Freshness, plan::Plan},
    peer::{
        about::CLIENT_INFO, caller::Caller, transport::Transport, unavailable::Unavailable,
        upstream::Upstream,
    },
    wire::{
        envelope::{self, Limits, Message},
        headers,
        json::json_string,
        jsonrpc::{ErrorCode, Refusal},
        listing::ListKind,
        log_level::LogLevel,
        meta::{self, Dialect},
        meta_keys,
        scan::Span,
        version::{Era, ProtocolVersion},
    },
};

/// Something that a gateway offers: a tool, a prompt, a resource or a resource template.
#[derive(Debug, Clone)]
pub struct OfferedItem {
    /// What clients know it by: a name, a URI or a URI template.
    pub name: String,
    /// The server that has it.
    pub server: Arc<Upstream>,
    /// It as its server lists it, under the name it has there.
    pub listed: Bytes,
    /// Where the `inputSchema` of a tool is in that.
    input_schema: Option<Span>,
}

/// One of our own requests.
#[derive(Debug, Clone, Copy)]
pub struct OwnRequest<'a> {
    /// Its method, like `tools/call`.
    pub method: &'a str,
    /// The members of its `params` as JSON text, without braces.
    pub params: &'a str,
    /// The least severe log messages that are wanted.
    pub log_level: LogLevel,
    /// What it is sent again with, after a server asked for input.
    pub input: Option<OwnInput<'a>>,
}

/// What a request is sent again with (2026-07-28 basic/patterns/mrtr).
#[derive(Debug, Clone, Copy)]
pub struct OwnInput<'a> {
    /// `inputResponses` as JSON text of an object; `None` if the server asked for none.
    pub responses: Option<&'a str>,
    /// `requestState`, if the server sent one.
    pub state: Option<&'a str>,
}

impl OfferedItem {
    /// The `inputSchema` of a tool as JSON text.
    pub fn input_schema(&self) -> Option<&[u8]> {
        self.input_schema.map(|span| span.of(&self.listed))
    }
}

impl<T: Transport> Endpoint<T> {
    /// What a gateway offers a user of a kind, in the order in which clients get it. Servers that are down are left out; when
    /// all are, why.
    pub async fn offered(
        &self,
        plan: &Plan,
        kind: ListKind,
        caller: Caller<'_>,
    ) -> Result<Vec<OfferedItem>, Unavailable> {
        let view = self
            .federation
            .view(plan, kind, caller, Freshness::Fresh, None)
            .await?
            .view;
        let items = view
            .offered(plan.naming, &plan.servers)
            .map(|(name, offered, entry)| OfferedItem {
                name,
                server: Arc::clone(&offered.server.upstream),
                listed: entry.raw.clone(),
                input_schema: entry.input_schema,
            });
        Ok(items.collect())
    }

    /// Makes a request as a client of the stateless era would that can be asked for input, by a form and by a URL, and wants to
    /// receive progress and what the server logs. `reached` records the outcome upstream.
    pub async fn ask(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        asked: OwnRequest<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        // A retry is another request, and each running request has its own token (2026-07-28 basic/patterns/progress).
        let id = self.own_requests.fetch_add(1, Ordering::Relaxed);
        let body = Bytes::from(written(id, &asked));
        let refuse = |refusal: &Refusal| reply::refusal(refusal, None, Era::Modern);
        let request = match envelope::parse(&body, &Limits::default()) {
            Ok(Message::Request(request)) => request,
            Ok(Message::Notification(_) | Message::Response(_)) => {
                return refuse(&Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "This is not a request.",
                ));
            }
            Err(error) => return refuse(&Refusal::from(&error)),
        };
        let mut version = HeaderMap::new();
        headers::write_version(&mut version, ProtocolVersion::LATEST_MODERN);
        let client = match meta::dialect(&version, &request) {
            Ok(Dialect::Modern(meta)) => Client::Modern(meta),
            Ok(Dialect::Legacy(_)) => {
                return refuse(&Refusal::unsupported_version(""));
            }
            Err(refusal) => return refuse(&refusal),
        };
        let asking = Asking {
            plan,
            caller,
            client: &client,
            // Nothing between this client and the gateway reads headers.
            headers: None,
            lasting: None,
            body: &body,
            request: &request,
        };
        reached.asks(&request);
        self.serve(&asking, reached).await
    }
}

/// The text of one of our own requests.
fn written(id: u64, asked: &OwnRequest<'_>) -> String {
    let mut body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{{{}"#,
        json_string(asked.method),
        asked.params
    );
    if let Some(responses) = asked.input.and_then(|input| input.responses) {
        let _ = write!(body, r#","inputResponses":{responses}"#);
    }
    if let Some(state) = asked.input.and_then(|input| input.state) {
        let _ = write!(body, r#","requestState":{}"#, json_string(state));
    }
    let _ = write!(
        body,
        r#","_meta":{{"progressToken":{id},"{}":"{}","{}":"{}","{}":{{"elicitation":{{"form":{{}},"url":{{}}}}}},"{}":{CLIENT_INFO}}}}}}}"#,
        meta_keys::LOG_LEVEL,
        asked.log_level.as_str(),
        meta_keys::PROTOCOL_VERSION,
        ProtocolVersion::LATEST_MODERN,
        meta_keys::CLIENT_CAPABILITIES,
        meta_keys::CLIENT_INFO,
    );
    body
}
