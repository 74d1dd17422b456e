//! A server's URL can lead to something that is not an MCP server. Its responses do not concern callers here: errors say what
//! happened and repeat nothing, so that they do not help to explore a network.

use std::{fmt::Write as _, sync::Arc};

use gatewright_domain::server::IdentityForwarding;
use http::{HeaderValue, Response};
use rstest::rstest;

use crate::testing::net::{
    FakeBody, FakeServer, User, World, answer, legacy_server, meta, modern_headers, modern_server, read, tool,
};

const ADA: User = User("ada");
const CANARY: &str = "canary of an inner service";

fn page(status: u16, content_type: &str, text: &str) -> Response<FakeBody> {
    let mut response = answer(status, content_type, FakeBody::of(&[text]));
    for name in ["location", "www-authenticate", "server", "mcp-session-id"] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(CANARY));
    }
    response
}

async fn listed_and_called(server: &Arc<FakeServer>) -> String {
    // The neighbour is up, so that the list is answered and the call tried.
    let neighbour = modern_server(vec![tool("t")], 60_000, "public");
    let world = World::new(&[("one", server), ("two", &neighbour)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let alone = World::new(&[("one", server)]);
    let plan_alone = alone.plan(IdentityForwarding::None, &[]);
    let list = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#,
        meta("")
    );
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"one_t","arguments":{{}},{}}}}}"#,
        meta("")
    );
    let mut told = String::new();
    for (world, plan) in [(&world, &plan), (&alone, &plan_alone)] {
        let headers = modern_headers("tools/list", None);
        let (_, text) = read(world.post(plan, &ADA, &headers, &list).await).await;
        told.push_str(&text);
        let headers = modern_headers("tools/call", Some("one_t"));
        let response = world.post(plan, &ADA, &headers, &call).await;
        let _ = write!(told, "{:?}", response.headers());
        let (_, text) = read(response).await;
        assert!(text.contains(r#""error""#), "{text}");
        told.push_str(&text);
    }
    told
}

#[rstest]
#[case::a_page(200, "text/html", "<h1>canary of an inner service</h1>")]
#[case::text_as_json(200, "application/json", "canary of an inner service")]
#[case::other_json(200, "application/json", r#"{"secret":"canary of an inner service"}"#)]
#[case::an_event(200, "text/event-stream", "data: canary of an inner service\n\n")]
#[case::moved(302, "text/html", "canary of an inner service")]
#[case::credentials_wanted(401, "application/json", r#"{"error":"canary of an inner service"}"#)]
#[case::nothing_there(404, "text/plain", "canary of an inner service")]
#[case::broken(500, "text/plain", "canary of an inner service")]
#[tokio::test]
async fn what_is_not_an_mcp_server_is_not_quoted(
    #[case] status: u16,
    #[case] content_type: &'static str,
    #[case] text: &'static str,
) {
    let everywhere = FakeServer::new(move |_| Ok(page(status, content_type, text)));
    let told = listed_and_called(&everywhere).await;
    assert!(!told.contains("canary"), "{told}");
    assert!(everywhere.count() > 0);
    // One that lists its tools as it should, and then answers a call like that.
    let at_calls = legacy_server(vec![tool("t")], move |_| page(status, content_type, text));
    let told = listed_and_called(&at_calls).await;
    assert!(!told.contains("canary"), "{told}");
    assert!(!at_calls.received("tools/call").is_empty());
}
