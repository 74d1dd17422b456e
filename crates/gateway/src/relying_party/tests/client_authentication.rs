//! How the client secret is sent: the way that the provider takes is found out, remembered, and named when none works.

use gatewright_domain::registration::{
    AuthenticationChoice, CredentialsVerdict,
    SecretMethod::{self, Basic, Post},
};
use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::relying_party::testing::{Log, SECRET, TokenRule, World};
use crate::relying_party::{connection::Tested, testing::tested};

/// How the secret came in each token request.
fn sent(world: &World) -> Vec<SecretMethod> {
    let script = world.provider.script();
    let by = |in_header: &Option<String>| if in_header.is_some() { Basic } else { Post };
    script.authorizations.iter().map(by).collect()
}

#[rstest]
#[case::lists_nothing_and_takes_post(json!(null), Post, &[Basic, Post])]
#[case::lists_both_and_takes_post(json!(["client_secret_basic", "client_secret_post"]), Post, &[Basic, Post])]
#[case::lists_basic_and_takes_post(json!(["client_secret_basic"]), Post, &[Basic, Post])]
#[case::lists_post_and_takes_basic(json!(["client_secret_post"]), Basic, &[Post, Basic])]
#[case::lists_what_it_takes(json!(["client_secret_post"]), Post, &[Post])]
#[tokio::test]
async fn the_way_that_works_is_found_and_remembered(
    #[case] listed: Value,
    #[case] taken: SecretMethod,
    #[case] first: &[SecretMethod],
) {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.discovery = json!({"token_endpoint_auth_methods_supported": listed});
        script.method = Some(taken);
    }
    world.sign_in().await.code();
    assert_eq!(sent(&world), first);
    let source = world.stored_source().await;
    assert!(!source.client_secret.needs_attention(), "the secret was right");
    let is_news = first.len() > 1;
    assert_eq!(source.client_authentication.worked, is_news.then_some(taken));
    world.sign_in().await.code();
    assert_eq!(sent(&world), [first, &[taken]].concat(), "remembered");
}

#[rstest]
#[case(AuthenticationChoice::Basic, Basic, Post)]
#[case(AuthenticationChoice::Post, Post, Basic)]
#[tokio::test]
async fn a_chosen_way_is_the_only_one(
    #[case] choice: AuthenticationChoice,
    #[case] chosen: SecretMethod,
    #[case] other: SecretMethod,
) {
    let log = Log::listen();
    let world = World::with(|source| source.client_authentication.choice = choice).await;
    world.provider.script().method = Some(chosen);
    world.sign_in().await.code();
    world.provider.script().method = Some(other);
    assert_eq!(world.sign_in().await.status, StatusCode::BAD_REQUEST);
    assert_eq!(sent(&world), [chosen, chosen]);
    let failure = log.failure();
    assert!(
        failure.contains(chosen.name()) && !failure.contains(other.name()),
        "{failure}"
    );
}

#[tokio::test]
async fn a_wrong_secret_names_both_ways_and_blames_the_secret() {
    let log = Log::listen();
    let world = World::new().await;
    world.provider.script().secrets.clear();
    let seen = world.sign_in().await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    assert_eq!(sent(&world), [Basic, Post]);
    let failure = log.failure();
    assert!(
        failure.contains("sent as client_secret_basic and then as client_secret_post"),
        "{failure}"
    );
    let source = world.stored_source().await;
    assert!(source.client_secret.needs_attention());
    assert_eq!(source.client_authentication.worked, None);
}

