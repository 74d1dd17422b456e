//! A stolen refresh token: the second to come ends the grant for both (RFC 9700 section 4.14.2). Clients that refresh
//! several times at once, or from another network, are not thieves.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use gatewright_domain::{sign_in_attempt::Step, token_hash::TokenHash};
use gatewright_store::{PageRequest, refresh_token, sign_in_attempt};
use http::{Request, StatusCode};
use http_body_util::Full;

use super::{
    members::call,
    world::{Answer, World, encode},
};
use crate::{Gateways, resource_server::seen_tokens};

fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

/// A call with an access token at another process.
async fn call_at(app: &Arc<Gateways>, access_token: &str) -> StatusCode {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
        "capabilities":{},"clientInfo":{"name":"client","version":"1"}}}"#;
    let request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {access_token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(message.into()))
        .unwrap();
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    crate::testing::front(Arc::clone(app))
        .answer(peer, request)
        .await
        .status()
}

#[tokio::test]
async fn a_thief_who_comes_after_the_owner_gets_nothing_and_ends_the_grant() {
    let world = World::new().await;
    let (client, _, first) = world.signed_in().await;
    let (access, _) = tokens(&world.refresh(&client, &first).await);
    assert_eq!(call(&world, &access).await, StatusCode::OK);
    world.advance(Duration::from_secs(91)).await;
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    assert_eq!(
        call(&world, &access).await,
        StatusCode::OK,
        "it may be a straggler"
    );
    world.advance(Duration::from_secs(30)).await;
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    assert_eq!(call(&world, &access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.revocations().await.len(), 1);
}

#[tokio::test]
async fn an_owner_who_comes_after_the_thief_ends_the_grant_too() {
    let world = World::new().await;
    let (client, of_owner, first) = world.signed_in().await;
    assert_eq!(call(&world, &of_owner).await, StatusCode::OK);
    let (of_thief, next) = tokens(&world.refresh(&client, &first).await);
    assert_eq!(call(&world, &of_thief).await, StatusCode::OK);
    world.advance(Duration::from_mins(50)).await;
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    assert_eq!(call(&world, &of_thief).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.refresh(&client, &next).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_client_that_lost_the_answer_tries_again_a_day_later() {
    let world = World::new().await;
    let (client, of_before, first) = world.signed_in().await;
    let lost = tokens(&world.refresh(&client, &first).await);
    // It continues with the access token it has, which ends no overlap.
    assert_eq!(call(&world, &of_before).await, StatusCode::OK);
    world.advance(Duration::from_hours(24)).await;
    let again = tokens(&world.refresh(&client, &first).await);
    assert_eq!(again.1, lost.1);
    assert_eq!(call(&world, &again.0).await, StatusCode::OK);
}

#[tokio::test]
async fn a_use_at_another_replica_ends_the_overlap() {
    let world = World::new().await;
    let other = world.replica().await;
    let (client, _, first) = world.signed_in().await;
    let (access, _) = tokens(&world.refresh(&client, &first).await);
    assert_eq!(call_at(&other, &access).await, StatusCode::OK);
    // What its job does every second.
    assert_eq!(seen_tokens::flush(&other.resource_server).await.unwrap(), 1);
    assert_eq!(seen_tokens::flush(&other.resource_server).await.unwrap(), 0);
    world.advance(Duration::from_mins(3)).await;
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    assert_eq!(call(&world, &access).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn several_refreshes_with_one_token_go_well_while_the_first_answer_is_in_use() {
    let world = World::new().await;
    let (client, _, first) = world.signed_in().await;
    let (access, next) = tokens(&world.refresh(&client, &first).await);
    assert_eq!(call(&world, &access).await, StatusCode::OK);
    for after in [0, 0, 0, 1, 32, 43] {
        world.advance(Duration::from_secs(after)).await;
        let (other, same) = tokens(&world.refresh(&client, &first).await);
        assert_eq!(same, next);
        assert_eq!(call(&world, &other).await, StatusCode::OK);
    }
    tokens(&world.refresh(&client, &next).await);
}

#[tokio::test]
async fn any_older_token_of_a_live_grant_ends_it_although_its_row_was_deleted() {
    let world = World::new().await;
    let (client, _, first) = world.signed_in().await;
    let stranger = world.client().await;
    let mut last = (String::new(), first.clone());
    for _ in 0..10 {
        world.advance(Duration::from_hours(1)).await;
        last = tokens(&world.refresh(&client, &last.1).await);
    }
    let mut tx = world.app.store.read().await.unwrap();
    let row = refresh_token::find(&mut tx, TokenHash::of(&first)).await.unwrap();
    drop(tx);
    assert_eq!(row, None);
    assert_eq!(world.refresh(&stranger, &first).await.error(), "invalid_grant");
    assert_eq!(
        call(&world, &last.0).await,
        StatusCode::OK,
        "another client ends nothing"
    );
    assert_eq!(world.refresh(&client, &first).await.error(), "invalid_grant");
    assert_eq!(call(&world, &last.0).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.refresh(&client, &last.1).await.error(), "invalid_grant");
}

#[tokio::test]
async fn an_older_token_still_names_its_grant_to_the_revocation_endpoint() {
    let world = World::new().await;
    let (client, _, first) = world.signed_in().await;
    let mut last = (String::new(), first.clone());
    for _ in 0..5 {
        world.advance(Duration::from_hours(1)).await;
        last = tokens(&world.refresh(&client, &last.1).await);
    }
    let form = [("client_id", client.as_str()), ("token", first.as_str())];
    let answer = world.post("/mcp/acme/oauth2/revoke", &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(call(&world, &last.0).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_repeat_from_another_network_is_in_the_trace() {
    let world = World::new().await;
    let (client, _, first) = world.signed_in().await;
    tokens(&world.refresh(&client, &first).await);
    let from = async |address: &str| {
        let form = encode(&[
            ("grant_type", "refresh_token"),
            ("client_id", client.as_str()),
            ("refresh_token", first.as_str()),
        ]);
        let request = Request::post("/mcp/acme/oauth2/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .unwrap();
        tokens(&world.send_from(address.parse().unwrap(), request).await)
    };
    let told = async || {
        world.app.sign_in_trace.flush().await.unwrap();
        let mut tx = world.app.store.read().await.unwrap();
        let page = PageRequest::first(10);
        let filter = sign_in_attempt::AttemptFilter::default();
        let listed = sign_in_attempt::list(&mut tx, world.project, &filter, world.app.now(), &page).await;
        let steps = listed
            .unwrap()
            .items
            .into_iter()
            .flat_map(|attempt| attempt.part.steps);
        let elsewhere = steps.filter(|record| record.step == Step::RefreshedElsewhere);
        elsewhere.filter_map(|record| record.detail).collect::<Vec<_>>()
    };
    from("127.0.0.9").await;
    assert_eq!(told().await, [""; 0]);
    from("198.51.100.7").await;
    assert_eq!(
        told().await,
        ["first from 127.0.0.0/24, then from 198.51.100.0/24"]
    );
}
