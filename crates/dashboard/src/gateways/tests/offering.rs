//! Choosing prompts and resources, turning kinds off, and resources that several servers list.

use gatewright_domain::{
    gateway::{AllowedPrompt, AllowedResource, Mode, OfferedKinds},
    server::Server,
};
use serde_json::{Value, json};

use super::{
    bench::{filled, gateway, having, server, tool},
    choosing::only,
};
use crate::{service::gateways::NewGateway, tests::bench::Bench};

fn lists() -> Value {
    json!({
        "tools": [],
        "prompts": [{"name": "summarize", "title": "Summarize"}, {"name": "<b>", "description": "Bold."}],
        "resources": [{"uri": "file:///my notes.txt", "name": "notes"}],
        "resourceTemplates": [{"uriTemplate": "db://{table}", "name": "tables"}],
    })
}

fn prompt(server: &Server, name: &str) -> AllowedPrompt {
    AllowedPrompt {
        server: server.id,
        prompt: name.to_owned(),
    }
}

fn resource(server: &Server, uri: &str) -> AllowedResource {
    AllowedResource {
        server: server.id,
        uri: uri.to_owned(),
    }
}

#[tokio::test]
async fn prompts_and_resources_are_opened_ticked_and_saved_like_tools() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let notes = having(&bench, &project, "notes", lists()).await;
    let part = format!("{project}/gateways/tools");
    let new = format!("{project}/gateways/new");
    // Servers to choose from are shown when they are asked for, also without a script.
    let closed = ada.get(&new).await.expect(200);
    assert!(closed.has("Show the servers") && !closed.has("id=\"prompt-node-"));
    let fields = filled(&[("look_prompts", "servers")]);
    let unfolded = ada.post(&part, &fields).await.expect(200);
    assert!(
        unfolded.has("Find a prompt") && unfolded.has("Show the prompts") && !unfolded.has("Show the tools")
    );
    let page = ada.post(&new, &fields).await.expect(200);
    assert!(page.has("id=\"prompt-node-") && !page.has("id=\"resource-node-"));
    let look = format!("{} 0", notes.id);
    let prompts = ada
        .post(&part, &filled(&[("look_prompts", &look)]))
        .await
        .expect(200);
    assert!(prompts.has("1 to 2 of 2") && prompts.has("summarize") && prompts.has("&#60;b&#62;"));
    assert!(!prompts.has("notes.txt") && !prompts.has("<b>"));
    let fields = filled(&[("look_resources", "find"), ("resource_filter", "TABLE")]);
    let found = ada.post(&part, &fields).await.expect(200);
    assert!(found.has("One resource matches") && found.has("db://{table}") && found.has(">Template<"));
    assert!(!found.has("my notes.txt"));
    let all = format!("{} all", notes.id);
    let chosen = ada
        .post(&part, &filled(&[("choose_resources", &all)]))
        .await
        .expect(200);
    assert_eq!(chosen.body.matches(" checked").count(), 2);

    let (ticked, uri, template) = (
        format!("{} summarize", notes.id),
        format!("{} file:///my notes.txt", notes.id),
        format!("{} db://{{table}}", notes.id),
    );
    let fields = filled(&[
        ("which_prompts", "chosen"),
        ("prompt", &ticked),
        ("which_resources", "chosen"),
        ("resource", &uri),
        ("resource", &template),
    ]);
    let made = ada.post(&new, &fields).await.expect(303).location();
    let saved = only(&bench, &project).await;
    assert_eq!(saved.offers, OfferedKinds::default());
    assert_eq!(saved.allowed_prompts, [prompt(&notes, "summarize")]);
    let mut uris: Vec<_> = saved
        .allowed_resources
        .iter()
        .map(|one| one.uri.as_str())
        .collect();
    uris.sort_unstable();
    assert_eq!(uris, ["db://{table}", "file:///my notes.txt"]);
    let detail = ada.get(made.trim_end_matches("/connect")).await.expect(200);
    for text in [
        "All its tools",
        "1 prompt<",
        "2 resources<",
        "file:///my notes.txt",
    ] {
        assert!(detail.has(text), "{text}");
    }
    // What was not opened stays, and saving without a change changes nothing.
    let edit = format!("{project}/gateways/{}/edit", saved.id);
    let page = ada.get(&edit).await.expect(200);
    assert!(page.has("name=\"kept_prompts\"") && page.has("name=\"kept_resources\""));
    let (version, kept) = (
        page.between("name=\"version\" value=\"", "\""),
        notes.id.to_string(),
    );
    let fields = filled(&[
        ("version", &version),
        ("slug", &saved.slug),
        ("which_prompts", "chosen"),
        ("kept_prompts", &kept),
        ("which_resources", "chosen"),
        ("kept_resources", &kept),
    ]);
    ada.post(&edit, &fields).await.expect(303);
    assert_eq!(only(&bench, &project).await, saved);
}

