//! Choosing tools: by server, by a filter, thousands of them.

use std::time::Instant;

use gatewright_domain::gateway::{AllowedTool, Mode};
use gatewright_store::gateway_list::GatewayFilter;
use serde_json::Value;

use super::bench::{dead_server, filled, gateway, operator, project_of, server, tool};
use crate::{
    service::gateways::{self, NewGateway},
    tests::bench::Bench,
};

/// What a page may weigh before it is compressed, to a fifth of that. Styles and scripts are measured with the first page seen.
const PAGE_BYTES: usize = 36_000;

fn chosen(server: &gatewright_domain::server::Server, name: &str) -> AllowedTool {
    AllowedTool {
        server: server.id,
        tool: name.to_owned(),
    }
}

fn many(count: usize) -> Vec<Value> {
    let describe =
        |number: usize| format!("Does what number {number} does, as its documentation says at length.");
    (0..count)
        .map(|number| tool(&format!("tool_{number:04}"), &describe(number)))
        .collect()
}

#[tokio::test]
async fn a_page_stays_small_and_quick_with_five_thousand_tools() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let big = server(&bench, &project, "big", many(5_000)).await;
    let new = format!("{project}/gateways/new");
    let page = ada.get(&new).await.expect(200);
    assert!(page.body.len() < PAGE_BYTES, "{} bytes", page.body.len());
    assert!(page.has("Show the tools") && !page.has("tool_0000"));
    let tools = format!("{project}/gateways/tools");
    let look = format!("{} 0", big.id);
    let part = ada.post(&tools, &filled(&[("look", &look)])).await.expect(200);
    assert!(part.has("1 to 100 of 5000") && part.has("tool_0099") && !part.has("tool_0100"));
    assert!(part.body.len() < 60_000, "{} bytes", part.body.len());
    let begun = Instant::now();
    let fields = filled(&[("look", "find"), ("tool_filter", "NUMBER 4711")]);
    let found = ada.post(&tools, &fields).await.expect(200);
    let took = begun.elapsed();
    assert!(found.has("One tool matches") && found.has("tool_4711") && !found.has("tool_4710"));
    // Fifty milliseconds are for the optimised program on its own machine.
    assert!(took.as_millis() < 1_000, "{took:?}");
    let all = format!("{} all", big.id);
    let part = ada.post(&tools, &filled(&[("choose", &all)])).await.expect(200);
    assert!(part.has("data-unseen=\"4900\""));
    let carried = part.between("name=\"tools\" value=\"", "\"");
    let fields = filled(&[("which_tools", "chosen"), ("tools", &carried)]);
    let made = ada.post(&new, &fields).await.expect(303).location();
    let detail = ada.get(made.trim_end_matches("/connect")).await.expect(200);
    assert!(detail.has("4900 tools") && detail.has("and 4850 more"));
    assert!(detail.body.len() < PAGE_BYTES, "{} bytes", detail.body.len());
    let id = made.trim_end_matches("/connect").to_owned();
    let edit = ada.get(&format!("{id}/edit")).await.expect(200);
    assert!(
        edit.has("4900 chosen") && edit.body.len() < PAGE_BYTES,
        "{} bytes",
        edit.body.len()
    );
}

