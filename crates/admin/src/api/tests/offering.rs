//! What a gateway offers: which kinds, and which of each.

use serde_json::{Value, json};

use super::bench::Bench;
use crate::testing::servers::TestServer;

#[tokio::test]
async fn prompts_and_resources_are_chosen_like_tools_and_kinds_are_turned_off() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let listening = TestServer::with(json!([])).await;
    let new = json!({"slug": "notes", "url": listening.url});
    let server = bench
        .post(&acme.admin, &acme.path("servers"), new)
        .await
        .expect(201)
        .text("id");
    let new = json!({"name": "Notes", "authentication_mode": "headers"});
    let made = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    let everything = json!({"tools": true, "prompts": true, "resources": true});
    assert_eq!(made.body["offers"], everything);
    assert_eq!(
        (&made.body["allowed_prompts"], &made.body["allowed_resources"]),
        (&json!([]), &json!([]))
    );
    let path = acme.path(&format!("gateways/{}", made.text("id")));
    let change = async |body: Value| bench.patch(&acme.admin, &path, body).await;

    let prompts = json!([{"server": server, "prompt": "summarize"}]);
    let resources = json!([{"server": server, "uri": "file:///notes.txt"}, {"server": server, "uri": "db://{table}/{row}"}]);
    let chosen =
        json!({"allowed_prompts": prompts, "allowed_resources": resources, "offers": {"tools": false}});
    let changed = change(chosen).await.expect(200);
    assert_eq!(changed.body["allowed_prompts"], prompts);
    assert_eq!(changed.body["allowed_resources"], resources);
    assert_eq!(
        changed.body["offers"],
        json!({"tools": false, "prompts": true, "resources": true})
    );
    // Members are merged; a list is replaced; null resets.
    let changed = change(json!({"offers": {"prompts": false}, "allowed_resources": null}))
        .await
        .expect(200);
    assert_eq!(
        changed.body["offers"],
        json!({"tools": false, "prompts": false, "resources": true})
    );
    assert_eq!(
        changed.body["allowed_prompts"], prompts,
        "kept for when prompts are offered again"
    );
    assert_eq!(changed.body["allowed_resources"], json!([]));
    let changed = change(json!({"offers": {"tools": null}})).await.expect(200);
    assert_eq!(changed.body["offers"]["tools"], true);
    let changed = change(json!({"offers": null})).await.expect(200);
    assert_eq!(changed.body["offers"], everything);

    let events = bench
        .get(&acme.admin, &acme.path("audit-events?action=gateway.updated"))
        .await
        .expect(200);
    let told = events.body.to_string();
    for part in ["allowed_prompts", "summarize", "db://{table}/{row}", "offers"] {
        assert!(told.contains(part), "{part}");
    }
    // A server that is named only by a prompt is in use.
    let refused = bench
        .delete(&acme.admin, &acme.path(&format!("servers/{server}")))
        .await
        .expect(409);
    assert!(refused.body.to_string().contains("Notes"));
}

#[tokio::test]
async fn what_is_wrong_with_a_choice_is_named_with_its_remedy() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let mut servers = Vec::new();
    for slug in ["one", "two"] {
        let listening = TestServer::with(json!([])).await;
        let new = json!({"slug": slug, "url": listening.url});
        let saved = bench.post(&acme.admin, &acme.path("servers"), new).await;
        servers.push(saved.expect(201).text("id"));
    }
    let (one, two) = (&servers[0], &servers[1]);
    let create = async |more: Value| {
        let mut new = json!({"name": "Notes", "authentication_mode": "headers", "servers": [one]});
        new.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        bench
            .post(&acme.admin, &acme.path("gateways"), new)
            .await
            .expect(422)
    };
    let refused = create(json!({"allowed_prompts": [
        {"server": one, "prompt": "a"}, {"server": one, "prompt": "a"}, {"server": two, "prompt": "a"}, {"server": one, "prompt": ""}]}))
    .await;
    assert_eq!(
        refused.pointers(),
        [
            "/allowed_prompts/1",
            "/allowed_prompts/2/server",
            "/allowed_prompts/3/prompt"
        ]
    );
    assert!(
        refused
            .body
            .to_string()
            .contains("add the server to `servers`, or remove the prompt")
    );
    let long = "x".repeat(2_001);
    let refused =
        create(json!({"allowed_resources": [{"server": one, "uri": long}, {"server": two, "uri": "a"}]}))
            .await;
    assert_eq!(
        refused.pointers(),
        ["/allowed_resources/0/uri", "/allowed_resources/1/server"]
    );
    assert!(
        refused
            .body
            .to_string()
            .contains("URI or URI template as its server lists it")
    );
    let refused = create(json!({"allowed_resources": [{"server": one, "name": "a"}]})).await;
    assert_eq!(refused.pointers(), ["/allowed_resources/0/name"]);
    let refused = create(json!({"offers": {"promts": false}})).await;
    assert_eq!(refused.pointers(), ["/offers/promts"]);
    let refused = create(json!({"offers": {"prompts": "no"}})).await;
    assert_eq!(refused.pointers(), ["/offers/prompts"]);
}

#[tokio::test]
async fn a_check_says_which_prompts_and_resources_a_server_has() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let listening = TestServer::having(json!({
        "tools": [],
        "prompts": [{"name": "summarize", "title": "Summarize", "arguments": [{"name": "length", "required": true}]}],
        "resources": [{"uri": "file:///notes.txt", "name": "notes", "mimeType": "text/plain"}],
        "resourceTemplates": [{"uriTemplate": "db://{table}", "name": "tables"}],
    }))
    .await;
    let new = json!({"slug": "notes", "url": listening.url});
    let saved = bench
        .post(&acme.admin, &acme.path("servers"), new)
        .await
        .expect(201);
    assert_eq!(saved.body["warnings"], json!([]), "it has something to offer");
    let path = acme.path(&format!("servers/{}/check", saved.text("id")));
    let seen = bench.get(&acme.viewer, &path).await.expect(200).body;
    assert_eq!(seen["capabilities"], json!(["tools", "prompts", "resources"]));
    assert_eq!(
        seen["prompts"],
        json!([{"name": "summarize", "shown_as": {"without_prefix": "summarize", "with_prefix": "notes_summarize"},
            "title": "Summarize", "description": "",
            "arguments": [{"name": "length", "description": "", "required": true}]}])
    );
    assert_eq!(
        seen["resources"],
        json!([{"uri": "file:///notes.txt", "name": "notes", "title": null, "description": "", "mime_type": "text/plain"}])
    );
    assert_eq!(
        seen["resource_templates"],
        json!([{"uri_template": "db://{table}", "name": "tables", "title": null, "description": "", "mime_type": null}])
    );
    assert_eq!(seen["warnings"], json!([]));
}