#[tokio::test]
async fn a_kind_is_turned_off_and_where_nothing_is_ticked_nothing_is_offered() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let notes = having(&bench, &project, "notes", lists()).await;
    let made = gateway(
        &bench,
        &project,
        NewGateway {
            name: "Support".to_owned(),
            authentication_mode: Some(Mode::ProjectMembers),
            allowed_prompts: vec![prompt(&notes, "summarize")],
            ..NewGateway::default()
        },
    )
    .await;
    let edit = format!("{project}/gateways/{}/edit", made.id);
    let kept = notes.id.to_string();
    let page = ada.get(&edit).await.expect(200);
    let version = page.between("name=\"version\" value=\"", "\"");
    let fields = filled(&[
        ("version", &version),
        ("slug", &made.slug),
        ("which_prompts", "none"),
        ("kept_prompts", &kept),
        ("which_resources", "chosen"),
    ]);
    ada.post(&edit, &fields).await.expect(303);
    let saved = only(&bench, &project).await;
    let offered = OfferedKinds {
        prompts: false,
        resources: false,
        ..OfferedKinds::default()
    };
    assert_eq!((saved.offers, saved.allowed_resources.len()), (offered, 0));
    assert_eq!(
        saved.allowed_prompts, made.allowed_prompts,
        "kept for when they are offered again"
    );
    let detail = ada
        .get(&format!("{project}/gateways/{}", made.id))
        .await
        .expect(200);
    assert!(detail.has("None of its prompts") && detail.has("None of its resources"));
    assert!(!detail.has("summarize"));
    let page = ada.get(&edit).await.expect(200);
    for id in ["tools-all", "prompts-none", "resources-none"] {
        assert!(page.has(&format!("id=\"{id}\" checked")), "{id}");
    }
}

#[tokio::test]
async fn a_gateway_says_which_of_its_servers_serves_a_resource_that_several_list() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let lists =
        |uri: &str| json!({"resources": [{"uri": "file:///shared", "name": "s"}, {"uri": uri, "name": "o"}]});
    let one = having(&bench, &project, "one", lists("file:///one")).await;
    let two = having(&bench, &project, "two", lists("file:///two")).await;
    server(&bench, &project, "three", vec![tool("send", "Sends.")]).await;
    let new = NewGateway {
        name: "Support".to_owned(),
        authentication_mode: Some(Mode::ProjectMembers),
        servers: vec![two.id, one.id],
        ..NewGateway::default()
    };
    let both = gateway(&bench, &project, new).await;
    let page = ada
        .get(&format!("{project}/gateways/{}", both.id))
        .await
        .expect(200);
    let shared = page.between("aria-labelledby=\"shared-uris\"", "</section>");
    assert!(shared.contains("file:///shared") && !shared.contains("file:///one"));
    let (first, second) = (shared.find("<bdi>two").unwrap(), shared.find("<bdi>one").unwrap());
    assert!(first < second, "the first in the gateway's order serves it");
    // What one of them may not offer does not collide.
    let new = NewGateway {
        name: "Narrow".to_owned(),
        authentication_mode: Some(Mode::ProjectMembers),
        allowed_resources: vec![resource(&one, "file:///shared"), resource(&two, "file:///two")],
        ..NewGateway::default()
    };
    let narrow = gateway(&bench, &project, new).await;
    let page = ada
        .get(&format!("{project}/gateways/{}", narrow.id))
        .await
        .expect(200);
    assert!(!page.has("Resources that several servers list"));
}
