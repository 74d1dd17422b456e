//! Two replicas: what a client asks for in its session at one of them holds at the other.

use super::{EVERYTHING, OldServer, replicas::replicas};

#[tokio::test]
async fn a_call_is_cancelled_at_a_replica_that_does_not_run_it() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let _stream = old.stream();
    let other = far.begin(EVERYTHING).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"call"}}"#;
    // In another session the same ID is another call.
    assert_eq!(near.send(&other, cancel).await, 202);
    reader.nothing_comes().await;
    assert_eq!(near.send(&session, cancel).await, 202);
    assert_eq!(reader.next().await, None);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let id = old.server.received("tools/call")[0].json["id"].clone();
    let notices = old.server.received("notifications/cancelled");
    let told: Vec<_> = notices
        .iter()
        .map(|notice| &notice.json["params"]["requestId"])
        .collect();
    assert_eq!(told, [&id]);
}

#[tokio::test]
async fn the_level_of_log_messages_that_was_set_at_another_replica_reaches_the_server_with_the_next_call() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let set = r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}"#;
    assert_eq!(near.send(&session, set).await, 200);
    let mut reader = far.call(&session).await;
    let stream = old.stream();
    let message = |level| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":"{level}"}}}}"#
        )
    };
    stream.send(&message("info"));
    stream.send(&message("critical"));
    let first = reader.json().await;
    assert_eq!(first["params"]["data"], "critical");
}

#[tokio::test]
async fn an_id_that_is_too_long_is_not_told_to_others() {
    let old = OldServer::new();
    let (near, far) = replicas(&old.server);
    let session = far.begin(EVERYTHING).await;
    let mut reader = far.call(&session).await;
    let _stream = old.stream();
    let cancel = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"{}"}}}}"#,
        "x".repeat(600)
    );
    assert_eq!(near.send(&session, &cancel).await, 202);
    reader.nothing_comes().await;
}
