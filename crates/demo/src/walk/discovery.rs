//! From a URL to a client ID: challenge, metadata, registration.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use super::{Notes, mcp::McpClient, problem::Mismatch};
use crate::loopback;

/// Where the walkthrough wants to receive its code. Nothing listens there: the walkthrough reads the redirect instead of following it.
pub(super) const REDIRECT_URI: &str = "http://127.0.0.1:33419/callback";

/// What the walkthrough needs of the authorization server metadata (RFC 8414).
#[derive(Debug)]
pub(super) struct AuthorizationServer {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) registration_endpoint: Url,
}

/// The registered client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
}

/// Calls the gateway without a token, to learn where its metadata is (RFC 9728 section 5.1).
pub(super) async fn challenge(gateway: &Url, notes: &mut Notes) -> Result<Url, Mismatch> {
    let client = McpClient::new(gateway.clone(), Vec::new());
    let answer = client.send("server/discover", json!({})).await?;
    let remedy =
        "Check the URL: it is the gateway's, and the gateway must be active and in User Source mode.";
    if answer.status() != StatusCode::UNAUTHORIZED {
        return Err(Mismatch::answer("401 with a challenge", &answer, remedy));
    }
    let header = answer
        .headers()
        .get(header::WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let url = header
        .split_once("resource_metadata=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .and_then(|(url, _)| Url::parse(url).ok())
        .ok_or_else(|| {
            let came = format!("the WWW-Authenticate header was \"{header}\"");
            Mismatch::new("a Bearer challenge with resource_metadata", came, remedy)
        })?;
    notes.add("answer", "401 Unauthorized");
    notes.add("metadata at", url.as_str());
    Ok(url)
}

/// Reads the protected resource metadata: who issues tokens for the gateway (RFC 9728 section 3).
pub(super) async fn protected_resource(
    gateway: &Url,
    url: &Url,
    notes: &mut Notes,
) -> Result<String, Mismatch> {
    let metadata = get(url, "protected resource metadata").await?;
    same("resource", &metadata["resource"], gateway.as_str())?;
    let issuer = text(&metadata, "/authorization_servers/0")?;
    notes.add("resource", gateway.as_str());
    notes.add("authorization server", issuer.as_str());
    Ok(issuer)
}

/// Reads the authorization server metadata at the place derived from the issuer (RFC 8414 section 3.1).
pub(super) async fn authorization_server(
    issuer: &str,
    notes: &mut Notes,
) -> Result<AuthorizationServer, Mismatch> {
    let mut url = Url::parse(issuer).map_err(|_| {
        Mismatch::new(
            "an issuer that is a URL",
            format!("it was \"{issuer}\""),
            "Check server.public_url.",
        )
    })?;
    url.set_path(&format!("/.well-known/oauth-authorization-server{}", url.path()));
    let metadata = get(&url, "authorization server metadata").await?;
    same("issuer", &metadata["issuer"], issuer)?;
    let methods = &metadata["code_challenge_methods_supported"];
    if *methods != json!(["S256"]) {
        let came = format!("code_challenge_methods_supported was {methods}");
        return Err(Mismatch::new(
            "PKCE with S256",
            came,
            "This is a bug of the gateway: please report it.",
        ));
    }
    notes.add("issuer", issuer);
    notes.add("found at", url.as_str());
    notes.add("code protection", "PKCE with S256");
    Ok(AuthorizationServer {
        issuer: issuer.to_owned(),
        authorization_endpoint: endpoint(&metadata, "/authorization_endpoint")?,
        token_endpoint: endpoint(&metadata, "/token_endpoint")?,
        registration_endpoint: endpoint(&metadata, "/registration_endpoint")?,
    })
}

/// Registers a public client (RFC 7591).
pub(super) async fn register(server: &AuthorizationServer, notes: &mut Notes) -> Result<Client, Mismatch> {
    let request = json!({
        "client_name": "Gatewright demo walk",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned())];
    let answer = loopback::send(
        Method::POST,
        &server.registration_endpoint,
        &headers,
        request.to_string(),
    )
    .await?;
    if answer.status() != StatusCode::CREATED {
        let remedy = "Check that dynamic registration is turned on for the gateway.";
        return Err(Mismatch::answer("201 and a client ID", &answer, remedy));
    }
    let id = text(&parse(&answer, "a registration")?, "/client_id")?;
    notes.add("client id", super::fingerprint(&id));
    notes.add(
        "stored for it",
        "nothing: the client ID contains its registration, sealed",
    );
    Ok(Client { id })
}

async fn get(url: &Url, what: &str) -> Result<Value, Mismatch> {
    let answer = loopback::send(Method::GET, url, &[], "").await?;
    if answer.status() != StatusCode::OK {
        let remedy = "Check that server.public_url is the address the gateway is reached at.";
        return Err(Mismatch::answer(format!("the {what}"), &answer, remedy));
    }
    parse(&answer, what)
}

/// The JSON of a response.
pub(super) fn parse(answer: &Response<Bytes>, what: &str) -> Result<Value, Mismatch> {
    serde_json::from_slice(answer.body()).map_err(|_| {
        let remedy = "Another program than Gatewright may listen on that port.";
        Mismatch::answer(format!("{what} as JSON"), answer, remedy)
    })
}

/// A text inside a JSON document.
pub(super) fn text(document: &Value, pointer: &str) -> Result<String, Mismatch> {
    let value = document.pointer(pointer).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| {
        Mismatch::new(
            format!("a text at {pointer}"),
            "there was none",
            "This is a bug of the gateway: please report it.",
        )
    })
}

fn endpoint(metadata: &Value, pointer: &str) -> Result<Url, Mismatch> {
    let text = text(metadata, pointer)?;
    Url::parse(&text).map_err(|_| {
        let came = format!("it was \"{text}\"");
        Mismatch::new(format!("a URL at {pointer}"), came, "Check server.public_url.")
    })
}

fn same(name: &str, found: &Value, expected: &str) -> Result<(), Mismatch> {
    if found == expected {
        return Ok(());
    }
    let came = format!("{name} was {found}");
    let remedy =
        "Check that server.public_url is the address the gateway is reached at, without a trailing slash.";
    Err(Mismatch::new(format!("{name} to be {expected}"), came, remedy))
}
