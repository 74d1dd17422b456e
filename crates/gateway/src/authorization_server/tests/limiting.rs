//! Doing the same thing too often: one consent page, one person, one client. What people do stays possible.

use std::time::Duration;

use http::StatusCode;

use super::{
    members::{PATH, allow_as, get_as, person, world},
    world::{World, authorize, parameter, sealed},
};
use gatewright_domain::member::Role;

const OURS: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

#[tokio::test]
async fn a_consent_page_begins_ten_sign_ins_and_not_one_more() {
    let world = World::new().await;
    let client = world.client().await;
    let path = authorize(&client, &[]);
    let page = sealed(&world.get(&path).await);
    for _ in 0..20 {
        // Looking at it, which browsers do twice, uses nothing.
        world.get(&path).await;
    }
    let allow = async |page: &str| {
        let form = [("request", page), ("decision", "allow")];
        world.post_with(PATH, &form, OURS).await
    };
    for _ in 0..10 {
        assert_eq!(allow(&page).await.status, StatusCode::SEE_OTHER);
    }
    let refused = allow(&page).await;
    assert!(refused.is_page(400), "{refused:?}");
    assert!(refused.body.contains("used too often"), "{}", refused.body);
    let another = sealed(&world.get(&path).await);
    assert_eq!(allow(&another).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_consent_page_of_a_member_issues_ten_codes_and_not_one_more() {
    let world = world().await;
    let (_, cookie) = person(&world, "Ada", Some(Role::Viewer)).await;
    let client = world.client().await;
    let page = sealed(&get_as(&world, &authorize(&client, &[]), &cookie).await);
    for _ in 0..10 {
        let location = allow_as(&world, &page, &cookie).await.location();
        assert!(parameter(&location, "code").is_some());
    }
    let refused = allow_as(&world, &page, &cookie).await;
    assert!(refused.is_page(400), "{refused:?}");
}

#[tokio::test]
async fn a_person_who_signs_in_again_and_again_has_to_wait_and_others_do_not() {
    let world = world().await;
    let (_, ada) = person(&world, "Ada", Some(Role::Viewer)).await;
    let (_, bob) = person(&world, "Bob", Some(Role::Viewer)).await;
    let client = world.client().await;
    let sign_in = async |cookie: &str| {
        let page = get_as(&world, &authorize(&client, &[]), cookie).await;
        allow_as(&world, &sealed(&page), cookie).await
    };
    for _ in 0..30 {
        assert_eq!(sign_in(&ada).await.status, StatusCode::SEE_OTHER);
    }
    let refused = sign_in(&ada).await;
    assert!(refused.is_page(429), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "60");
    assert!(refused.body.contains("signed in too often"), "{}", refused.body);
    assert_eq!(sign_in(&bob).await.status, StatusCode::SEE_OTHER);
    world.clock.advance(Duration::from_mins(1));
    world.advance(Duration::ZERO).await;
    assert_eq!(sign_in(&ada).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_twenty_first_grant_of_an_app_ends_the_one_least_recently_used() {
    let world = World::new().await;
    let client = world.client().await;
    let mut tokens = Vec::new();
    for _ in 0..20 {
        let code = world.code(&client).await;
        let answer = world.redeem(&client, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        tokens.push(answer.json());
        world.advance(Duration::from_secs(3)).await;
    }
    let text = |at: usize, name: &str| tokens[at][name].as_str().unwrap().to_owned();
    let refreshed = world.refresh(&client, &text(0, "refresh_token")).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
    let code = world.code(&client).await;
    let newest = world.redeem(&client, &code).await;
    assert_eq!(newest.status, StatusCode::OK, "{}", newest.body);
    assert!(
        world
            .is_live(newest.json()["access_token"].as_str().unwrap())
            .await
    );
    assert!(world.is_live(&text(0, "access_token")).await);
    assert!(!world.is_live(&text(1, "access_token")).await);
    assert!(world.is_live(&text(2, "access_token")).await);
    assert_eq!(world.app.directory.revocations(), 1, "it acts at once");
    assert_eq!(world.revocations().await, [], "no one did anything wrong");
}
