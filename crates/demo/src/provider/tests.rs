//! The provider from the view of a relying party, over real sockets.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, Response, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::Value;
use url::Url;

use super::*;
use crate::loopback;

const REDIRECT: &str = "http://127.0.0.1:1/oauth2/intermediate_callback";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A relying party and its provider.
struct Rp {
    issuer: String,
    _stop: tokio_util::sync::DropGuard,
}

impl Rp {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client {
            id: "gatewright demo".into(),
            secret: "s3cret/+%:&".into(),
            redirect_uri: REDIRECT.into(),
        };
        let provider = Provider::on(&listener, client).unwrap();
        let issuer = provider.issuer().to_owned();
        let stop = CancellationToken::new();
        tokio::spawn(provider.serve(listener, stop.clone()));
        Self {
            issuer,
            _stop: stop.drop_guard(),
        }
    }

    fn url(&self, path: &str, changes: &[(&str, &str)]) -> Url {
        let mut parameters = vec![
            ("client_id", "gatewright demo"),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid profile email made_up"),
            ("state", "st&<ate"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            parameters.retain(|(other, _)| other != name);
            parameters.push((name, value));
        }
        Url::parse_with_params(&format!("{}{path}", self.issuer), parameters).unwrap()
    }

    async fn get(&self, url: &Url) -> Response<bytes::Bytes> {
        loopback::send(Method::GET, url, &[], "").await.unwrap()
    }

    async fn post(&self, path: &str, form: &str, authorization: Option<String>) -> Response<bytes::Bytes> {
        let mut headers = vec![(
            header::CONTENT_TYPE,
            "application/x-www-form-urlencoded".to_owned(),
        )];
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        let url = Url::parse(&format!("{}{path}", self.issuer)).unwrap();
        loopback::send(Method::POST, &url, &headers, form.to_owned())
            .await
            .unwrap()
    }

    async fn code(&self) -> String {
        let answer = self.get(&self.url("/authorize", &[("login_hint", "ada")])).await;
        parameter(&answer, "code").unwrap()
    }

    async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Response<bytes::Bytes> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("client_id", "gatewright demo"),
            ("client_secret", "s3cret/+%:&"),
        ];
        for (name, value) in changes {
            fields.retain(|(other, _)| other != name);
            fields.push((name, value));
        }
        let form = serde_urlencoded::to_string(fields).unwrap();
        self.post("/token", &form, None).await
    }
}

