//! One of our own requests to a server and its whole answer.

use bytes::Bytes;
use http::{Method, Request};

use super::{about::CLIENT_INFO, net::Net};
use super::{
    back::Back,
    caller::Caller,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    whole::{Whole, whole},
};
use crate::wire::{
    headers,
    id::RequestId,
    jsonrpc,
    meta::{self, ClientFacts},
    version::ProtocolVersion,
};

/// Bytes of an answer to `server/discover` or `initialize`, and of a refusal.
pub(super) const SMALL_ANSWER: usize = 1024 * 1024;

impl<T: Transport> Net<T> {
    /// Sends our own request and reads the whole answer within the time limit of the server. If it fails, the server
    /// cannot be used.
    pub(super) async fn ask_once(
        &self,
        upstream: &Upstream,
        request: Request<Bytes>,
        cap: usize,
        back: Option<&Back<'_, T>>,
    ) -> Result<Whole, Unavailable> {
        let outcome = self.ask_quietly(upstream, request, cap, back).await;
        if let Err(why) = &outcome
            && !self.transport.has_cut_off()
        {
            upstream.note_failure(why, self.now());
        }
        outcome
    }

    /// The same, but a failure says nothing about the server beyond this request.
    pub(super) async fn ask_quietly(
        &self,
        upstream: &Upstream,
        request: Request<Bytes>,
        cap: usize,
        back: Option<&Back<'_, T>>,
    ) -> Result<Whole, Unavailable> {
        let deadline = upstream.config.timeout;
        let reading = async {
            let answer = self.send(upstream, request, deadline).await?;
            whole(upstream, answer, cap, back).await
        };
        tokio::time::timeout(deadline, reading)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()))
    }
}

/// Our own request in the stateless era; it does not claim capabilities of a client.
pub(super) async fn modern_request(
    upstream: &Upstream,
    caller: Caller<'_>,
    method: &str,
    members: &str,
) -> Result<Request<Bytes>, Unavailable> {
    modern_request_of(upstream, caller, method, members, "{}").await
}

/// The same, which claims these capabilities, JSON text of an object.
pub(super) async fn modern_request_of(
    upstream: &Upstream,
    caller: Caller<'_>,
    method: &str,
    members: &str,
    client_capabilities: &str,
) -> Result<Request<Bytes>, Unavailable> {
    let meta = meta::modern_meta(&ClientFacts {
        version: ProtocolVersion::LATEST_MODERN,
        client_info: Some(CLIENT_INFO),
        client_capabilities,
        log_level: None,
    });
    let comma = if members.is_empty() { "" } else { "," };
    let params = format!(r#"{{{members}{comma}"_meta":{meta}}}"#);
    let body = jsonrpc::write_request(&RequestId::Integer(0), method, Some(params.as_bytes()));
    let mut request = upstream.request(Method::POST, caller, body).await?;
    headers::write(
        request.headers_mut(),
        ProtocolVersion::LATEST_MODERN,
        method,
        None,
    );
    Ok(request)
}