#[rstest]
#[case::the_newest_is_right(SECRET, "older", false)]
#[case::the_newest_is_not_known_yet("newer", SECRET, true)]
#[tokio::test]
async fn a_rotation_and_a_refused_method_are_distinguished(
    #[case] newest: &str,
    #[case] previous: &str,
    #[case] is_refused: bool,
) {
    let world = World::new().await;
    let (newest, previous) = (world.seal(newest), world.seal(previous));
    world
        .edit_source(|source| {
            source.client_secret.current = newest;
            source.client_secret.previous = Some(previous);
        })
        .await;
    world.provider.script().method = Some(Post);
    world.sign_in().await.code();
    let source = world.stored_source().await;
    assert_eq!(source.client_secret.needs_attention(), is_refused);
    assert_eq!(source.client_secret.previous.is_some(), is_refused);
    assert_eq!(source.client_authentication.worked, Some(Post));
}

#[tokio::test]
async fn a_vendor_that_says_it_with_success_gets_the_secret_before_the_newest() {
    let world = World::new().await;
    let (newest, previous) = (world.seal("newer"), world.seal(SECRET));
    world
        .edit_source(|source| {
            source.client_secret.current = newest;
            source.client_secret.previous = Some(previous);
        })
        .await;
    world.provider.script().client_refusal = (200, "incorrect_client_credentials");
    world.sign_in().await.code();
    assert!(world.stored_source().await.client_secret.needs_attention());
}

#[tokio::test]
async fn the_test_of_a_connection_finds_the_way_too() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.token_rule = TokenRule::ClientFirst;
        script.method = Some(Post);
    }
    let Tested { test, verified_at } = tested(&world).await;
    let source = world.stored_source().await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::Right, "{test:?}");
    assert!(test.credentials.detail.contains("client_secret_post"), "{test:?}");
    assert_eq!(source.client_authentication.worked, Some(Post));
    assert!(verified_at.is_some());
}

/// Has the provider require that requests are pushed.
fn require_pushes(world: &World) {
    let endpoint = format!("{}/par", world.provider.issuer());
    world.provider.script().discovery = json!({
        "require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": endpoint,
    });
}

#[tokio::test]
async fn too_many_requests_beforehand_are_not_sent() {
    let world = World::new().await;
    require_pushes(&world);
    world.allow().await;
    world.app.providers.pushes().use_up(world.source.id.number());
    let refused = world.try_allow("").await.unwrap_err();
    assert!(refused.is_limited(), "{refused}");
    assert_eq!(world.provider.asked("par"), 1);
    // Where nothing is pushed, nothing is counted.
    let other = world.neighbour().await;
    other.app.providers.pushes().use_up(other.source.id.number());
    other.allow().await;
}

#[tokio::test]
async fn a_provider_that_requires_it_gets_the_request_beforehand() {
    let world = World::new().await;
    require_pushes(&world);
    world.provider.script().method = Some(Post);
    let sign_in = world.allow().await;
    let carried: Vec<_> = sign_in.url.query_pairs().into_owned().collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        carried,
        [
            pair("client_id", "client-1"),
            pair("request_uri", "urn:example:1")
        ]
    );
    for name in ["state", "nonce", "code_challenge", "redirect_uri", "scope"] {
        assert!(sign_in.pushed.contains_key(name), "{name}");
    }
    world.come_back(&sign_in).await.code();

    world.provider.script().secrets.clear();
    assert!(world.try_allow("").await.is_err());
    world.provider.script().secrets = vec![SECRET.to_owned()];
    world.allow().await;
}

#[tokio::test]
async fn every_request_says_who_asks_and_what_it_takes() {
    let world = World::new().await;
    world.provider.script().claims = json!({"name": null, "email": null});
    world.sign_in().await.code();
    let script = world.provider.script();
    for (endpoint, accept) in [
        ("openid-configuration", "application/json"),
        ("jwks", "application/jwk-set+json, application/json"),
        ("token", "application/json"),
        ("userinfo", "application/json, application/jwt"),
    ] {
        let head = &script.heads[endpoint];
        let agent = concat!("Gatewright/", env!("CARGO_PKG_VERSION"));
        assert_eq!(head["accept"], accept, "{endpoint}");
        assert_eq!(head["accept-encoding"], "identity", "{endpoint}");
        assert_eq!(head["user-agent"], agent, "{endpoint}");
    }
}