fn json(answer: &Response<bytes::Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

fn parameter(answer: &Response<bytes::Bytes>, name: &str) -> Option<String> {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{answer:?}");
    let location = Url::parse(answer.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    assert!(location.as_str().starts_with(REDIRECT));
    location
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_relying_party_signs_ada_in_and_verifies_her_id_token() {
    let rp = Rp::new().await;
    let discovery = Url::parse(&format!("{}/.well-known/openid-configuration", rp.issuer)).unwrap();
    let metadata = json(&rp.get(&discovery).await);
    assert_eq!(metadata["issuer"], rp.issuer);

    let page = rp.get(&rp.url("/authorize", &[])).await;
    let html = std::str::from_utf8(page.body()).unwrap();
    assert!(html.contains("Continue as Ada Lovelace") && html.contains("Continue as Grace Hopper"));
    assert!(html.contains("st&amp;&lt;ate") && !html.contains("<script"));

    let form = format!("user=ada&{}", rp.url("/", &[]).query().unwrap());
    let answer = rp.post("/authorize", &form, None).await;
    assert_eq!(parameter(&answer, "state").as_deref(), Some("st&<ate"));
    assert_eq!(parameter(&answer, "iss").as_deref(), Some(&*rp.issuer));
    let code = parameter(&answer, "code").unwrap();

    let answer = rp.redeem(&code, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let tokens = json(&answer);
    assert_eq!(tokens["scope"], "openid profile email");

    let jwks = rp
        .get(&Url::parse(metadata["jwks_uri"].as_str().unwrap()).unwrap())
        .await;
    let jwks: JwkSet = serde_json::from_slice(jwks.body()).unwrap();
    let id_token = tokens["id_token"].as_str().unwrap();
    let kid = jsonwebtoken::decode_header(id_token).unwrap().kid.unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&["gatewright demo"]);
    rules.set_issuer(&[&rp.issuer]);
    let key = DecodingKey::from_jwk(jwks.find(&kid).unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Value>(id_token, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(claims["sub"], "ada-1815");
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["name"], "Ada Lovelace");

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let userinfo = rp.post("/userinfo", "", Some(bearer)).await;
    assert_eq!(json(&userinfo)["email"], "ada@example.com");
    let refused = rp.post("/userinfo", "", Some("Bearer other".into())).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn basic_credentials_are_form_encoded() {
    let rp = Rp::new().await;
    let fields =
        format!("grant_type=authorization_code&redirect_uri={REDIRECT}&code_verifier={VERIFIER}&code=");
    let credentials = STANDARD.encode("gatewright+demo:s3cret%2F%2B%25%3A%26");
    let form = format!("{fields}{}", rp.code().await);
    let answer = rp
        .post("/token", &form, Some(format!("basic {credentials}")))
        .await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");

    let credentials = STANDARD.encode("gatewright+demo:wrong");
    let form = format!("{fields}{}", rp.code().await);
    let answer = rp
        .post("/token", &form, Some(format!("Basic {credentials}")))
        .await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(&answer)["error"], "invalid_client");
    assert!(answer.headers().contains_key(header::WWW_AUTHENTICATE));
}

#[tokio::test]
async fn a_code_works_once() {
    let rp = Rp::new().await;
    let code = rp.code().await;
    assert_eq!(rp.redeem(&code, &[]).await.status(), StatusCode::OK);
    let again = rp.redeem(&code, &[]).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json(&again)["error"], "invalid_grant");
}

#[tokio::test]
async fn the_token_endpoint_refuses_what_does_not_fit_the_request() {
    let rp = Rp::new().await;
    for (change, expected) in [
        (("code_verifier", "wrong"), "invalid_grant"),
        (("code_verifier", ""), "invalid_grant"),
        (("redirect_uri", "http://127.0.0.1:1/"), "invalid_grant"),
        (("client_secret", "wrong"), "invalid_client"),
        (("client_id", "other"), "invalid_client"),
        (("grant_type", "password"), "unsupported_grant_type"),
    ] {
        let answer = rp.redeem(&rp.code().await, &[change]).await;
        assert_eq!(json(&answer)["error"], expected, "{change:?}");
    }
}

#[tokio::test]
async fn a_foreign_client_or_redirect_gets_a_page_and_no_redirect() {
    let rp = Rp::new().await;
    for change in [("client_id", "other"), ("redirect_uri", "http://127.0.0.1:2/")] {
        let answer = rp
            .get(&rp.url("/authorize", &[change, ("login_hint", "ada")]))
            .await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{change:?}");
        assert!(!answer.headers().contains_key(header::LOCATION));
    }
    let mut repeated = rp.url("/authorize", &[]);
    repeated.query_pairs_mut().append_pair("state", "other");
    assert_eq!(rp.get(&repeated).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_errors_are_returned_to_the_client() {
    let rp = Rp::new().await;
    for (change, expected) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("prompt", "none"), "login_required"),
    ] {
        let answer = rp
            .get(&rp.url("/authorize", &[change, ("login_hint", "ada")]))
            .await;
        assert_eq!(
            parameter(&answer, "error").as_deref(),
            Some(expected),
            "{change:?}"
        );
        assert_eq!(parameter(&answer, "state").as_deref(), Some("st&<ate"));
        assert_eq!(parameter(&answer, "code"), None);
    }
    let form = format!("user=&{}", rp.url("/", &[]).query().unwrap());
    let answer = rp.post("/authorize", &form, None).await;
    assert_eq!(parameter(&answer, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let client = Client {
        id: "a".into(),
        secret: "b".into(),
        redirect_uri: REDIRECT.into(),
    };
    let error = Provider::on(&listener, client).unwrap_err();
    assert!(error.to_string().contains("loopback only"), "{error}");
}
