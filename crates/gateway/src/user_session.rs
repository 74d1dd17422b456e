//! The session of a user on the connections page of one gateway: it begins when they have signed in at the identity provider, is
//! valid for a quarter of an hour, and opens nothing else. Its cookie has a name of its own for each gateway, and the store looks
//! a session up by gateway too.

use std::time::Duration;

use gatewright_core::{Core, cookie};
use gatewright_domain::{
    Timestamp, entropy,
    gateway::Gateway,
    id::{GatewayId, UserId},
    secret::Secret,
    token_hash::TokenHash,
    user::User,
    user_source::UserSource,
};
use gatewright_store::{
    StoreError,
    connection_session::{self as rows, ConnectionSession},
};
use http::{HeaderMap, HeaderValue};

/// What the names of the cookies begin with.
const NAME: &str = "gatewright-connections-";

/// How long a session is valid: long enough to read the list and sign out an app, and no longer than a browser that someone left
/// should be open.
pub(crate) const LIFE: Duration = Duration::from_mins(15);

/// A session that is about to begin, and its cookie.
pub(crate) fn prepare(
    core: &Core,
    gateway: &Gateway,
    source: &UserSource,
    user: UserId,
    now: Timestamp,
) -> (ConnectionSession, HeaderValue) {
    let token = entropy::token(core.entropy.as_ref());
    let session = ConnectionSession {
        hash: TokenHash::of(&token),
        project_id: gateway.project_id,
        gateway_id: gateway.id,
        user_id: user,
        user_source_id: source.id,
        identity_epoch: source.identity_epoch,
        created_at: now,
        expires_at: now.plus(LIFE),
    };
    let public_url = core.config.public_url();
    let name = name(public_url, gateway.id);
    let cookie = cookie::CookieStyle::of(public_url).set(&name, &token, LIFE.as_secs());
    (session, cookie)
}

/// The cookie of a session at a gateway, as a browser sent it.
pub(crate) fn read(headers: &HeaderMap, public_url: &str, gateway: GatewayId) -> Option<Secret> {
    cookie::sole_value(headers, &name(public_url, gateway))
}

/// `Set-Cookie` that makes the browser forget its session at a gateway.
pub(crate) fn clear(public_url: &str, gateway: GatewayId) -> HeaderValue {
    cookie::CookieStyle::of(public_url).set(&name(public_url, gateway), "", 0)
}

/// The user at the browser, if one has a session at this gateway.
pub(crate) async fn find(
    core: &Core,
    gateway: &Gateway,
    headers: &HeaderMap,
) -> Result<Option<User>, StoreError> {
    let Some(token) = read(headers, core.config.public_url(), gateway.id) else {
        return Ok(None);
    };
    let (project, id, now) = (gateway.project_id, gateway.id, core.now());
    let hash = TokenHash::of(token.expose());
    core.store
        .look(move |tx| Box::pin(rows::find_live(tx, project, id, hash, now)))
        .await
}

/// The name for a gateway: the last digits of its ID, which are random. Should two gateways share them, a browser has a session at
/// one of them only.
fn name(public_url: &str, gateway: GatewayId) -> String {
    let tag = gateway.number() & u128::from(u32::MAX);
    cookie::CookieStyle::of(public_url).name(&format!("{NAME}{tag:08x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gateway_has_a_cookie_of_its_own_bound_to_the_host() {
        let gateway = GatewayId::of_number(0xabcd_1234);
        let url = "https://gw.example.com";
        assert_eq!(
            clear(url, gateway).to_str().unwrap(),
            "__Host-gatewright-connections-abcd1234=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
        let mut headers = HeaderMap::new();
        let line = "__Host-gatewright-connections-abcd1234=token";
        headers.insert(http::header::COOKIE, HeaderValue::from_static(line));
        assert!(read(&headers, url, gateway).is_some());
        assert!(read(&headers, url, GatewayId::of_number(0xabcd_1235)).is_none());
        assert!(read(&headers, "http://127.0.0.1:8080", gateway).is_none());
    }
}
