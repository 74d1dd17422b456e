//! Tools that are tried out and ask or report something: what is passed on, and to whom.

use serde_json::{Value, json};

use super::tool_calls::Place;

#[tokio::test]
async fn a_question_of_a_server_is_passed_on_and_answered_with_the_same_request_again() {
    let place = Place::new().await;
    let (bench, acme) = (&place.bench, &place.acme);
    let form = json!({"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {"type": "object"}}});
    place.upstream.answer_next(
        json!({"resultType": "input_required", "inputRequests": {"who": form}, "requestState": "own"}),
    );
    let asked = bench
        .post(&acme.admin, &place.calls(), place.call())
        .await
        .expect(200);
    let result = &asked.body["result"];
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(result["inputRequests"], json!({"who": form}));
    let again = |user: &str, state: &Value| {
        let mut again = place.call();
        again["user"] = json!(user);
        again["request_state"] = state.clone();
        again["input_responses"] = json!({"who": {"action": "accept", "content": {"name": "canary-answer"}}});
        again
    };
    // Not for another user, by another key, or with other arguments.
    let bo = bench.user(acme, &place.source, "bo").await.to_string();
    let state = &result["requestState"];
    let mut other = again(&place.user, state);
    other["arguments"]["count"] = json!(3);
    for (key, body, says) in [
        (
            &acme.admin,
            again(&bo, state),
            "not issued by this gateway to this user",
        ),
        (
            &acme.owner,
            again(&place.user, state),
            "not issued by this gateway to this user",
        ),
        (
            &acme.admin,
            again(&place.user, &json!("own")),
            "not issued by this gateway to this user",
        ),
        (&acme.admin, other, "belongs to another request"),
    ] {
        let refused = bench.post(key, &place.calls(), body).await.expect(200);
        assert_eq!(refused.body["error"]["code"], -32602);
        assert!(
            refused.body["error"]["message"].as_str().unwrap().contains(says),
            "{:#}",
            refused.body
        );
    }
    assert_eq!(
        place.upstream.calls().len(),
        1,
        "the server heard of none of these"
    );

    let answer = bench
        .post(&acme.admin, &place.calls(), again(&place.user, state))
        .await
        .expect(200);
    assert_eq!(answer.body["result"]["content"][0]["text"], "told");
    let called = &place.upstream.called()[1].1["params"];
    assert_eq!(called["requestState"], "own");
    assert_eq!(
        called["inputResponses"]["who"]["content"]["name"],
        "canary-answer"
    );
    let query = acme.path("audit-events?action=gateway.tool_tried&limit=1");
    let events = bench.get(&acme.viewer, &query).await.expect(200);
    let answers = events.body["items"][0]["changes"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&answers["field"], &answers["after"]),
        (&json!("answers"), &json!(["accept"]))
    );
    assert!(!bench.everything_visible().contains("canary-answer"));
}

#[tokio::test]
async fn the_level_of_log_messages_is_passed_on() {
    let place = Place::new().await;
    let (bench, acme) = (&place.bench, &place.acme);
    for level in [None, Some("debug"), Some("emergency")] {
        let mut call = place.call();
        if let Some(level) = level {
            call["log_level"] = json!(level);
        }
        bench.post(&acme.admin, &place.calls(), call).await.expect(200);
    }
    let levels: Vec<_> = place
        .upstream
        .called()
        .into_iter()
        .map(|(_, message)| message["params"]["_meta"]["io.modelcontextprotocol/logLevel"].clone())
        .collect();
    assert_eq!(levels, [json!("info"), json!("debug"), json!("emergency")]);
    let mut call = place.call();
    call["log_level"] = json!("loud");
    let refused = bench.post(&acme.admin, &place.calls(), call).await.expect(422);
    assert_eq!(refused.pointers(), ["/log_level"]);
    assert!(
        refused.body["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("emergency"),
        "{:#}",
        refused.body
    );
}
