//! The authorization endpoint: who is sent where with which error, and who is sent nowhere.

use gatewright_domain::{
    gateway::{Gateway, TrustedClient},
    preregistered_client::ClientProof,
};
use http::StatusCode;

use super::{
    host,
    world::{ISSUER, REDIRECT, World, authorize, parameter, query, way_back},
};

#[tokio::test]
async fn a_good_request_shows_the_consent_page_as_often_as_it_is_fetched() {
    let world = World::new().await;
    let client = world.client().await;
    for _ in 0..2 {
        let page = world.get(&authorize(&client, &[])).await;
        assert!(page.is_page(200), "{page:?}");
        for text in [
            "Example",
            "Tools of acme",
            "app.example",
            REDIRECT,
            "Allow",
            "Deny",
        ] {
            assert!(page.body.contains(text), "{text}");
        }
        assert!(!page.body.contains("<script") && !page.body.contains("http-equiv"));
    }
}

#[tokio::test]
async fn a_redirect_that_is_not_registered_gets_a_page_and_no_location() {
    let world = World::new().await;
    let client = world.client().await;
    for uri in [
        "https://app.example.evil.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example/x/../cb",
        "https://app.example/%2e%2e/cb",
        "https://app.example/cb?x=1",
        "https://app.example/cb#x",
        "https://app.example/cb/",
        "http://app.example/cb",
        "javascript:alert(1)",
        "http://localhost/other",
    ] {
        let page = world.get(&authorize(&client, &[("redirect_uri", uri)])).await;
        assert!(page.is_page(400), "{uri}: {page:?}");
        assert!(
            !page.body.contains("evil") && !page.body.contains("alert"),
            "{uri}"
        );
    }
    for uri in [
        "http://localhost:51234/callback",
        "http://localhost/callback",
        REDIRECT,
    ] {
        assert!(
            world
                .get(&authorize(&client, &[("redirect_uri", uri)]))
                .await
                .is_page(200),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn an_unknown_client_gets_a_page() {
    let world = World::new().await;
    for client in [
        "nobody",
        "v1.00000000.AAAA",
        "",
        "http://app.example/client.json",
        "https://app.example",
    ] {
        let page = world.get(&authorize(client, &[])).await;
        assert!(page.is_page(400), "{client}: {page:?}");
    }
    let client = world.client().await;
    let twice = format!("{}&client_id={client}", authorize(&client, &[]));
    assert!(world.get(&twice).await.is_page(400));
}

/// Mistakes that are reported to the client, each with its error.
const MISTAKES: &[((&str, &str), &str)] = &[
    (("code_challenge", ""), "invalid_request"),
    (("code_challenge_method", ""), "invalid_request"),
    (("code_challenge_method", "plain"), "invalid_request"),
    (("response_type", "token"), "unsupported_response_type"),
    (("response_type", "code id_token"), "unsupported_response_type"),
    (("response_type", ""), "invalid_request"),
    (("resource", "http://127.0.0.1:8080/mcp/other"), "invalid_target"),
];

#[track_caller]
fn tells(location: &url::Url, redirect: &str, error: &str) {
    assert!(location.as_str().starts_with(redirect), "{location}");
    assert_eq!(parameter(location, "error").as_deref(), Some(error), "{location}");
    assert_eq!(
        parameter(location, "state").as_deref(),
        Some("the state"),
        "{location}"
    );
    assert_eq!(parameter(location, "iss").as_deref(), Some(ISSUER), "{location}");
}

#[tokio::test]
async fn other_mistakes_are_reported_to_a_listed_client_with_state_and_issuer() {
    let world = World::new().await;
    let trusted = |gateway: &mut Gateway| {
        gateway.trusted_clients = vec![TrustedClient {
            url: DOCUMENT.to_owned(),
            allow_loopback: false,
        }];
    };
    world.change_gateway("acme", trusted).await;
    publish(&world, &[REDIRECT]).await;
    let preregistered = world.preregister(ClientProof::Public).await;
    for client in [DOCUMENT, &preregistered] {
        for (change, error) in MISTAKES {
            let location = world.get(&authorize(client, &[*change])).await.location();
            tells(&location, REDIRECT, error);
        }
    }
}

#[tokio::test]
async fn an_unlisted_client_gets_the_error_only_if_the_person_goes_back() {
    let world = World::new().await;
    publish(&world, &[REDIRECT]).await;
    let evil = "https://phishing.example/cb?a=1";
    let registered = world.client_with(&[evil, "cursor://a/cb"], "Example").await;
    for (client, redirect, host) in [
        (DOCUMENT, REDIRECT, "app.example"),
        (&registered, evil, "phishing.example"),
        (&registered, "cursor://a/cb", "cursor:"),
    ] {
        for (change, error) in MISTAKES {
            for silent in [("prompt", "none"), ("display", "page")] {
                let change = [*change, ("redirect_uri", redirect), silent];
                for path in [
                    authorize(client, &change),
                    format!("/authorize?{}", query(client, &change)),
                ] {
                    let is_root = path.starts_with("/authorize");
                    let page = world.get(&path).await;
                    if is_root && *error == "invalid_target" {
                        // The root finds its gateway by the resource, and this is another.
                        continue;
                    }
                    assert!(page.is_page(400), "{path}: {page:?}");
                    assert!(page.headers.get("location").is_none() && page.headers.get("refresh").is_none());
                    assert!(!page.body.contains("http-equiv") && !page.body.contains("<script"));
                    assert!(
                        page.body.contains(&format!("Go back to <bdi>{host}")),
                        "{}",
                        page.body
                    );
                    tells(&way_back(&page), redirect, error);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_that_appears_twice_is_never_chosen_from() {
    let world = World::new().await;
    let client = world.client().await;
    for (name, value) in [
        ("response_type", "code"),
        ("response_mode", "query"),
        ("scope", "mcp"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ] {
        // Optional ones must not be repeated either.
        let twice = format!("{}&{name}={value}&{name}={value}", authorize(&client, &[]));
        let location = way_back(&world.get(&twice).await);
        assert!(location.as_str().starts_with(REDIRECT), "{name}");
        let error = parameter(&location, "error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "{name}");
        assert_eq!(parameter(&location, "code"), None);
        assert_eq!(parameter(&location, "state").as_deref(), Some("the state"));
    }
    for (name, value) in [
        ("client_id", client.as_str()),
        ("redirect_uri", REDIRECT),
        ("redirect_uri", "https://evil.example/"),
        ("state", "another"),
    ] {
        let twice = format!("{}&{name}={value}", authorize(&client, &[]));
        let page = world.get(&twice).await;
        assert!(page.is_page(400), "{name}: {page:?}");
        assert!(!page.body.contains("evil"));
    }
    assert!(world.get(&authorize(&client, &[])).await.is_page(200));
}

#[tokio::test]
async fn the_resource_may_be_missing_or_written_a_little_differently() {
    let world = World::new().await;
    let client = world.client().await;
    for resource in [
        "",
        "http://127.0.0.1:8080/mcp/acme/",
        "HTTP://127.0.0.1:8080/mcp/acme?x=1",
    ] {
        assert!(
            world
                .get(&authorize(&client, &[("resource", resource)]))
                .await
                .is_page(200),
            "{resource}"
        );
    }
}

#[tokio::test]
async fn hostile_names_and_states_are_shown_harmless() {
    let world = World::new().await;
    let name = format!("<script>alert(1)</script>\u{202e}\u{200b}{}", "x".repeat(2_000));
    let client = world.client_with(&[REDIRECT], &name).await;
    let page = world
        .get(&authorize(&client, &[("state", "\"><script>alert(2)</script>")]))
        .await;
    assert!(page.is_page(200), "{page:?}");
    assert!(!page.body.contains("<script") && !page.body.contains('\u{202e}'));
    assert!(page.body.contains("&#60;script&#62;alert(1)"), "{}", page.body);
    assert!(!page.body.contains(&"x".repeat(100)));
}

#[tokio::test]
async fn the_root_alias_finds_the_gateway_by_resource_or_client_or_says_what_to_do() {
    let world = World::new().await;
    let client = world.client().await;
    let at_root = |change: &[(&str, &str)]| format!("/authorize?{}", query(&client, change));
    assert!(world.get(&at_root(&[])).await.is_page(200));
    assert!(world.get(&at_root(&[("resource", "")])).await.is_page(200));
    assert!(
        world
            .get(&at_root(&[("resource", "https://elsewhere.example/mcp/acme")]))
            .await
            .is_page(400)
    );
    let page = world
        .get(&at_root(&[("resource", ""), ("client_id", "nobody")]))
        .await;
    assert!(
        page.is_page(400) && page.body.contains("https://host/mcp/name"),
        "{page:?}"
    );
}

#[tokio::test]
async fn an_unknown_document_causes_a_warning() {
    let world = World::new().await;
    publish(&world, &[REDIRECT]).await;
    let page = world.get(&authorize(DOCUMENT, &[])).await;
    assert!(
        page.is_page(200) && page.body.contains("We do not know this app"),
        "{}",
        page.body
    );
    // One that the gateway lists is known, even if its loopback redirect needs the page.
    let trusted = |gateway: &mut Gateway| {
        gateway.trusted_clients = vec![TrustedClient {
            url: DOCUMENT.to_owned(),
            allow_loopback: false,
        }];
    };
    world.change_gateway("acme", trusted).await;
    publish(&world, &["http://localhost/cb"]).await;
    let page = world
        .get(&authorize(DOCUMENT, &[("redirect_uri", "http://localhost:1/cb")]))
        .await;
    assert!(
        page.is_page(200) && !page.body.contains("We do not know this app"),
        "{}",
        page.body
    );
}

const DOCUMENT: &str = "https://client.example/oauth/client.json";

/// Publishes the document with these redirect URIs.
async fn publish(world: &World, redirects: &[&str]) {
    let document =
        serde_json::json!({"client_id": DOCUMENT, "client_name": "Known", "redirect_uris": redirects});
    host::publish(world, &document).await;
}

#[tokio::test]
async fn only_a_listed_document_with_an_https_redirect_skips_the_page() {
    let world = World::new().await;
    let trusted = |url: &str, allow_loopback| TrustedClient {
        url: url.to_owned(),
        allow_loopback,
    };
    world
        .add_gateway("trusting", |g| {
            g.trusted_clients = vec![trusted(DOCUMENT, false)];
        })
        .await;
    world
        .add_gateway("loopback", |g| {
            g.trusted_clients = vec![trusted(DOCUMENT, true)];
        })
        .await;
    world
        .add_gateway("near", |g| {
            g.trusted_clients = vec![trusted(&format!("{DOCUMENT}/"), true)];
        })
        .await;
    publish(
        &world,
        &["https://client.example/cb", "http://localhost/cb", "zed://cb"],
    )
    .await;
    let path = |gateway: &str, redirect: &str| {
        authorize(DOCUMENT, &[("resource", ""), ("redirect_uri", redirect)])
            .replace("/mcp/acme/", &format!("/mcp/{gateway}/"))
    };
    for (gateway, redirect, skips) in [
        ("trusting", "https://client.example/cb", true),
        ("trusting", "http://localhost:4711/cb", false),
        ("trusting", "zed://cb", false),
        ("loopback", "http://localhost:4711/cb", true),
        ("loopback", "zed://cb", false),
        ("near", "https://client.example/cb", false),
        ("acme", "https://client.example/cb", false),
    ] {
        let answer = world.get(&path(gateway, redirect)).await;
        if skips {
            assert_eq!(answer.location().path(), "/authorize", "{gateway} {redirect}");
            assert!(answer.headers.contains_key("set-cookie"), "{gateway} {redirect}");
        } else {
            assert!(answer.is_page(200), "{gateway} {redirect}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_no_cookie_can_carry_is_a_page() {
    let world = World::new().await;
    let client = world.client().await;
    let fits = "s".repeat(1_500);
    assert!(
        world
            .get(&authorize(&client, &[("state", &fits)]))
            .await
            .is_page(200)
    );
    for long in [2_048, 2_049, 5_000] {
        let answer = world
            .get(&authorize(&client, &[("state", &"s".repeat(long))]))
            .await;
        assert!(answer.is_page(400), "{long}: {answer:?}");
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_fetched_gets_a_page_every_time() {
    let world = World::new().await;
    for url in [
        "https://127.0.0.1/client.json",
        "https://[::1]/client.json",
        "https://169.254.169.254/client.json",
    ] {
        for _ in 0..2 {
            let page = world.get(&authorize(url, &[])).await;
            assert!(page.is_page(400), "{url}: {page:?}");
            // The cause would help a stranger to explore the network.
            assert!(
                page.body.contains("that document cannot be used."),
                "{}",
                page.body
            );
        }
    }
    world
        .add_gateway("closed", |g| {
            g.settings.metadata_documents = false;
        })
        .await;
    publish(&world, &[REDIRECT]).await;
    assert!(world.get(&authorize(DOCUMENT, &[])).await.is_page(200));
    let closed = authorize(DOCUMENT, &[("resource", "")]).replace("/mcp/acme/", "/mcp/closed/");
    assert!(world.get(&closed).await.is_page(400));
}

#[tokio::test]
async fn an_unknown_gateway_gets_a_page() {
    let world = World::new().await;
    let client = world.client().await;
    for slug in ["nobody", "Acme"] {
        let page = world
            .get(&authorize(&client, &[]).replace("/mcp/acme/", &format!("/mcp/{slug}/")))
            .await;
        assert!(page.is_page(404), "{slug}");
    }
    let never = world.post("/mcp/acme/oauth2/authorize?x", &[]).await;
    assert_eq!(never.status, StatusCode::FORBIDDEN);
}