#[tokio::test]
async fn what_is_chosen_is_carried_from_page_to_page() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (one, two) = (
        server(&bench, &project, "one", many(150)).await,
        server(&bench, &project, "two", vec![tool("send", "Sends.")]).await,
    );
    let new = format!("{project}/gateways/new");
    let ticked = format!("{} tool_0003", one.id);
    let next = format!("{} 100", one.id);
    let base = [
        ("which_tools", "chosen"),
        ("name", "Mine"),
        ("tool", ticked.as_str()),
    ];
    // Without a script a step in the tree is the form itself, sent and shown again.
    let mut fields = filled(&base);
    fields.push(("look", &next));
    let page = ada.post(&new, &fields).await.expect(200);
    assert!(page.has("101 to 150 of 150") && page.has("value=\"Mine\"") && page.has("1 chosen"));
    let carried = page.between("name=\"tools\" value=\"", "\"");
    assert_eq!(carried, format!("{}\ntool_0003", one.id));
    let later = format!("{} tool_0120", one.id);
    let open = format!("{} 100", one.id);
    let look = format!("{} 0", two.id);
    let fields = filled(&[
        ("which_tools", "chosen"),
        ("name", "Mine"),
        ("tools", &carried),
        ("tool", &later),
        ("open", &open),
        ("look", &look),
    ]);
    let page = ada.post(&new, &fields).await.expect(200);
    assert!(page.has("2 chosen") && page.has(">send<"));
    let send = format!("{} send", two.id);
    let fields = filled(&[
        ("which_tools", "chosen"),
        ("name", "Mine"),
        ("tools", &carried),
        ("tool", &later),
        ("tool", &send),
    ]);
    ada.post(&new, &fields).await.expect(303);
    let made = only(&bench, &project).await;
    let tools = [
        chosen(&one, "tool_0003"),
        chosen(&one, "tool_0120"),
        chosen(&two, "send"),
    ];
    assert_eq!(made.allowed_tools, tools);
}

/// The one gateway of a project.
pub(super) async fn only(bench: &Bench, project: &str) -> gatewright_domain::gateway::Gateway {
    let page = gatewright_store::PageRequest::first(2);
    let read = gateways::list(
        &bench.test.app,
        &operator(),
        project_of(project),
        &GatewayFilter::default(),
        &page,
    )
    .await;
    let mut items = read.unwrap().items;
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[tokio::test]
async fn a_filter_is_looked_for_before_anything_is_saved_and_closes_what_has_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let one = server(&bench, &project, "one", vec![tool("read_file", "Reads.")]).await;
    server(&bench, &project, "two", vec![tool("send", "Sends a file.")]).await;
    server(&bench, &project, "three", vec![tool("sum", "Adds.")]).await;
    let new = format!("{project}/gateways/new");
    // Enter in the filter sends the whole form: it is shown again, and nothing was created.
    let page = ada
        .post(&new, &filled(&[("tool_filter", "FILE")]))
        .await
        .expect(200);
    assert!(page.has("2 tools match") && page.has("read_file") && page.has(">send<") && !page.has(">sum<"));
    assert_eq!(page.body.matches("id=\"node-").count(), 3);
    assert!(
        ada.get(&format!("{project}/gateways"))
            .await
            .has("No gateway yet")
    );
    let ids = one.id.to_string();
    let fields = filled(&[
        ("tool_filter", "file"),
        ("which_servers", "chosen"),
        ("servers", &ids),
    ]);
    let page = ada.post(&new, &fields).await.expect(200);
    assert!(
        page.has("One tool matches") && !page.has(">send<"),
        "servers that are not ticked are not asked"
    );
    let none = ada
        .post(&new, &filled(&[("tool_filter", "<b>x</b>")]))
        .await
        .expect(200);
    assert!(none.has("No tool matches “&#60;b&#62;x&#60;/b&#62;”"));
    // What was looked for already does not keep the form from being saved.
    let fields = filled(&[("tool_filter", "file"), ("filtered_by", "file")]);
    ada.post(&new, &fields).await.expect(303);
}

