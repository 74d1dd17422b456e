//! The log line of each request of a sign-in.

use gatewright_domain::client::short_id;
use http::{Request, StatusCode, header};

use super::super::testing::{Client, Log, VERIFIER, World};

/// Opens the callback as the whole server serves it.
async fn come_back(world: &World, query: &str, cookie: &str) -> super::super::testing::Seen {
    let request = Request::get(format!("/oauth2/intermediate_callback?{query}"))
        .header(header::COOKIE, cookie)
        .body(String::new())
        .unwrap();
    world.through_front(request).await
}

#[tokio::test]
async fn each_request_of_a_sign_in_names_gateway_and_client_and_no_secret() {
    let world = World::new().await;
    let log = Log::listen();
    let client = Client::register(&world).await;
    let (_, sealed) = client.ask().await;
    let sign_in = client.allow(&sealed).await;
    let query = sign_in.query(&format!("code={}", sign_in.provider_code()));
    let code = come_back(&world, &query, &sign_in.cookie).await.code();
    let (status, tokens) = client.redeem(&code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    assert_eq!(client.revoke(&refresh).await, StatusCode::OK);
    let lines = log.requests();
    let expected = [
        ("POST", "/mcp/{slug}/oauth2/register", 201),
        ("GET", "/mcp/{slug}/oauth2/authorize", 200),
        ("POST", "/mcp/{slug}/oauth2/authorize", 303),
        ("GET", "/oauth2/intermediate_callback", 303),
        ("POST", "/mcp/{slug}/oauth2/token", 200),
        ("POST", "/mcp/{slug}/oauth2/revoke", 200),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    let short = short_id(client.id());
    for (line, (method, route, status)) in lines.iter().zip(expected) {
        for field in [
            format!(" method=\"{method}\" route=\"{route}\" status={status} "),
            format!(" gateway=\"{}\"", world.gateway.id),
            format!(" client=\"{short}\""),
        ] {
            assert!(line.contains(&field), "{field} is not in {line}");
        }
        let state = sign_in.parameter("state");
        let provider_code = sign_in.provider_code();
        let cookie = sign_in.cookie.split_once('=').unwrap().1;
        for secret in [
            client.id(),
            &sealed,
            &state,
            &provider_code,
            cookie,
            &code,
            VERIFIER,
            &access,
            &refresh,
        ] {
            assert!(!line.contains(secret), "{secret} is in {line}");
        }
    }
}

#[tokio::test]
async fn a_refused_request_names_its_client_once_it_is_known() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    let log = Log::listen();
    assert_eq!(
        client.redeem("made-up-code", VERIFIER).await.0,
        StatusCode::BAD_REQUEST
    );
    let made_up = Client::with_id(&world, "made-up\" client=\"forged");
    assert_eq!(
        made_up.redeem("made-up-code", VERIFIER).await.0,
        StatusCode::UNAUTHORIZED
    );
    let [known, unknown] = log.requests().try_into().unwrap();
    assert!(
        known.contains(&format!(" client=\"{}\"", short_id(client.id()))),
        "{known}"
    );
    assert!(
        unknown.contains(&format!(" gateway=\"{}\"", world.gateway.id)),
        "{unknown}"
    );
    assert!(!unknown.contains(" client="), "{unknown}");
}

#[tokio::test]
async fn the_request_at_the_root_names_the_gateway_it_means() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    let log = Log::listen();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", client.id()), ("token", "made-up-token")])
        .finish();
    let request = Request::post("/revoke")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form)
        .unwrap();
    assert_eq!(world.through_front(request).await.status, StatusCode::OK);
    let [line] = log.requests().try_into().unwrap();
    assert!(
        line.contains(&format!(" gateway=\"{}\"", world.gateway.id)),
        "{line}"
    );
    assert!(
        line.contains(&format!(" client=\"{}\"", short_id(client.id()))),
        "{line}"
    );
}
