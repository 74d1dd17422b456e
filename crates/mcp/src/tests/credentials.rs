//! Credentials for a server that have to be waited for, and users who have to connect their account there first.

use std::{sync::Arc, time::Duration};

use gatewright_domain::server::IdentityForwarding;
use http::HeaderValue;
use serde_json::Value;

use super::lists::{ADA, call, list, names};
use crate::{
    peer::{
        caller::{Alive, Caller, Identify, RuleClass},
        config::UpstreamConfig,
        credentials::{Asked, Credentials, NoCredentials},
    },
    testing::net::{
        User, World, echo, json_answer, legacy_headers, legacy_server, meta, modern_headers, modern_server,
        read, tool,
    },
};

const CONNECT: &str = "https://gateway.example/connect/two";

/// A user who is asked to connect their account at the server `two`, and whose credentials take a moment elsewhere.
struct Unconnected;

impl Identify for Unconnected {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        Asked::Awaited(Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if server.slug == "two" {
                return Err(NoCredentials::ConnectFirst {
                    url: CONNECT.to_owned(),
                });
            }
            Ok(Credentials {
                assertion: Some(HeaderValue::from_static("awaited")),
            })
        }))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(Self)
    }

    fn alive(&self) -> Alive {
        Box::new(|| true)
    }
}

async fn post(world: &World, plan: &crate::federation::Plan, headers: &http::HeaderMap, body: &str) -> Value {
    let caller = Caller {
        key: world.key(&User("unconnected")),
        class: RuleClass::EVERYONE,
        identity: &Unconnected,
        conversation: None,
    };
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    let mut reached = crate::endpoint::Reached::default();
    let answer = world
        .endpoint
        .post(plan, caller, headers, &body, None, &mut reached)
        .await;
    serde_json::from_str(&read(answer).await.1).unwrap()
}

#[tokio::test]
async fn a_user_without_a_connected_account_misses_only_that_server_and_learns_where_to_connect() {
    for two in [
        modern_server(vec![tool("b")], 60_000, "public"),
        legacy_server(vec![tool("b")], |received| json_answer(200, &echo(received))),
    ] {
        let one = modern_server(vec![tool("a")], 60_000, "public");
        let world = World::new(&[("one", &one), ("two", &two)]);
        let plan = world.plan(IdentityForwarding::Assertion, &[]);
        let body = |method: &str, params: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{}}}}}"#,
                meta("")
            )
        };
        let listed = post(
            &world,
            &plan,
            &modern_headers("tools/list", None),
            &body("tools/list", ""),
        )
        .await;
        assert_eq!(names(&listed), ["one_a"]);
        let called = |name: &str| body("tools/call", &format!(r#""name":"{name}","arguments":{{}},"#));
        let headers = modern_headers("tools/call", Some("one_a"));
        let answer = post(&world, &plan, &headers, &called("one_a")).await;
        assert_eq!(answer["result"]["user"], "awaited", "{answer}");
        let headers = modern_headers("tools/call", Some("two_b"));
        let answer = post(&world, &plan, &headers, &called("two_b")).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(answer["result"]["resultType"], "complete");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(
            text,
            format!(
                "The server `two` needs your account there. Open {CONNECT} in your browser to connect it. Then try again."
            )
        );
        assert_eq!(two.count(), 0, "nothing is sent without credentials");
        // Others are not affected.
        assert_eq!(names(&list(&world, &plan, &ADA).await), ["one_a", "two_b"]);
        assert_eq!(call(&world, &plan, &ADA, "two_b").await["result"]["user"], "ada");
    }
}

#[tokio::test]
async fn a_client_with_a_session_learns_where_to_connect_in_the_form_of_its_era() {
    let two = modern_server(vec![tool("b")], 60_000, "public");
    let world = World::new(&[("two", &two)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let begin = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let caller = Caller {
        key: world.key(&User("unconnected")),
        class: RuleClass::EVERYONE,
        identity: &Unconnected,
        conversation: None,
    };
    let body = bytes::Bytes::from_static(begin.as_bytes());
    let mut reached = crate::endpoint::Reached::default();
    let answer = world
        .endpoint
        .post(&plan, caller, &legacy_headers(None), &body, None, &mut reached)
        .await;
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b","arguments":{}}}"#;
    let answer = post(&world, &plan, &legacy_headers(Some(&session)), body).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(answer["result"].get("resultType"), None);
    assert!(
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains(CONNECT)
    );
}

#[tokio::test]
async fn what_is_made_for_one_class_of_users_is_not_served_to_another() {
    let one = modern_server(vec![tool("a")], 60_000, "public");
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let views = async |class| {
        let caller = Caller {
            class,
            ..world.caller(&ADA)
        };
        let kind = crate::wire::listing::ListKind::Tools;
        let fresh = crate::federation::catalogs::Freshness::Fresh;
        let seen = world.endpoint.federation.view(&plan, kind, caller, fresh, None);
        seen.await.unwrap().view
    };
    let everyone = views(RuleClass::EVERYONE).await;
    let other = views(RuleClass(7)).await;
    assert!(!Arc::ptr_eq(&everyone, &other));
    assert!(Arc::ptr_eq(&everyone, &views(RuleClass::EVERYONE).await));
    assert!(Arc::ptr_eq(&other, &views(RuleClass(7)).await));
}
