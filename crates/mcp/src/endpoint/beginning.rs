//! How a client begins: what the gateway is and can do, and sessions of clients of the older era (2026-07-28
//! server/discover; 2025-11-25 basic/lifecycle).

use bytes::Bytes;
use http::Response;

use super::{answer::Answer, methods::Asking, reply, service::Endpoint};
use crate::{
    federation::plan::Plan,
    peer::{caller::Caller, transport::Transport},
    wire::{
        envelope::Request,
        headers,
        json::json_string,
        jsonrpc::{ErrorCode, Refusal},
        meta_keys,
        scan::{self, Kind},
        version::{Era, ProtocolVersion},
    },
};

/// How long clients may keep what `server/discover` says, milliseconds.
const DISCOVER_TTL_MS: u32 = 60_000;
/// The same while a server has not said yet what it can do.
const UNCERTAIN_TTL_MS: u32 = 5_000;

impl<T: Transport> Endpoint<T> {
    /// Begins a session.
    pub(super) async fn initialize(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        body: &Bytes,
        request: &Request<'_>,
    ) -> Response<Answer<T::Body>> {
        let object = request.params.as_ref().map(|params| params.span);
        let [requested, capabilities] = object
            .and_then(|object| scan::pick(body, object, ["protocolVersion", "capabilities"]).ok())
            .unwrap_or_default();
        let Some(requested) = requested.filter(|member| member.kind == Kind::String) else {
            let refusal = Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "params.protocolVersion is missing; send the newest version that the client supports.",
            );
            return reply::refusal(&refusal, Some(&request.id.to_owned()), Era::Legacy);
        };
        let requested = scan::decode_string(requested.value.of(body)).unwrap_or_default();
        let version = ProtocolVersion::negotiate_initialize(&requested);
        let capabilities = capabilities
            .filter(|member| member.kind == Kind::Object)
            .and_then(|member| std::str::from_utf8(member.value.of(body)).ok());
        let id = self
            .sessions
            .begin(plan.gateway_id, caller.key, version, capabilities);
        // What a server has to be asked for is asked in the session that the client will use.
        let session = id.to_str().ok();
        let session = session.and_then(|id| self.sessions.open(id, plan.gateway_id, caller.key).ok());
        let caller = session
            .as_ref()
            .map_or(caller, |session| caller.within(&session.conversation));
        let declared = self.federation.capabilities(plan, caller, version).await;
        let mut result = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{},"serverInfo":{}"#,
            declared.capabilities.to_json(&declared.extensions),
            plan.server_info
        );
        push_instructions(&mut result, plan);
        result.push('}');
        let mut response = reply::result(request.id.raw, result.into());
        response.headers_mut().insert(headers::SESSION_ID, id);
        response
    }

    /// Answers `server/discover`. Its versions are those that -32022 names.
    pub(super) async fn discover(&self, asking: &Asking<'_>) -> Response<Answer<T::Body>> {
        let plan = asking.plan;
        let version = ProtocolVersion::LATEST_MODERN;
        let declared = self.federation.capabilities(plan, asking.caller, version).await;
        let versions = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
        let mut result = format!(
            r#"{{"resultType":"complete","supportedVersions":["{}"],"capabilities":{}"#,
            versions.join(r#"",""#),
            declared.capabilities.to_json(&declared.extensions),
        );
        push_instructions(&mut result, plan);
        let ttl_ms = if declared.is_certain {
            DISCOVER_TTL_MS
        } else {
            UNCERTAIN_TTL_MS
        };
        let rest = format!(
            r#","ttlMs":{ttl_ms},"cacheScope":"public","_meta":{{"{}":{}}}}}"#,
            meta_keys::SERVER_INFO,
            plan.server_info
        );
        result.push_str(&rest);
        reply::result(asking.request.id.raw, result.into())
    }
}

fn push_instructions(result: &mut String, plan: &Plan) {
    let instructions = plan.instructions();
    if !instructions.is_empty() {
        result.push_str(",\"instructions\":");
        result.push_str(&json_string(&instructions));
    }
}
