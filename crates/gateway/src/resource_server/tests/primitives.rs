//! Prompts, resources and completion through a gateway: offered as a whole by default, and told who asks.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Request;
use serde_json::{Value, json};

use super::world::World;

/// Asks a gateway in the stateless era.
pub(super) async fn ask(world: &World, token: &str, method: &str, mut params: Value) -> Value {
    let mut request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    let named = params.get("name").or_else(|| params.get("uri"));
    if let Some(named) = named.and_then(Value::as_str) {
        request = request.header("mcp-name", named);
    }
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    world.send(request.body(body.to_string()).unwrap()).await.json()
}

/// Whom the last request of a method spoke of.
fn told(world: &World, method: &str) -> String {
    let received = world.upstream.received.lock().unwrap();
    let last = received.iter().rfind(|(_, message)| message["method"] == method);
    let assertion = last.unwrap().0["gatewright-assertion"]
        .to_str()
        .unwrap()
        .to_owned();
    let claims = URL_SAFE_NO_PAD
        .decode(assertion.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["subject"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn prompts_and_resources_are_offered_and_their_server_is_told_who_asks() {
    let world = World::new().await;
    world.upstream.has_more();
    for subject in ["ada", "bob"] {
        let token = world.sign_in("acme", subject).await.token;
        let token = token.as_str();
        let discovered = ask(&world, token, "server/discover", json!({})).await;
        assert_eq!(
            discovered["result"]["capabilities"],
            json!({"tools": {"listChanged": true}, "prompts": {"listChanged": true}, "resources": {"listChanged": true}, "completions": {}})
        );
        for (method, params, member) in [
            ("prompts/list", json!({}), "prompts"),
            ("resources/list", json!({}), "resources"),
            ("resources/templates/list", json!({}), "resourceTemplates"),
            ("prompts/get", json!({"name": "ask"}), "messages"),
            ("resources/read", json!({"uri": "me://inbox"}), "contents"),
            (
                "completion/complete",
                json!({"ref": {"type": "ref/prompt", "name": "ask"}, "argument": {"name": "a", "value": ""}}),
                "completion",
            ),
        ] {
            let answer = ask(&world, token, method, params).await;
            assert!(answer["result"].get(member).is_some(), "{method}: {answer}");
            assert_eq!(told(&world, method), subject);
        }
        let missing = ask(&world, token, "resources/read", json!({"uri": "me://other"})).await;
        assert_eq!(missing["error"]["message"], "Resource not found");
    }
}
