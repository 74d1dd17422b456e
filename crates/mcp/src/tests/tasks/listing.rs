//! `tasks/list`, and which tools work as tasks for whom.

use super::*;

#[tokio::test]
async fn a_user_lists_the_tasks_they_began_and_none_of_others() {
    let (world, plan, server) = one(Era::Legacy);
    let ada = Client::in_session(&world, &plan, &ADA).await;
    let bob = Client::in_session(&world, &plan, &BOB).await;
    // The server's capabilities must be known.
    ada.ask("tools/list", "").await;
    let none = json!({"tasks": []});
    assert_eq!(ada.ask("tasks/list", "").await["result"], none);
    let id = ada.begin().await;
    let listed = ada.text("tasks/list", "").await;
    let own = state("working").replace(THEIRS, &id);
    assert_eq!(
        listed,
        format!(r#"{{"jsonrpc":"2.0","id":"i","result":{{"tasks":[{own}]}}}}"#)
    );
    assert_eq!(server.received("tasks/list").len(), 2, "both pages");
    assert_eq!(bob.ask("tasks/list", "").await["result"], none);
    assert_eq!(server.received("tasks/list").len(), 2);
    let refused = ada.ask("tasks/list", r#""cursor":"2""#).await;
    assert_eq!(refused["error"]["code"], -32602);
}

#[tokio::test]
async fn tasks_of_several_servers_are_one_list_and_a_server_that_fails_is_left_out() {
    let (first, second, old) = (server(Era::Legacy), server(Era::Legacy), Offers::default());
    let broken = FakeServer::new(move |received| match received.method() {
        "tasks/list" => Ok(answer(500, "", FakeBody::of(&[]))),
        _ => (second.handler)(received),
    });
    let old = old.server(Era::Legacy);
    let world = World::new(&[("one", &first), ("two", &broken), ("three", &old)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::in_session(&world, &plan, &ADA).await;
    let mut ids = Vec::new();
    for name in ["one_t", "two_t"] {
        let begun = client
            .ask("tools/call", &format!(r#""name":"{name}","task":{{}}"#))
            .await;
        ids.push(begun["result"]["task"]["taskId"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    let listed = client.ask("tasks/list", "").await;
    let listed = listed["result"]["tasks"].as_array().unwrap();
    let listed: Vec<_> = listed.iter().map(|task| task["taskId"].clone()).collect();
    assert_eq!(listed, ids[..1]);
    assert!(old.received("tasks/list").is_empty());
}

#[tokio::test]
async fn a_server_that_lists_one_task_without_end_is_read_to_a_bound() {
    let well = server(Era::Legacy);
    let endless = FakeServer::new(move |received| match received.method() {
        "tasks/list" => {
            let page = vec![state("working"); 100].join(",");
            let next = received.json["params"]["cursor"].as_str().map_or(0, str::len);
            let next = "x".repeat(next + 1);
            let list = format!(r#"{{"tasks":[{page}],"nextCursor":"{next}"}}"#);
            Ok(reply(received, "result", &list))
        }
        _ => (well.handler)(received),
    });
    let world = World::new(&[("one", &endless)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::in_session(&world, &plan, &ADA).await;
    client.ask("tools/list", "").await;
    client.begin().await;
    let listed = client.ask("tasks/list", "").await;
    assert_eq!(listed["result"]["tasks"].as_array().unwrap().len(), 256);
    assert_eq!(endless.received("tasks/list").len(), 3);
}

#[tokio::test]
async fn a_gateway_without_tasks_has_no_list_of_them() {
    let old = Offers::default().server(Era::Legacy);
    let world = World::new(&[("one", &old)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::in_session(&world, &plan, &ADA).await;
    let refused = client.ask("tasks/list", "").await;
    assert_eq!(refused["error"]["code"], -32601);
}

#[tokio::test]
async fn a_tool_that_works_only_as_a_task_is_offered_to_clients_that_can_ask_for_one() {
    let task = |support: &str| json!({"name": support, "inputSchema": {"type": "object"}, "execution": {"taskSupport": support}});
    let offers = Offers {
        tools: vec![task("required"), task("optional"), tool("t")],
        ..Offers::default()
    };
    let old = offers.server(Era::Legacy);
    let world = World::new(&[("one", &old)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let stateless = Client::stateless(&world, &plan, &ADA);
    let in_session = Client::in_session(&world, &plan, &ADA).await;
    let names = async |client: &Client<'_>| {
        let listed = client.ask("tools/list", "").await;
        let tools = listed["result"]["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&in_session).await, ["required", "optional", "t"]);
    assert_eq!(names(&stateless).await, ["optional", "t"]);
    let refused = stateless.ask("tools/call", r#""name":"required""#).await;
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("works only as a task"), "{why}");
    assert!(old.received("tools/call").is_empty());
    // What its revision does not know is not passed on.
    stateless.ask("tools/call", r#""name":"t","task":{}"#).await;
    assert!(old.received("tools/call")[0].json["params"]["task"].is_null());
}
