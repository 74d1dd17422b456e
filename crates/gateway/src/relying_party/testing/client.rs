//! An app that signs in, in the process, as programs and browsers do.

use std::collections::HashMap;

use gatewright_domain::reference::Reference;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::world::{Seen, SignIn, World};

const REDIRECT: &str = "http://127.0.0.1:33418/callback";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An app and its browser, from the first request to the tokens.
pub struct Client<'a> {
    world: &'a World,
    id: String,
}

impl<'a> Client<'a> {
    pub async fn register(world: &'a World) -> Self {
        let metadata = json!({"redirect_uris": [REDIRECT], "client_name": "Claude",
            "token_endpoint_auth_method": "none"});
        let request = Request::post("/mcp/acme/oauth2/register")
            .header(header::CONTENT_TYPE, "application/json")
            .body(metadata.to_string())
            .unwrap();
        let seen = world.through_front(request).await;
        assert_eq!(seen.status, StatusCode::CREATED, "{seen:?}");
        let answer: Value = serde_json::from_str(&seen.body).unwrap();
        let id = answer["client_id"].as_str().unwrap().to_owned();
        Self { world, id }
    }

    /// An app that never registered.
    pub fn with_id(world: &'a World, id: &str) -> Self {
        Self {
            world,
            id: id.to_owned(),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &self.id),
                ("redirect_uri", REDIRECT),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
                ("state", "client state"),
            ])
            .finish()
    }

    /// Opens the consent page: its reference, and what its form holds.
    pub async fn ask(&self) -> (Reference, String) {
        let uri = format!("/mcp/acme/oauth2/authorize?{}", self.query());
        let page = self
            .world
            .through_front(Request::get(uri).body(String::new()).unwrap())
            .await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let (_, rest) = page.body.split_once("name=\"request\" value=\"").unwrap();
        let sealed = rest.split_once('"').unwrap().0.to_owned();
        (page.reference(), sealed)
    }

    pub async fn decide(&self, sealed: &str, decision: &str) -> Seen {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("request", sealed), ("decision", decision)])
            .finish();
        let request = Request::post("/mcp/acme/oauth2/authorize")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(form)
            .unwrap();
        self.world.through_front(request).await
    }

    pub async fn allow(&self, sealed: &str) -> SignIn {
        let seen = self.decide(sealed, "allow").await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{seen:?}");
        let cookie = &seen.cookies[0];
        let sign_in = SignIn {
            url: Url::parse(seen.location.as_deref().unwrap()).unwrap(),
            pushed: HashMap::new(),
            cookie: cookie.split(';').next().unwrap().to_owned(),
            expired: Vec::new(),
        };
        self.world.provider.script().nonce = sign_in.parameter("nonce");
        sign_in
    }

    pub async fn redeem(&self, code: &str, verifier: &str) -> (StatusCode, Value) {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "authorization_code"),
                ("client_id", &self.id),
                ("code", code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", verifier),
            ])
            .finish();
        self.token(form).await
    }

    pub async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "refresh_token"),
                ("client_id", &self.id),
                ("refresh_token", token),
            ])
            .finish();
        self.token(form).await
    }

    pub async fn revoke(&self, token: &str) -> StatusCode {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", self.id.as_str()), ("token", token)])
            .finish();
        let request = Request::post("/mcp/acme/oauth2/revoke")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .unwrap();
        self.world.through_front(request).await.status
    }

    async fn token(&self, form: String) -> (StatusCode, Value) {
        let request = Request::post("/mcp/acme/oauth2/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .unwrap();
        let seen = self.world.through_front(request).await;
        (seen.status, serde_json::from_str(&seen.body).unwrap())
    }

    pub async fn call(&self, token: &str) -> StatusCode {
        let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "Claude", "version": "1"}}});
        let request = Request::post("/mcp/acme")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(first.to_string())
            .unwrap();
        self.world.through_front(request).await.status
    }
}