#[tokio::test]
async fn a_server_that_is_down_says_so_and_its_tools_stay_chosen() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let dead = dead_server(&bench, &project, "dead").await;
    let alive = server(&bench, &project, "alive", vec![tool("send", "Sends.")]).await;
    let made = gateway(
        &bench,
        &project,
        NewGateway {
            name: "Mine".to_owned(),
            authentication_mode: Some(Mode::ProjectMembers),
            allowed_tools: vec![
                chosen(&dead, "lost"),
                chosen(&alive, "gone"),
                chosen(&alive, "send"),
            ],
            ..NewGateway::default()
        },
    )
    .await;
    let path = format!("{project}/gateways/{}", made.id);
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    let version = page.between("name=\"version\" value=\"", "\"");
    let kept = [dead.id.to_string(), alive.id.to_string()];
    for id in &kept {
        assert!(
            page.has(&format!("name=\"kept\" value=\"{id}\"")),
            "what nobody opened stays"
        );
    }
    let slug = made.slug.as_str();
    let look = format!("{} 0", dead.id);
    let base = |more: &[(&'static str, &str)]| {
        let mut fields = vec![
            ("version", version.clone()),
            ("slug", slug.to_owned()),
            ("name", "Mine".to_owned()),
        ];
        fields.push(("which_tools", "chosen".to_owned()));
        fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    };
    let borrowed = |fields: &[(&'static str, String)]| -> Vec<(&'static str, String)> { fields.to_vec() };
    let fields = borrowed(&base(&[("kept", &kept[0]), ("kept", &kept[1]), ("look", &look)]));
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let page = ada.post(&edit, &filled(&fields)).await.expect(200);
    assert!(page.has("Your choices are kept.") && page.has(&format!("value=\"{} lost\" checked", dead.id)));
    let look = format!("{} 0", alive.id);
    let fields = base(&[("kept", &kept[0]), ("kept", &kept[1]), ("look", &look)]);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let page = ada.post(&edit, &filled(&fields)).await.expect(200);
    assert!(page.has("The server does not list it") && page.has(">gone<"));
    let fields = base(&[("kept", &kept[0]), ("kept", &kept[1])]);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    ada.post(&edit, &filled(&fields)).await.expect(303);
    let after = only(&bench, &project).await;
    assert_eq!(after.allowed_tools, made.allowed_tools);
    assert_eq!(
        after.updated_at, made.updated_at,
        "saving without a change changes nothing"
    );
}

#[tokio::test]
async fn names_and_texts_of_tools_are_shown_as_they_are_and_do_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let hostile = [
        "\"><script>alert(1)</script>",
        "a' onmouseover='alert(1)",
        "</textarea><img src=x onerror=alert(1)>",
        "{{7*7}}",
    ];
    let tools = hostile.iter().map(|name| tool(name, name)).collect();
    let one = server(&bench, &project, "one", tools).await;
    let look = format!("{} 0", one.id);
    let part = format!("{project}/gateways/tools");
    let page = ada.post(&part, &filled(&[("look", &look)])).await.expect(200);
    assert!(page.has("1 to 4 of 4") && page.has("{{7*7}}"));
    assert!(!page.has("<script") && !page.has("<img") && !page.has("' onmouseover='"));
    let mut fields = filled(&[("which_tools", "chosen")]);
    let values: Vec<String> = hostile.iter().map(|name| format!("{} {name}", one.id)).collect();
    fields.extend(values.iter().map(|value| ("tool", value.as_str())));
    let made = ada
        .post(&format!("{project}/gateways/new"), &fields)
        .await
        .expect(303);
    let detail = ada
        .get(made.location().trim_end_matches("/connect"))
        .await
        .expect(200);
    assert!(detail.has("4 tools") && detail.has("{{7*7}}"));
    assert!(!detail.has("<script>alert") && !detail.has("<img"));
}

#[tokio::test]
async fn parts_of_the_form_are_for_those_who_may_save_it() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let one = server(&bench, &project, "one", vec![tool("send", "Sends.")]).await;
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let look = format!("{} 0", one.id);
    let part = format!("{project}/gateways/tools");
    viewer.post(&part, &filled(&[("look", &look)])).await.expect(403);
    viewer
        .get(&format!("{project}/gateways/slug?slug=x"))
        .await
        .expect(403);
    // A gateway of another project opens nothing.
    let elsewhere = ada
        .post("/projects", &[("name", "Other")])
        .await
        .expect(303)
        .location();
    let new = NewGateway {
        name: "Theirs".to_owned(),
        authentication_mode: Some(Mode::Headers),
        ..NewGateway::default()
    };
    let theirs = gateway(&bench, &elsewhere, new).await.id.to_string();
    let fields = filled(&[("look", &look), ("gateway", &theirs)]);
    ada.post(&part, &fields).await.expect(404);
    let fields = filled(&[("look", &look)]);
    let foreign = ada
        .post(&format!("{elsewhere}/gateways/tools"), &fields)
        .await
        .expect(200);
    assert!(!foreign.has(">send<"), "a server of another project is not asked");
}
