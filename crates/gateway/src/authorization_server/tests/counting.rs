//! Answers of the token endpoints are counted by how they ended, whatever way they did.

use std::time::Duration;

use super::world::World;

const PATH: &str = "/mcp/acme/oauth2/token";

/// How often requests for tokens ended so.
fn count(world: &World, outcome: &str) -> u64 {
    let text = world.app.telemetry.encode().unwrap();
    let start = format!("gatewright_tokens_total{{outcome=\"{outcome}\"}} ");
    let mut counts = text.lines().filter_map(|line| line.strip_prefix(&start));
    counts.next().map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn each_way_out_of_a_token_endpoint_is_counted_once() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    assert_eq!(count(&world, "code"), 1);
    world.refresh(&client, &refresh).await;
    assert_eq!(count(&world, "refresh"), 1);
    assert_eq!(world.refresh(&client, "unknown").await.error(), "invalid_grant");
    assert_eq!(count(&world, "invalid_grant"), 1);
    let stranger = [
        ("grant_type", "refresh_token"),
        ("client_id", "nobody"),
        ("refresh_token", "x"),
    ];
    let nothing = [("client_id", "nobody")];
    for (number, path) in (1..).zip([PATH, "/token"]) {
        assert_eq!(
            world.post(path, &stranger).await.error(),
            "invalid_client",
            "{path}"
        );
        assert_eq!(count(&world, "invalid_client"), number, "{path}");
        assert_eq!(
            world.post(path, &nothing).await.error(),
            "invalid_request",
            "{path}"
        );
        assert_eq!(count(&world, "invalid_request"), number, "{path}");
    }
    world.post("/mcp/nowhere/oauth2/token", &stranger).await;
    assert_eq!(count(&world, "no_gateway"), 1);

    world.clock.advance(Duration::from_secs(6));
    world.post(PATH, &stranger).await;
    assert_eq!(
        count(&world, "unavailable"),
        1,
        "a configuration that is not confirmed"
    );
    world.app.refresh_directory().await.unwrap();
    world.app.store.close().await;
    world.refresh(&client, &refresh).await;
    assert_eq!(count(&world, "unavailable"), 2, "a store that is gone");
    let all = [
        "code",
        "refresh",
        "invalid_grant",
        "invalid_client",
        "invalid_request",
        "no_gateway",
        "unavailable",
    ];
    let sum: u64 = all.iter().map(|outcome| count(&world, outcome)).sum();
    assert_eq!(sum, 10, "each was counted once");
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_answer_is_counted_too() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    // The request waits for its turn to write when its client goes.
    let held = world.app.store.write().await.unwrap();
    tokio::select! {
        biased;
        answer = world.refresh(&client, &refresh) => panic!("{answer:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(count(&world, "unanswered"), 1);
    drop(held);
    world.refresh(&client, &refresh).await;
    assert_eq!(count(&world, "refresh"), 1);
}
