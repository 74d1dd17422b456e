//! The extension `io.modelcontextprotocol/tasks` of 2026-07-28.

use super::*;

#[tokio::test]
async fn a_task_is_asked_for_by_the_id_that_its_user_got_and_everything_else_passes() {
    let (world, plan, server) = one(Era::Modern);
    let client = Client::stateless(&world, &plan, &ADA);
    let begun = client.text("tools/call", r#""name":"t""#).await;
    let id = client.begin().await;
    assert_ne!(id, THEIRS);
    let expected = new_task().replace(THEIRS, &id);
    assert_eq!(
        begun,
        format!(r#"{{"jsonrpc":"2.0","result":{expected},"id":"i"}}"#)
    );
    let got = client.text("tasks/get", &format!(r#""taskId":"{id}""#)).await;
    assert_eq!(
        got,
        format!(
            r#"{{"jsonrpc":"2.0","result":{{"resultType":"complete","status":"completed","result":{{"content":[],"user":"ada","_meta":{{"io.modelcontextprotocol/related-task":{{"taskId":"{id}"}}}}}},"taskId":"{id}","x-n":1.50e+3}},"id":"i"}}"#
        )
    );
    let answers = r#""inputResponses":{"k":{"action":"accept","content":{"n":1.50e+3}}}"#;
    let done = client
        .ask("tasks/update", &format!(r#"{answers},"taskId":"{id}""#))
        .await;
    assert_eq!(done["result"], json!({"resultType": "complete"}));
    let update = server.received("tasks/update").remove(0);
    assert_eq!(update.json["params"]["taskId"], THEIRS);
    assert_eq!(
        raw_param(&update, "inputResponses"),
        answers.split_once(':').unwrap().1
    );
    let done = client.about("tasks/cancel", &id).await;
    assert_eq!(done["result"], json!({"resultType": "complete"}));
    assert_eq!(asked(&server), 3);
}

#[tokio::test]
async fn input_that_a_task_asks_for_passes_unchanged_also_in_events() {
    let requests = r#"{ "k":{"method":"elicitation/create","params":{"message":"\u0041?"}} }"#;
    let usual = server(Era::Modern);
    let asks = FakeServer::new(move |received| {
        let id = &received.json["id"];
        let result = match received.method() {
            "tools/call" => new_task(),
            "tasks/get" => format!(
                r#"{{"resultType":"complete","taskId":"{THEIRS}","status":"input_required","inputRequests":{requests}}}"#
            ),
            _ => return (usual.handler)(received),
        };
        let message = event(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        Ok(answer(200, "text/event-stream", FakeBody::of(&[&message])))
    });
    let world = World::new(&[("one", &asks)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::stateless(&world, &plan, &ADA);
    let id = client.begin().await;
    let got = client.text("tasks/get", &format!(r#""taskId":"{id}""#)).await;
    assert_eq!(
        got,
        format!(
            r#"{{"jsonrpc":"2.0","id":"i","result":{{"resultType":"complete","taskId":"{id}","status":"input_required","inputRequests":{requests}}}}}"#
        )
    );
}

#[tokio::test]
async fn two_users_with_one_task_id_at_one_server_never_cross() {
    for era in [Era::Modern, Era::Legacy] {
        let (world, plan, server) = one(era);
        let client = async |user| match era {
            Era::Modern => Client::stateless(&world, &plan, user),
            Era::Legacy => Client::in_session(&world, &plan, user).await,
        };
        let (ada, bob) = (client(&ADA).await, client(&BOB).await);
        let (hers, his) = (ada.begin().await, bob.begin().await);
        assert_ne!(hers, his);
        assert_eq!(hers, ada.begin().await, "one task has one id");
        for (client, own, other) in [(&ada, &hers, &his), (&bob, &his, &hers)] {
            assert!(client.about("tasks/get", own).await["error"].is_null());
            let refused = client.about("tasks/get", other).await;
            assert_eq!(refused["error"]["code"], -32602);
            let why = refused["error"]["message"].as_str().unwrap();
            assert!(why.contains("not issued by this gateway to this user"), "{why}");
        }
        let users: Vec<_> = server.received("tasks/get");
        let users: Vec<_> = users
            .iter()
            .map(|one| one.header("gatewright-assertion"))
            .collect();
        assert_eq!(
            users,
            [Some("ada"), Some("bob")],
            "refused requests reach no server"
        );
    }
}

#[tokio::test]
async fn forged_altered_and_foreign_ids_reach_no_server() {
    for era in [Era::Modern, Era::Legacy] {
        let (mut world, plan, server) = one(era);
        let id = match era {
            Era::Modern => Client::stateless(&world, &plan, &ADA).begin().await,
            Era::Legacy => Client::in_session(&world, &plan, &ADA).await.begin().await,
        };
        let methods: &[&str] = match era {
            Era::Modern => &["tasks/get", "tasks/update", "tasks/cancel"],
            Era::Legacy => &["tasks/get", "tasks/result", "tasks/cancel"],
        };
        let other = GatewayId::generate(world.clock.as_ref(), &SeededEntropy::new(99));
        let last = if id.ends_with('A') { 'B' } else { 'A' };
        let altered = format!("{}{last}", &id[..id.len() - 1]);
        for is_other in [false, true] {
            if is_other {
                world.gateway_id = other;
            }
            let plan = world.plan(IdentityForwarding::Assertion, &[]);
            let client = match era {
                Era::Modern => Client::stateless(&world, &plan, &ADA),
                Era::Legacy => Client::in_session(&world, &plan, &ADA).await,
            };
            let ids: &[&str] = if is_other {
                &[&id]
            } else {
                &[&altered, THEIRS, "", "v1.00000000.AAAA"]
            };
            for (id, method) in ids
                .iter()
                .flat_map(|id| methods.iter().map(move |method| (id, method)))
            {
                let refused = client.about(method, id).await;
                assert_eq!(refused["error"]["code"], -32602, "{method} {id}");
                let why = refused["error"]["message"].as_str().unwrap();
                assert!(why.contains("not issued by this gateway"), "{why}");
            }
            let refused = client.ask(methods[0], "").await;
            let why = refused["error"]["message"].as_str().unwrap();
            assert!(why.starts_with("params.taskId is missing"), "{why}");
        }
        assert_eq!(asked(&server), 0);
    }
}

#[tokio::test]
async fn a_task_of_a_server_that_left_the_gateway_is_not_asked_for() {
    let (one, two) = (server(Era::Modern), server(Era::Modern));
    let world = World::new(&[("one", &one), ("two", &two)]);
    let both = world.plan(IdentityForwarding::None, &[]);
    let client = Client::stateless(&world, &both, &ADA);
    let begun = client.ask("tools/call", r#""name":"two_t""#).await;
    let id = begun["result"]["taskId"].as_str().unwrap().to_owned();
    assert!(client.about("tasks/get", &id).await["error"].is_null());
    assert_eq!((asked(&one), asked(&two)), (0, 1));
    let first = world.plan_of_servers(&[0]);
    let refused = Client::stateless(&world, &first, &ADA)
        .about("tasks/get", &id)
        .await;
    assert_eq!(refused["error"]["code"], -32602);
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("no longer part of this gateway"), "{why}");
    let without_its_tools = world.plan(IdentityForwarding::None, &[(0, "t")]);
    let refused = Client::stateless(&world, &without_its_tools, &ADA)
        .about("tasks/get", &id)
        .await;
    assert_eq!(refused["error"]["code"], -32602);
    assert_eq!((asked(&one), asked(&two)), (0, 1));
}

#[tokio::test]
async fn a_client_that_does_not_declare_tasks_gets_an_error_that_names_the_capability() {
    let (world, plan, server) = one(Era::Modern);
    let id = Client::stateless(&world, &plan, &ADA).begin().await;
    let client = Client {
        declares: r#"{"elicitation":{}}"#,
        ..Client::stateless(&world, &plan, &ADA)
    };
    let response = client.post("tasks/get", &format!(r#""taskId":"{id}""#)).await;
    let (status, text) = read(response).await;
    let refused: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &refused["error"]["code"]), (400, &json!(-32021)));
    assert_eq!(
        refused["error"]["data"],
        json!({"requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}})
    );
    assert_eq!(asked(&server), 0);
}

#[tokio::test]
async fn a_header_that_names_another_task_is_refused() {
    let (world, plan, server) = one(Era::Modern);
    let client = Client::stateless(&world, &plan, &ADA);
    let id = client.begin().await;
    for name in [None, Some("another")] {
        let headers = modern_headers("tasks/get", name);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"i","method":"tasks/get","params":{{"taskId":"{id}","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{FOLLOWS}}}}}}}"#
        );
        let (status, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
        assert_eq!(status, 400);
        assert!(text.contains("-32020"), "{text}");
    }
    assert_eq!(asked(&server), 0);
}

#[tokio::test]
async fn a_task_cannot_be_asked_for_in_another_era_than_its_own() {
    for era in [Era::Modern, Era::Legacy] {
        let (world, plan, server) = one(era);
        let stateless = Client::stateless(&world, &plan, &ADA);
        let in_session = Client::in_session(&world, &plan, &ADA).await;
        let (own, other) = match era {
            Era::Modern => (stateless, in_session),
            Era::Legacy => (in_session, stateless),
        };
        let id = own.begin().await;
        let refused = other.about("tasks/get", &id).await;
        assert_eq!(refused["error"]["code"], -32602);
        let why = refused["error"]["message"].as_str().unwrap();
        assert!(why.contains("a different form"), "{why}");
        assert_eq!(asked(&server), 0);
    }
}

#[tokio::test]
async fn a_client_with_a_session_does_not_get_a_task_that_it_cannot_follow() {
    let (world, plan, server) = one(Era::Modern);
    let client = Client::in_session(&world, &plan, &ADA).await;
    let refused = client.ask("tools/call", r#""name":"t","task":{}"#).await;
    assert_eq!(refused["error"]["code"], -32603);
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("clients with sessions cannot follow"), "{why}");
    let call = server.received("tools/call").remove(0);
    let declared = &call.json["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(declared, &json!({}));
}

#[tokio::test]
async fn a_long_answer_to_a_client_that_follows_tasks_streams_as_any_other() {
    let usual = server(Era::Modern);
    let long = "x".repeat(100_000);
    let text = format!(r#""resultType":"complete","taskId":"own","content":["{long}"]"#);
    let sent = text.clone();
    let (pieces, kept) = std::sync::mpsc::channel();
    let large = FakeServer::new(move |received| {
        if received.method() != "tools/call" {
            return (usual.handler)(received);
        }
        let (sender, body) = FakeBody::open();
        let id = &received.json["id"];
        let begin = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{sent}"#);
        sender.send(Bytes::from(begin)).unwrap();
        pieces.send(sender).unwrap();
        Ok(answer(200, "application/json", body))
    });
    let world = World::new(&[("one", &large)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    // It answers before the server has sent the rest.
    let response = Client::stateless(&world, &plan, &ADA)
        .post("tools/call", r#""name":"t""#)
        .await;
    let sender = kept.recv().unwrap();
    sender.send(Bytes::from_static(b",\"z\":0}}")).unwrap();
    drop(sender);
    let (_, told) = read(response).await;
    assert_eq!(
        told,
        format!(r#"{{"jsonrpc":"2.0","id":"i","result":{{{text},"z":0}}}}"#)
    );
}
