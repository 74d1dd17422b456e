//! `/metrics`: who can read it, and what is set at that moment.

use std::{collections::HashSet, fmt, sync::Arc};

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_domain::id::ServerId;
use http::{HeaderMap, StatusCode, header};

use crate::{
    Core,
    request::{RequestContext, is_address_known},
    telemetry::condition::Now,
};

/// `GET /metrics`, for allowed networks or with the configured token. Others get 404.
pub(super) async fn scrape(
    State(core): State<Arc<Core>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
) -> Response {
    if !may_scrape(&core, &context, &headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    look(&core);
    match core.telemetry.encode() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Sets the gauges to what is so now, and forgets what was counted of servers that no longer exist.
pub fn look(core: &Core) {
    let condition = &core.telemetry.condition;
    let directory = core.directory.current();
    condition.show(&Now {
        is_ready: directory.is_ok() && condition.takes_writes() && !core.stopping.is_cancelled(),
        directory_age: core.directory.age(),
        database: core.store.connections(),
        upstream_connections: core.fetch.open_to_servers(),
    });
    if let Some(standing) = core.tls.standing() {
        core.telemetry.tls.show(&standing, core.now());
    }
    if let Ok(directory) = directory {
        let servers: HashSet<ServerId> = directory.servers().iter().map(|entry| entry.server.id).collect();
        core.telemetry.keep_servers(&servers);
        core.telemetry.keep_gateways(&directory.gateway_ids());
    }
}

fn may_scrape(core: &Core, context: &RequestContext, headers: &HeaderMap) -> bool {
    let config = &core.config.metrics;
    if let Some(bearer) = &config.bearer {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if given
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|given| bearer.matches(given))
        {
            return true;
        }
    }
    if !is_address_known(
        context.record().peer(),
        headers,
        &core.config.server.trusted_proxies,
    ) {
        return false;
    }
    match &config.allow {
        Some(allow) => allow.iter().any(|network| network.contains(&context.address)),
        // Behind a proxy that sends no header at all, everyone seems to be on this machine.
        None => core.config.is_loopback() && context.address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestCore;

    #[tokio::test]
    async fn a_deleted_server_is_in_no_metric() {
        let test = TestCore::new().await;
        let telemetry = &test.core.telemetry;
        let deleted = ServerId::of_number(7);
        telemetry.count_upstream_error(Some(deleted), "timeout");
        telemetry.condition.count_broken(Some(deleted), "broken");
        let name = deleted.to_string();
        assert_eq!(telemetry.encode().unwrap().matches(&name).count(), 2);
        look(&test.core);
        assert_eq!(telemetry.encode().unwrap().matches(&name).count(), 0);
    }
}
