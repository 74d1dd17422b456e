//! Tokens: the exchange of a code, and the refresh.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{
    Notes,
    discovery::{AuthorizationServer, Client, REDIRECT_URI, parse, text},
    fingerprint,
    problem::Mismatch,
    sign_in::SignIn,
};
use crate::loopback;

/// The tokens of the client.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) access: String,
    refresh: String,
}

/// Exchanges the code, with the PKCE verifier as proof that it is ours.
pub(super) async fn exchange(
    server: &AuthorizationServer,
    client: &Client,
    sign_in: &SignIn,
    code: &str,
    notes: &mut Notes,
) -> Result<Tokens, Mismatch> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("client_id", &client.id),
        ("code_verifier", sign_in.verifier()),
    ];
    let answer = request(server, &form).await?;
    let tokens = read(&answer)?;
    let claims = claims(&tokens.access).unwrap_or_default();
    notes.add("access token", fingerprint(&tokens.access));
    notes.add("is for", claims["aud"].as_str().unwrap_or("an unknown resource"));
    notes.add("is about", claims["sub"].as_str().unwrap_or("an unknown user"));
    notes.add("lives", format!("{} seconds", answer["expires_in"]));
    notes.add("refresh token", fingerprint(&tokens.refresh));
    Ok(tokens)
}

/// Refreshes. The gateway rotates refresh tokens, so the new one must differ.
pub(super) async fn refresh(
    server: &AuthorizationServer,
    client: &Client,
    gateway: &Url,
    tokens: &Tokens,
    notes: &mut Notes,
) -> Result<Tokens, Mismatch> {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
        ("client_id", &client.id),
        ("resource", gateway.as_str()),
    ];
    let renewed = read(&request(server, &form).await?)?;
    if renewed.refresh == tokens.refresh {
        let remedy = "This is a bug of the gateway: please report it.";
        return Err(Mismatch::new(
            "another refresh token",
            "the same one came",
            remedy,
        ));
    }
    notes.add("access token", fingerprint(&renewed.access));
    notes.add("refresh token", fingerprint(&renewed.refresh));
    Ok(renewed)
}

async fn request(server: &AuthorizationServer, form: &[(&str, &str)]) -> Result<Value, Mismatch> {
    let body = serde_urlencoded::to_string(form).expect("pairs of text always encode");
    let headers = [(
        header::CONTENT_TYPE,
        "application/x-www-form-urlencoded".to_owned(),
    )];
    let answer = loopback::send(Method::POST, &server.token_endpoint, &headers, body).await?;
    if answer.status() != StatusCode::OK {
        let remedy = "Check the gateway's log for the reason.";
        return Err(Mismatch::answer("tokens", &answer, remedy));
    }
    parse(&answer, "tokens")
}

fn read(answer: &Value) -> Result<Tokens, Mismatch> {
    Ok(Tokens {
        access: text(answer, "/access_token")?,
        refresh: text(answer, "/refresh_token")?,
    })
}

/// The claims of a token, only for display: a client never relies on them (RFC 9068 section 6).
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
