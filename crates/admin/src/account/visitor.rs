//! Someone who has not proved yet who they are.

use std::net::IpAddr;

use gatewright_domain::{account_session::shorten_user_agent, secret::Secret};
use http::{HeaderMap, header};

use crate::request::{RequestContext, address_prefix};
use gatewright_core::session_cookie as cookie;

/// Where a request to sign in comes from.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The client's address.
    pub address: IpAddr,
    /// The browser, by its own account, shortened.
    pub user_agent: String,
    /// The session cookie it came with. Signing in ends that session: a cookie that someone planted opens nothing after.
    pub session: Option<Secret>,
}

impl Visitor {
    /// The sender of a request.
    pub fn of(context: &RequestContext, headers: &HeaderMap, public_url: &str) -> Self {
        let user_agent = headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        Self {
            address: context.address,
            user_agent: shorten_user_agent(user_agent.unwrap_or_default()),
            session: cookie::read(headers, public_url),
        }
    }

    /// What limits and counted failures go by.
    pub fn address_prefix(&self) -> String {
        address_prefix(self.address)
    }
}
