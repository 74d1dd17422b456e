//! More to do than one process can: what clients and people get to read, and that nothing is lost by it.

use http::StatusCode;

use super::world::{Answer, World, authorize, sealed};

const PATH: &str = "/mcp/acme/oauth2/authorize";
const OURS: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

fn says_when(answer: &Answer) -> bool {
    answer
        .header("retry-after")
        .parse::<u64>()
        .is_ok_and(|seconds| (1..=10).contains(&seconds))
}

#[tokio::test]
async fn what_is_refused_says_when_to_come_back_and_loses_nothing() {
    let world = World::new().await;
    let (client, _, token) = world.signed_in().await;
    let code = world.code(&client).await;
    let page = sealed(&world.get(&authorize(&client, &[])).await);
    let allow = [("request", page.as_str()), ("decision", "allow")];

    let held = world.app.admission.take_all();
    // Waiting takes no time from here on.
    tokio::time::pause();
    for refused in [
        world.refresh(&client, &token).await,
        world.redeem(&client, &code).await,
    ] {
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
        assert_eq!(refused.error(), "temporarily_unavailable");
        assert!(says_when(&refused), "{refused:?}");
    }
    for refused in [
        world.get(&authorize(&client, &[])).await,
        world.post_with(PATH, &allow, OURS).await,
    ] {
        assert!(refused.is_page(429), "{refused:?}");
        assert!(refused.body.contains("Wait a few seconds"), "{}", refused.body);
        assert!(says_when(&refused), "{refused:?}");
    }
    tokio::time::resume();
    drop(held);

    assert_eq!(world.refresh(&client, &token).await.status, StatusCode::OK);
    assert_eq!(world.redeem(&client, &code).await.status, StatusCode::OK);
    let allowed = world.post_with(PATH, &allow, OURS).await;
    assert_eq!(allowed.status, StatusCode::SEE_OTHER, "{}", allowed.body);
}

#[tokio::test]
async fn refusals_are_counted_with_those_of_other_limits() {
    let world = World::new().await;
    let (client, _, token) = world.signed_in().await;
    let _held = world.app.admission.take_all();
    tokio::time::pause();
    world.refresh(&client, &token).await;
    let text = world.app.telemetry.encode().unwrap();
    for line in [
        "gatewright_rate_limited_total{route=\"/mcp/{slug}/oauth2/token\"} 1",
        "gatewright_tokens_total{outcome=\"limited\"} 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in:\n{text}"
        );
    }
}
