//! A client of the house's own, for people who try a gateway out on its pages: their requests go the very way that those of
//! every other client go, and nothing is decided here that is not decided there.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{
    answer::Answer,
    methods::{Asking, Client},
    reply,
    service::{Endpoint, Reached},
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
        meta::{self, Dialect},
        meta_keys,
        scan::Span,
        version::{Era, ProtocolVersion},
    },
};

/// A tool that a gateway offers.
#[derive(Debug, Clone)]
pub struct OfferedTool {
    /// What clients call it.
    pub name: String,
    /// The server that has it.
    pub server: Arc<Upstream>,
    /// It as its server lists it, under the name it has there.
    pub listed: Bytes,
    /// Where its `inputSchema` is in that.
    input_schema: Option<Span>,
}

impl OfferedTool {
    /// Its `inputSchema` as JSON text.
    pub fn input_schema(&self) -> Option<&[u8]> {
        self.input_schema.map(|span| span.of(&self.listed))
    }
}

impl<T: Transport> Endpoint<T> {
    /// The tools a gateway offers a user, in the order in which clients get them. Servers that are down are left out; when
    /// all are, why.
    pub async fn offered_tools(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
    ) -> Result<Vec<OfferedTool>, Unavailable> {
        let view = self
            .federation
            .view(plan, ListKind::Tools, caller, Freshness::Fresh, None)
            .await?
            .view;
        let tools = view
            .offered(plan.naming, &plan.servers)
            .map(|(name, offered, entry)| OfferedTool {
                name,
                server: Arc::clone(&offered.server.upstream),
                listed: entry.raw.clone(),
                input_schema: entry.input_schema,
            });
        Ok(tools.collect())
    }

    /// Calls a tool as a client of the stateless era would that has no capability beyond that; `arguments` is the text of a
    /// JSON object. `reached` is told what became of the call upstream.
    pub async fn call_tool(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        name: &str,
        arguments: &str,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{},"arguments":{arguments},"_meta":{{"{}":"{}","{}":{{}},"{}":{CLIENT_INFO}}}}}}}"#,
            json_string(name),
            meta_keys::PROTOCOL_VERSION,
            ProtocolVersion::LATEST_MODERN,
            meta_keys::CLIENT_CAPABILITIES,
            meta_keys::CLIENT_INFO,
        );
        let body = Bytes::from(body);
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
            // There is nothing between this client and the gateway that would read headers.
            headers: None,
            lasting: None,
            body: &body,
            request: &request,
        };
        self.serve(&asking, reached).await
    }
}
