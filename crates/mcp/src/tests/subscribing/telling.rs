//! Which clients are notified of which resources.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test(start_paused = true)]
async fn clients_of_both_eras_are_notified_by_servers_of_both_when_a_resource_changes(
    #[values(Era::Modern, Era::Legacy)] of_server: Era,
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let served = Served::new(of_server);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let mut stream = listener(&world, always(&plan), &ADA, of_client, &[ONE, "t://x"]).await;
    let mut asked = served.asked(of_server);
    asked.sort();
    assert_eq!(asked, [ONE, "t://x"]);
    served.update(ONE).await;
    assert_eq!(next(&mut stream).await.unwrap(), told(of_client, ONE));
    // A part of it has changed, and so has it.
    served.update("t://x/part").await;
    assert_eq!(next(&mut stream).await.unwrap(), told(of_client, "t://x"));
    served.update(TWO).await;
    assert_eq!(next(&mut stream).await, None, "it is not told of others");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn only_subscribers_of_a_resource_are_notified(#[values(Era::Modern, Era::Legacy)] of_server: Era) {
    for of_client in [Era::Modern, Era::Legacy] {
        let served = Served::new(of_server);
        let world = World::new(&[("one", &served.server)]);
        let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
        let mut one = listener(&world, always(&plan), &ADA, of_client, &[ONE]).await;
        let mut other = listener(&world, always(&plan), &ADA, of_client, &[TWO]).await;
        served.update_on_all(ONE, 1).await;
        assert_eq!(next(&mut one).await.unwrap(), told(of_client, ONE));
        assert_eq!(next(&mut other).await, None);
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_a_server_reports_to_one_user_about_a_resource_does_not_reach_others(
    #[values(Era::Modern, Era::Legacy)] era: Era,
) {
    let served = Served::new(era);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::Assertion, &[]));
    let mut of_ada = listener(&world, always(&plan), &ADA, Era::Legacy, &[ONE]).await;
    let mut of_bob = listener(&world, always(&plan), &BOB, Era::Legacy, &[ONE]).await;
    served.update(ONE).await;
    assert!(next(&mut of_bob).await.is_some());
    assert_eq!(next(&mut of_ada).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_not_offered_is_not_reported() {
    let served = Served::new(Era::Modern);
    let world = World::new(&[("one", &served.server)]);
    let of =
        |items: &[(usize, &str)]| world.plan_of(IdentityForwarding::None, Choice::All, world.choice(items));
    let now = Arc::new(Mutex::new(Arc::new(of(&[(0, ONE)]))));
    let current = Arc::clone(&now);
    let plan_now = move || Some(Arc::clone(&current.lock().unwrap()));
    let plan = plan_now().unwrap();
    let headers = world.begin(&plan, &ADA).await;
    let refused = ask(&world, &plan, &ADA, &headers, "resources/subscribe", TWO).await;
    let unknown = ask(&world, &plan, &ADA, &headers, "resources/subscribe", "a://dir/x").await;
    assert_eq!(refused["error"]["code"], unknown["error"]["code"]);
    assert_eq!(refused["error"]["message"], unknown["error"]["message"]);
    // A stateless client learns which of its subscriptions were accepted.
    let filter = json!({"resourceSubscriptions": [ONE, TWO, "t://x"]}).to_string();
    let shutdown = CancellationToken::new();
    let mut stream = world
        .subscribe(plan_now.clone(), &ADA, &filter, &shutdown)
        .await
        .into_body();
    assert_eq!(
        next(&mut stream).await.unwrap()["params"]["notifications"],
        json!({ "resourceSubscriptions": [ONE] })
    );
    let mut session = listener(&world, plan_now, &ADA, Era::Legacy, &[ONE]).await;
    served.update(ONE).await;
    assert!(next(&mut stream).await.is_some() && next(&mut session).await.is_some());
    // It is taken out of the gateway while they listen.
    *now.lock().unwrap() = Arc::new(of(&[(0, TWO)]));
    drop(plan);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(next(&mut stream).await, None);
    while next(&mut session).await.is_some() {}
    assert_eq!(
        served.asked(Era::Modern),
        [""; 0],
        "its server is asked no longer"
    );
    served.update(ONE).await;
    assert_eq!(next(&mut stream).await, None);
    assert_eq!(next(&mut session).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_reported_on_the_stream_of_a_call_reaches_listeners() {
    let served = Served::new(Era::Legacy);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    let shutdown = CancellationToken::new();
    let mut of_ada = world.get(always(&plan), &ADA, &headers, &shutdown).into_body();
    ask(&world, &plan, &ADA, &headers, "resources/subscribe", ONE).await;
    let mut of_another = listener(&world, always(&plan), &ADA, Era::Legacy, &[ONE]).await;
    let mut of_bob = listener(&world, always(&plan), &BOB, Era::Legacy, &[ONE]).await;
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#;
    let (_, text) = read(world.post(&plan, &ADA, &headers, call).await).await;
    assert_eq!(
        crate::testing::net::events(&text).len(),
        1,
        "not on the call: {text}"
    );
    assert_eq!(next(&mut of_ada).await.unwrap(), told(Era::Legacy, ONE));
    assert_eq!(
        next(&mut of_another).await,
        None,
        "it was told in another conversation"
    );
    assert_eq!(next(&mut of_bob).await, None, "it was told to another user");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_report_changes_is_not_asked() {
    for (capabilities, declares) in [
        (json!({"tools": {}, "resources": {"subscribe": true}}), true),
        (json!({"tools": {}, "resources": {}}), false),
    ] {
        let server = Offers {
            capabilities,
            resources: vec![resource(ONE)],
            ..Offers::default()
        }
        .server(Era::Legacy);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
        let headers = crate::testing::net::legacy_headers(None);
        let (_, text) = read(world.post(&plan, &ADA, &headers, body).await).await;
        assert_eq!(text.contains(r#""subscribe":true"#), declares, "{text}");
        let headers = world.begin(&plan, &ADA).await;
        let said = ask(&world, &plan, &ADA, &headers, "resources/subscribe", ONE).await;
        assert_eq!(
            server.received("resources/subscribe").len(),
            usize::from(declares)
        );
        let message = said["error"]["message"].as_str().unwrap();
        let says = if declares {
            "refused to report"
        } else {
            "does not report"
        };
        assert!(message.contains(says), "{message}");
        assert_eq!(said["error"]["code"], -32601);
    }
}

#[tokio::test]
async fn a_subscription_to_resources_must_list_them() {
    let served = Served::new(Era::Modern);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let many: Vec<_> = (0..300).map(|number| format!("a://{number}")).collect();
    for (resources, says) in [
        (json!("a://b"), "must be a list of URIs"),
        (json!([1]), "must be a list of URIs"),
        (json!(many), "lists 300 resources; at most 256"),
    ] {
        let filter = json!({ "resourceSubscriptions": resources }).to_string();
        let shutdown = CancellationToken::new();
        let answer = world.subscribe(always(&plan), &ADA, &filter, &shutdown).await;
        let (_, text) = read(answer).await;
        assert!(text.contains(says), "{text}");
    }
}
