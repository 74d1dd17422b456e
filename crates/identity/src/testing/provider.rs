//! An identity provider on loopback that does as a test says, right or wrong.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::any,
};
use futures_util::stream;
use gatewright_domain::registration::SecretMethod;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

use crate::{
    client_auth,
    jose::signer::{Signer, SignerKind, encode},
};

/// The client secret the provider knows at first.
pub const SECRET: &str = "correct horse";

/// What an endpoint does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Status 500 with a page.
    ServerError,
    /// Status 200 with a page.
    Html,
    /// Half an answer, then the connection breaks.
    Truncated,
    /// No answer until [`HostileProvider::let_go`].
    Hang,
    /// This status with a page.
    Status(u16),
    /// An answer that is compressed, whatever the request accepts.
    Coded,
    /// A redirect to another address of itself.
    Redirect,
    /// A body without end.
    Endless,
}

/// How the token endpoint looks at a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRule {
    /// The client must be right, and any code will do.
    AnyCode,
    /// The client must be right, and then the code is refused.
    ClientFirst,
    /// The client must be right, and then this status and answer come.
    ClientThen(u16, Value),
    /// This status and error code, whatever is sent.
    Always(u16, String),
}

/// What the provider does; tests change it as they go.
pub struct Script {
    /// Members of the discovery document that replace the usual ones; `null` removes.
    pub discovery: Value,
    /// Claims that replace the usual ones; `null` removes.
    pub claims: Value,
    /// Members of the token answer that replace the usual ones; `null` removes. `id_token` too.
    pub answer: Value,
    /// The header of the ID token, instead of the usual one.
    pub header: Option<Value>,
    /// The key that signs.
    pub signer: Signer,
    /// The keys that are published.
    pub keys: Vec<Value>,
    /// The userinfo answer.
    pub userinfo: Value,
    /// Client secrets that are accepted.
    pub secrets: Vec<String>,
    /// After that many token requests, this secret alone is accepted.
    pub switch: Option<(usize, String)>,
    /// The one way in which it accepts a client secret; any way if there is none.
    pub method: Option<SecretMethod>,
    /// The authorization requests that were pushed.
    pub pushed: Vec<HashMap<String, String>>,
    /// The heads of the requests to each endpoint, the last one of each.
    pub heads: HashMap<String, HeaderMap>,
    /// Status and error code for a client whose secret is not accepted.
    pub client_refusal: (u16, &'static str),
    /// The whole response for such a client, if it is more than the error code.
    pub client_words: Option<Value>,
    /// What is answered to an authorization request that is pushed, instead of a reference.
    pub push_refusal: Option<(u16, Value)>,
    /// How the token endpoint looks at a request.
    pub token_rule: TokenRule,
    /// The key that signs userinfo, if it is sent as a JWT.
    pub signed_userinfo: Option<Signer>,
    /// The nonce of the authorization request that was followed last.
    pub nonce: String,
    /// What endpoints do instead of answering, by the last segment of their path.
    pub faults: HashMap<&'static str, Fault>,
    /// How often each endpoint was asked.
    pub asked: HashMap<String, u32>,
    /// The forms the token endpoint was sent.
    pub forms: Vec<HashMap<String, String>>,
    /// The `Authorization` headers the token endpoint was sent.
    pub authorizations: Vec<Option<String>>,
    /// Seconds since the epoch, for `iat` and `exp`.
    pub now: i64,
}

/// The running provider.
#[derive(Clone)]
pub struct HostileProvider {
    issuer: String,
    script: Arc<Mutex<Script>>,
    hangs: Arc<Notify>,
    free: Arc<Notify>,
}

impl HostileProvider {
    pub async fn start(now: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let signer = Signer::new(SignerKind::P256, Some("k1"));
        let script = Script {
            discovery: json!({}),
            claims: json!({}),
            answer: json!({}),
            header: None,
            keys: vec![signer.jwk()],
            signer,
            userinfo: json!({"sub": "alice", "name": "Alice", "email": "alice@example.com"}),
            secrets: vec![SECRET.to_owned()],
            switch: None,
            method: None,
            pushed: Vec::new(),
            heads: HashMap::new(),
            client_refusal: (401, "invalid_client"),
            client_words: None,
            push_refusal: None,
            token_rule: TokenRule::AnyCode,
            signed_userinfo: None,
            nonce: String::new(),
            faults: HashMap::new(),
            asked: HashMap::new(),
            forms: Vec::new(),
            authorizations: Vec::new(),
            now,
        };
        let provider = Self {
            issuer,
            script: Arc::new(Mutex::new(script)),
            hangs: Arc::new(Notify::new()),
            free: Arc::new(Notify::new()),
        };
        let routes = Router::new()
            .route("/{*path}", any(endpoint))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// How often an endpoint was asked.
    pub fn asked(&self, endpoint: &str) -> u32 {
        self.script().asked.get(endpoint).copied().unwrap_or_default()
    }

    /// Waits until an endpoint has begun to hang.
    pub async fn hanging(&self) {
        self.hangs.notified().await;
    }

    /// Lets one hanging request continue.
    pub fn let_go(&self) {
        self.free.notify_one();
    }

    fn answer(&self, endpoint: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        let mut script = self.script();
        match endpoint {
            "openid-configuration" => json_response(StatusCode::OK, &self.document(&script)),
            "jwks" => json_response(StatusCode::OK, &json!({"keys": script.keys})),
            "par" => push(&mut script, headers, body),
            "token" => self.token(&mut script, headers, body),
            "userinfo" => match &script.signed_userinfo {
                None => json_response(StatusCode::OK, &script.userinfo),
                Some(signer) => (
                    [(header::CONTENT_TYPE, "application/jwt; charset=utf-8")],
                    signer.token(&script.userinfo),
                )
                    .into_response(),
            },
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn document(&self, script: &Script) -> Value {
        let issuer = &self.issuer;
        let usual = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
        });
        patched(usual, &script.discovery)
    }

    fn token(&self, script: &mut Script, headers: &HeaderMap, body: &Bytes) -> Response {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let authorization = authorization(headers);
        if let Some((_, secret)) = script.switch.take_if(|(after, _)| script.forms.len() >= *after) {
            script.secrets = vec![secret];
        }
        let knows = knows(script, authorization.as_deref(), &form);
        script.forms.push(form);
        script.authorizations.push(authorization);
        if let TokenRule::Always(status, error) = &script.token_rule {
            let status = StatusCode::from_u16(*status).unwrap();
            return json_response(status, &json!({"error": error}));
        }
        if !knows {
            let (status, error) = script.client_refusal;
            let status = StatusCode::from_u16(status).unwrap();
            let usual = json!({"error": error});
            return json_response(status, script.client_words.as_ref().unwrap_or(&usual));
        }
        if let TokenRule::ClientThen(status, answer) = &script.token_rule {
            return json_response(StatusCode::from_u16(*status).unwrap(), answer);
        }
        if script.token_rule == TokenRule::ClientFirst {
            return json_response(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
        }
        let claims = json!({
            "iss": self.issuer, "aud": "client-1", "sub": "alice", "nonce": script.nonce,
            "iat": script.now, "exp": script.now + 300, "name": "Alice", "email": "alice@example.com",
        });
        let claims = patched(claims, &script.claims);
        let id_token = match &script.header {
            Some(header) if header["alg"] == "none" => format!(
                "{}.{}.",
                encode(header.to_string().as_bytes()),
                encode(claims.to_string().as_bytes())
            ),
            Some(header) => script.signer.token_with(header, &claims),
            None => script.signer.token(&claims),
        };
        let usual = json!({
            "access_token": "an access token", "token_type": "Bearer", "expires_in": 60, "scope": "openid",
            "id_token": id_token,
        });
        json_response(StatusCode::OK, &patched(usual, &script.answer))
    }
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?;
    Some(value.to_str().unwrap().to_owned())
}

/// Whether a secret it knows came in a way it takes.
fn knows(script: &Script, authorization: Option<&str>, form: &HashMap<String, String>) -> bool {
    script.secrets.iter().any(|secret| {
        let known = gatewright_domain::secret::Secret::new(secret.clone());
        let basic = client_auth::basic("client-1", &known);
        let in_header = authorization == basic.to_str().ok();
        let in_body = form.get("client_secret") == Some(secret);
        match script.method {
            None => in_header || in_body,
            Some(SecretMethod::Basic) => in_header,
            Some(SecretMethod::Post) => in_body,
        }
    })
}

/// Takes a pushed authorization request.
fn push(script: &mut Script, headers: &HeaderMap, body: &Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    if !knows(script, authorization(headers).as_deref(), &form) {
        return json_response(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_client"}));
    }
    if let Some((status, answer)) = &script.push_refusal {
        return json_response(StatusCode::from_u16(*status).unwrap(), answer);
    }
    script.pushed.push(form);
    let reference = format!("urn:example:{}", script.pushed.len());
    json_response(
        StatusCode::CREATED,
        &json!({"request_uri": reference, "expires_in": 60}),
    )
}

async fn endpoint(
    State(provider): State<HostileProvider>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let endpoint = path.rsplit('/').next().unwrap_or_default().to_owned();
    let fault = {
        let mut script = provider.script();
        *script.asked.entry(endpoint.clone()).or_default() += 1;
        script.heads.insert(endpoint.clone(), headers.clone());
        script.faults.get(endpoint.as_str()).copied()
    };
    match fault {
        None => provider.answer(&endpoint, &headers, &body),
        Some(Fault::ServerError) => (StatusCode::INTERNAL_SERVER_ERROR, "<html>oops</html>").into_response(),
        Some(Fault::Status(status)) => {
            (StatusCode::from_u16(status).unwrap(), "<html>not now</html>").into_response()
        }
        Some(Fault::Coded) => ([(header::CONTENT_ENCODING, "gzip")], "not read").into_response(),
        Some(Fault::Html) => (
            [(header::CONTENT_TYPE, "text/html")],
            "<html>Please sign in</html>",
        )
            .into_response(),
        Some(Fault::Truncated) => {
            let parts = [
                Ok(Bytes::from("{\"issuer\": ")),
                Err(io::Error::other("broken off")),
            ];
            Body::from_stream(stream::iter(parts)).into_response()
        }
        Some(Fault::Hang) => {
            provider.hangs.notify_one();
            provider.free.notified().await;
            provider.answer(&endpoint, &headers, &body)
        }
        Some(Fault::Redirect) => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Some(Fault::Endless) => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            let chunks = stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
            Body::from_stream(chunks).into_response()
        }
    }
}

fn patched(mut usual: Value, changes: &Value) -> Value {
    let members = usual.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    usual
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
