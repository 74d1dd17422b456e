//! How names begin, which names clients see, and which server serves a name that several have.

use gatewright_domain::gateway::{AllowedTool, Mode, PrefixMode};
use serde_json::json;

use super::bench::{filled, gateway, having, server, tool};
use crate::{
    service::gateways::NewGateway,
    tests::bench::{Bench, Browser},
};

fn of_members(name: &str, prefix_mode: PrefixMode) -> NewGateway {
    NewGateway {
        name: name.to_owned(),
        authentication_mode: Some(Mode::ProjectMembers),
        prefix_mode,
        ..NewGateway::default()
    }
}

/// Saves the form of a gateway as it is now, with these fields.
async fn save(ada: &mut Browser, edit: &str, more: &[(&str, &str)]) {
    let version = ada.get(edit).await.between("name=\"version\" value=\"", "\"");
    let mut fields = filled(more);
    fields.push(("version", &version));
    ada.post(edit, &fields).await.expect(303);
}

#[tokio::test]
async fn a_gateway_says_which_names_clients_see_and_who_serves_those_that_several_have() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let prompt = |name: &str| json!({"name": name});
    let lists = |own: &str| json!({"tools": [tool("search", ""), tool(own, "")], "prompts": [prompt("ask"), prompt("a b")]});
    let one = having(&bench, &project, "one", lists("files.read")).await;
    let two = having(&bench, &project, "two", lists("send")).await;
    let path = |gateway: &gatewright_domain::gateway::Gateway| format!("{project}/gateways/{}", gateway.id);

    let prefixed = gateway(&bench, &project, of_members("Prefixed", PrefixMode::WhenSeveral)).await;
    let page = ada.get(&path(&prefixed)).await.expect(200);
    assert!(page.has("<code>prefix_name</code>") && !page.has("Tools and prompts that several servers have"));
    let changed = page.between("aria-labelledby=\"changed\"", "</section>");
    for name in ["one_files_read_x", "one_a_b_x", "two_a_b_x"] {
        assert!(changed.contains(&format!("<code>{name}")), "{name}: {changed}");
    }
    assert!(
        changed.contains("<bdi>files.read</bdi>") && !changed.contains("search") && !changed.contains("send")
    );

    let plain = gateway(&bench, &project, of_members("Plain", PrefixMode::Never)).await;
    let page = ada.get(&path(&plain)).await.expect(200);
    assert!(!page.has("<code>prefix_name</code>") && page.has("serves what several have"));
    let shared = page.between("aria-labelledby=\"shared\"", "</section>");
    for name in ["search", "ask", "a_b_x"] {
        assert!(shared.contains(&format!("<code><bdi>{name}")), "{name}: {shared}");
    }
    assert!(!shared.contains("files") && !shared.contains("send"));
    let row = shared.split("<bdi>search</bdi>").nth(1).unwrap();
    assert!(
        row.find("<bdi>one").unwrap() < row.find("<bdi>two").unwrap(),
        "the first serves it"
    );

    // What is not offered collides with nothing.
    let only = |server: &gatewright_domain::server::Server, tool: &str| AllowedTool {
        server: server.id,
        tool: tool.to_owned(),
    };
    let narrow = NewGateway {
        allowed_tools: vec![only(&one, "search"), only(&two, "send")],
        ..of_members("Narrow", PrefixMode::Never)
    };
    let narrow = gateway(&bench, &project, narrow).await;
    let page = ada.get(&path(&narrow)).await.expect(200);
    let shared = page.between("aria-labelledby=\"shared\"", "</section>");
    assert!(shared.contains("<bdi>ask") && !shared.contains("<bdi>search"));

    let always = NewGateway {
        servers: vec![two.id],
        ..of_members("Always", PrefixMode::Always)
    };
    let always = gateway(&bench, &project, always).await;
    let page = ada.get(&path(&always)).await.expect(200);
    assert!(page.has("<code>prefix_name</code>") && page.has("<code>two_a_b_x"));
}

#[tokio::test]
async fn the_form_of_a_gateway_says_how_names_begin_and_keeps_what_it_does_not_mention() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    server(&bench, &project, "one", vec![tool("search", "")]).await;
    let new = format!("{project}/gateways/new");
    let page = ada.get(&new).await.expect(200);
    assert!(page.has("value=\"when_several\" checked"));
    assert!(
        page.has("<details class=\"more\"><summary>Advanced: names of tools and prompts"),
        "it is folded"
    );
    let made = ada
        .post(&new, &filled(&[("slug", "g"), ("prefix_mode", "never")]))
        .await
        .expect(303);
    let path = made.location().trim_end_matches("/connect").to_owned();
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    assert!(page.has("value=\"never\" checked"));
    assert!(page.has("<details class=\"more\" open><summary>Advanced: names of tools and prompts"));
    // A form that was open before there was a choice.
    save(&mut ada, &edit, &[("slug", "g"), ("name", "Renamed")]).await;
    let page = ada.get(&edit).await.expect(200);
    assert!(page.has("Renamed") && page.has("value=\"never\" checked"));
    save(&mut ada, &edit, &[("slug", "g"), ("prefix_mode", "always")]).await;
    assert!(ada.get(&edit).await.has("value=\"always\" checked"));
    assert!(ada.get(&path).await.has("<code>prefix_name</code>"));
}

#[tokio::test]
async fn a_gateway_says_whether_the_instructions_of_its_servers_follow() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let new = format!("{project}/gateways/new");
    let told = "Followed by those of its servers";
    let yes = filled(&[("slug", "g"), ("server_instructions", "yes")]);
    let made = ada.post(&new, &yes).await.expect(303).location();
    let path = made.trim_end_matches("/connect").to_owned();
    assert!(ada.get(&path).await.has(told));
    let edit = format!("{path}/edit");
    assert!(
        ada.get(&edit)
            .await
            .has("name=\"server_instructions\" value=\"yes\" checked")
    );
    save(&mut ada, &edit, &[("slug", "g")]).await;
    assert!(!ada.get(&path).await.has(told));
    assert!(
        !ada.get(&edit)
            .await
            .has("name=\"server_instructions\" value=\"yes\" checked")
    );
}
