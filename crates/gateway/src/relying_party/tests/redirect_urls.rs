//! A source can have its own redirect URL, and a sign-in ends at the one it began for.

use gatewright_domain::user_source::{Callback, UserSource};
use http::StatusCode;

use crate::relying_party::testing::{SignIn, World};

const SHARED: &str = "/oauth2/intermediate_callback";
const ORIGIN: &str = "http://127.0.0.1:8080";

fn own(source: &UserSource) -> String {
    format!("{SHARED}/{}", source.id)
}

async fn with_its_own() -> World {
    World::with(|source| source.callback = Callback::Own).await
}

fn code(sign_in: &SignIn) -> String {
    sign_in.query(&format!("code={}", sign_in.provider_code()))
}

#[tokio::test]
async fn a_sign_in_goes_there_and_comes_back_to_the_sources_own_url() {
    let world = with_its_own().await;
    let sign_in = world.allow().await;
    let path = own(&world.source);
    let url = format!("{ORIGIN}{path}");
    assert_eq!(sign_in.parameter("redirect_uri"), url);
    world.get_at(&path, &code(&sign_in), &sign_in.cookie).await.code();
    assert_eq!(world.provider.script().forms[0]["redirect_uri"], url);
}

#[tokio::test]
async fn a_sign_in_ends_at_no_other_redirect_url_than_it_began_for() {
    let (world, sharing) = (with_its_own().await, World::new().await);
    let neighbour = world.neighbour().await;
    for (world, paths) in [
        (
            &world,
            [
                SHARED.to_owned(),
                own(&neighbour.source),
                format!("{SHARED}/none"),
            ],
        ),
        (
            &sharing,
            [
                own(&sharing.source),
                own(&neighbour.source),
                format!("{SHARED}/src_none"),
            ],
        ),
    ] {
        for path in paths {
            let sign_in = world.allow().await;
            let seen = world.get_at(&path, &code(&sign_in), &sign_in.cookie).await;
            world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
            let (_, failure) = world.refusal(seen.reference()).await;
            assert!(
                failure.reason.contains("another redirect URL"),
                "{path}: {failure:?}"
            );
        }
        assert_eq!(world.provider.asked("token"), 0);
    }
}

#[tokio::test]
async fn an_answer_for_a_source_with_its_own_url_is_not_taken_to_a_hostile_one() {
    let honest = with_its_own().await;
    let hostile = honest.neighbour().await;
    // The hostile provider sends the person on to the honest one, which answers at the URL registered there, with the state of
    // the hostile sign-in.
    let victim = hostile.allow().await;
    let seen = hostile
        .get_at(&own(&honest.source), &victim.query("code=honest"), &victim.cookie)
        .await;
    assert_eq!((seen.status, seen.location), (StatusCode::BAD_REQUEST, None));
    assert_eq!(
        hostile.provider.asked("token"),
        0,
        "the code does not leave the house"
    );
}

#[tokio::test]
async fn another_redirect_url_is_used_from_the_next_sign_in_on_and_ends_no_session() {
    let world = World::new().await;
    let before = world.allow().await;
    world.edit_source(|source| source.callback = Callback::Own).await;
    let after = world.allow().await;
    world.provider.script().nonce = before.parameter("nonce");
    world.come_back(&before).await.code();
    world.provider.script().nonce = after.parameter("nonce");
    let path = own(&world.source);
    world.get_at(&path, &code(&after), &after.cookie).await.code();
    let urls: Vec<String> = world
        .provider
        .script()
        .forms
        .iter()
        .map(|form| form["redirect_uri"].clone())
        .collect();
    assert_eq!(urls, [format!("{ORIGIN}{SHARED}"), format!("{ORIGIN}{path}")]);
    assert_eq!(
        world.stored_source().await.identity_epoch,
        world.source.identity_epoch
    );
}

#[tokio::test]
async fn a_test_sign_in_shows_and_uses_the_url_and_recommends_an_own_one_among_others() {
    let world = World::new().await;
    let warned = async |world: &World| {
        let test = world.start_test().await;
        let page = world.page(&test).await.body;
        let source = world.stored_source().await;
        let path = match source.callback {
            Callback::Shared => SHARED.to_owned(),
            Callback::Own => own(&source),
        };
        assert!(page.contains(&format!("<bdi>{ORIGIN}{path}</bdi>")), "{page}");
        let sign_in = world.click(&test).await;
        let seen = world.get_at(&path, &code(&sign_in), &sign_in.cookie).await;
        assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
        let warnings = world.report(&test).await.warnings;
        warnings.iter().any(|warning| warning.pointer == "/callback")
    };
    assert!(!warned(&world).await, "there is no other project");
    world.neighbour().await;
    assert!(warned(&world).await);
    world.edit_source(|source| source.callback = Callback::Own).await;
    assert!(!warned(&world).await);
}
