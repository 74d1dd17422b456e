//! What each answer of a token endpoint means, and what is sent to it.

use http_body_util::BodyExt as _;
use rstest::rstest;
use serde_json::json;

use super::*;

fn answer(status: u16, body: &str) -> Result<Tokens, TokenError> {
    let response = Response::builder()
        .status(status)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    read(&response, SecretMethod::Basic)
}

#[rstest]
#[case(json!({"id_token": "a.b.c", "access_token": "t", "token_type": "Bearer", "scope": "openid"}))]
#[case(json!({"id_token": "a.b.c", "access_token": "t", "token_type": "bearer", "session_state": "x"}))]
#[case(json!({"id_token": "a.b.c"}))]
#[case(json!({"id_token": "a.b.c", "error": ""}))]
fn successes_in_all_their_variety_are_read(#[case] body: Value) {
    let tokens = answer(200, &body.to_string()).unwrap();
    assert_eq!(tokens.id_token.expose(), "a.b.c");
    assert_eq!(tokens.access_token.is_some(), body.get("access_token").is_some());
}

#[rstest]
#[case(400, r#"{"error":"invalid_client"}"#)]
#[case(401, r#"{"error":"invalid_client","error_description":"no"}"#)]
#[case(403, r#"{"error":"unauthorized_client"}"#)]
#[case(400, r#"{"error":"unauthorized_client"}"#)]
#[case(200, r#"{"error":"incorrect_client_credentials"}"#)]
#[case(200, r#"{"ok":false,"error":"bad_client_secret"}"#)]
#[case(400, r#"{"error":{"message":"Error validating client secret.","code":1}}"#)]
#[case(
    400,
    r#"{"error":"invalid_request","error_description":"The client_secret is wrong"}"#
)]
#[case(401, "<html>")]
#[case(401, "")]
fn refused_credentials_are_recognised_in_every_form(#[case] status: u16, #[case] body: &str) {
    assert!(matches!(
        answer(status, body),
        Err(TokenError::ClientRefused { .. })
    ));
}

#[test]
fn other_refusals_are_distinguished() {
    assert_eq!(
        answer(400, r#"{"error":"invalid_grant"}"#).unwrap_err(),
        TokenError::CodeRefused
    );
    assert!(matches!(
        answer(400, r#"{"error":"vendor\nword"}"#),
        Err(TokenError::Refused { status: 400, error }) if error == "vendor?word"
    ));
    assert_eq!(
        answer(200, r#"{"access_token":"t"}"#).unwrap_err(),
        TokenError::NoIdToken
    );
    assert_eq!(
        answer(200, r#"{"id_token":7}"#).unwrap_err(),
        TokenError::NoIdToken
    );
    assert!(matches!(
        answer(200, r#"{"error":"slow_down","id_token":"a"}"#),
        Err(TokenError::Refused { .. })
    ));
    for (status, body) in [
        (500, "<html>"),
        (302, ""),
        (404, ""),
        (200, "<html>"),
        (200, r#"{"id_token":"a"#),
    ] {
        assert!(
            matches!(answer(status, body), Err(TokenError::Provider(_))),
            "{status}"
        );
    }
}

async fn sent(method: SecretMethod) -> (http::HeaderMap, String) {
    let redemption = Redemption {
        code: "c+d",
        verifier: "v",
    };
    let presented = Presented {
        id: "the client",
        secret: &Secret::new("s3cr3t&"),
        method,
    };
    let request = client_auth::request(
        &url::Url::parse("https://idp.example.com/token?tenant=1").unwrap(),
        presented,
        &redemption.parameters("https://gw.example.com/oauth2/intermediate_callback"),
        "application/json",
    );
    assert_eq!(request.uri(), "https://idp.example.com/token?tenant=1");
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

const FORM: &str = "grant_type=authorization_code&code=c%2Bd&redirect_uri=https%3A%2F%2Fgw.example.com%2Foauth2%2Fintermediate_callback&code_verifier=v";

#[tokio::test]
async fn basic_keeps_the_secret_out_of_the_body() {
    let (headers, body) = sent(SecretMethod::Basic).await;
    assert!(headers[http::header::AUTHORIZATION].is_sensitive());
    assert_eq!(body, FORM);
}

#[tokio::test]
async fn post_keeps_it_out_of_the_headers() {
    let (headers, body) = sent(SecretMethod::Post).await;
    assert!(!headers.contains_key(http::header::AUTHORIZATION));
    assert_eq!(
        body,
        format!("{FORM}&client_id=the+client&client_secret=s3cr3t%26")
    );
}

proptest::proptest! {
    #[test]
    fn reading_any_answer_never_panics(status in 200_u16..600, body in ".{0,80}") {
        let _ = answer(status, &body);
    }
}
