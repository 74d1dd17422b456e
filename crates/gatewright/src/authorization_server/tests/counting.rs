//! Answers of the token endpoint are counted by how they ended.

use super::world::World;

#[tokio::test]
async fn tokens_and_refusals_are_counted_by_outcome() {
    let world = World::new().await;
    let (client, _, refresh) = world.signed_in().await;
    world.refresh(&client, &refresh).await;
    assert_eq!(world.refresh(&client, "unknown").await.error(), "invalid_grant");
    let text = world.app.telemetry.encode().unwrap();
    for outcome in ["code", "refresh", "invalid_grant"] {
        let line = format!("gatewright_tokens_total{{outcome=\"{outcome}\"}} 1");
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in:\n{text}"
        );
    }
}
