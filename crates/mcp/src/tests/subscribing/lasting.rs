//! What is announced while a client listens, and after.

use rstest::rstest;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn one_stream_of_a_server_that_knows_no_users_serves_all_of_them() {
    let served = Served::new(Era::Modern);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    // The era is known from the first list on.
    drop(listener(&world, always(&plan), &ADA, Era::Legacy, &[ONE]).await);
    let mut streams = Vec::new();
    for user in [&ADA, &BOB] {
        for era in [Era::Modern, Era::Legacy] {
            streams.push((era, listener(&world, always(&plan), user, era, &[ONE]).await));
        }
    }
    let open = {
        let open = served.open.lock().unwrap();
        open.iter()
            .filter(|(uris, pieces)| !pieces.is_closed() && !uris.is_empty())
            .count()
    };
    assert_eq!(open, 1);
    served.update(ONE).await;
    for (era, stream) in &mut streams {
        assert_eq!(next(stream).await.unwrap(), told(*era, ONE));
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_is_no_longer_wanted_is_not_reported(#[values(Era::Modern, Era::Legacy)] of_server: Era) {
    let served = Served::new(of_server);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    let shutdown = CancellationToken::new();
    let mut stream = world.get(always(&plan), &ADA, &headers, &shutdown).into_body();
    for uri in [ONE, TWO] {
        ask(&world, &plan, &ADA, &headers, "resources/subscribe", uri).await;
    }
    for uri in [ONE, "a://never"] {
        let said = ask(&world, &plan, &ADA, &headers, "resources/unsubscribe", uri).await;
        assert_eq!(said["result"], json!({}));
    }
    assert_eq!(next(&mut stream).await, None);
    match of_server {
        Era::Modern => assert_eq!(served.asked(of_server), [TWO]),
        Era::Legacy => {
            let left = served.server.received("resources/unsubscribe");
            assert_eq!(left.len(), 1);
            assert_eq!(left[0].json["params"]["uri"], ONE);
        }
    }
    served.update(ONE).await;
    served.update(TWO).await;
    assert_eq!(next(&mut stream).await.unwrap(), told(Era::Legacy, TWO));
    // With the last who listens the server is left.
    let pieces = served.open.lock().unwrap().last().unwrap().1.clone();
    drop(stream);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(pieces.is_closed());
    assert_eq!(plan.gateway_id, world.gateway_id);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_changes_of_a_resource_is_reported_once_a_second() {
    let served = Served::new(Era::Modern);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let mut stream = listener(&world, always(&plan), &ADA, Era::Modern, &[ONE, TWO]).await;
    let mut told_at = Vec::new();
    for _ in 0..3 {
        for _ in 0..200 {
            served.update(ONE).await;
        }
        assert!(next(&mut stream).await.is_some());
        told_at.push(Instant::now());
    }
    while next(&mut stream).await.is_some() {
        told_at.push(Instant::now());
    }
    assert!(told_at.len() <= 5, "{told_at:?}");
    let is_quiet = |pair: &[Instant]| pair[1] - pair[0] >= Duration::from_secs(1);
    assert!(told_at.windows(2).take(2).all(is_quiet), "{told_at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_its_server_lost_is_requested_again_and_what_was_missed_is_reported() {
    let served = Served::new(Era::Legacy);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let mut stream = listener(&world, always(&plan), &ADA, Era::Legacy, &[ONE]).await;
    served.update(ONE).await;
    assert!(next(&mut stream).await.is_some());
    served.has_restarted.store(true, Ordering::SeqCst);
    served.open.lock().unwrap().clear();
    loop {
        let message = next(&mut stream)
            .await
            .expect("it is told that it may have changed");
        if message == told(Era::Legacy, ONE) {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(served.asked(Era::Legacy), [ONE, ONE]);
    served.update(ONE).await;
    assert_eq!(next(&mut stream).await.unwrap(), told(Era::Legacy, ONE));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_listens_again_learns_that_it_may_have_missed_changes() {
    let served = Served::new(Era::Modern);
    let world = World::new(&[("one", &served.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    // It subscribes before it listens.
    ask(&world, &plan, &ADA, &headers, "resources/subscribe", ONE).await;
    let shutdown = CancellationToken::new();
    let mut first = world.get(always(&plan), &ADA, &headers, &shutdown).into_body();
    assert_eq!(next(&mut first).await, None);
    served.update(ONE).await;
    assert!(next(&mut first).await.is_some());
    drop(first);
    let mut again = world.get(always(&plan), &ADA, &headers, &shutdown).into_body();
    assert_eq!(next(&mut again).await.unwrap(), told(Era::Legacy, ONE));
    assert_eq!(next(&mut again).await, None);
    // Of two streams, one is notified.
    let mut newest = world.get(always(&plan), &ADA, &headers, &shutdown).into_body();
    while next(&mut newest).await.is_some() {}
    while next(&mut again).await.is_some() {}
    served.update(ONE).await;
    assert!(next(&mut newest).await.is_some());
    assert_eq!(next(&mut again).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_subscribes_and_unsubscribes_for_ever_fills_neither_us_nor_the_server() {
    let served = Served::new(Era::Legacy);
    let world = World::new(&[("one", &served.server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let mut refused = 0;
    for number in 0..1_100 {
        let uri = format!("t://{number}");
        let said = ask(&world, &plan, &ADA, &headers, "resources/subscribe", &uri).await;
        refused += usize::from(said["error"].is_object());
        ask(&world, &plan, &ADA, &headers, "resources/unsubscribe", &uri).await;
    }
    assert_eq!(served.server.received("resources/subscribe").len(), 1_024);
    assert_eq!(refused, 1_100 - 1_024);
}

/// A server that keeps no state, lists one resource and reports its changes. From some moment on it refuses sessions.
fn hangs_later(uri: &'static str, hangs: &Arc<AtomicBool>) -> Arc<FakeServer> {
    let usual = Offers {
        capabilities: json!({"tools": {}, "resources": {"subscribe": true}}),
        resources: vec![resource(uri)],
        ..Offers::default()
    }
    .server(Era::Legacy);
    let hangs = Arc::clone(hangs);
    FakeServer::new(move |received| {
        if received.method() == "initialize" {
            if hangs.load(Ordering::SeqCst) {
                // An answer that never comes to its end.
                let (pieces, body) = FakeBody::open();
                std::mem::forget(pieces);
                return Ok(answer(200, "application/json", body));
            }
            let mut begun = (usual.handler)(received)?;
            begun.headers_mut().remove("mcp-session-id");
            return Ok(begun);
        }
        if received.verb == Method::GET {
            let (pieces, body) = FakeBody::open();
            std::mem::forget(pieces);
            return Ok(answer(200, "text/event-stream", body));
        }
        if received.method() == "resources/subscribe" {
            let done = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {}});
            return Ok(json_answer(200, &done.to_string()));
        }
        let mut within = received.clone();
        within.headers.insert("mcp-session-id", "any".parse().unwrap());
        (usual.handler)(&within)
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_delays_the_subscriptions_at_others_by_nothing_and_the_answer_by_seconds() {
    let (hangs, never) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let (one, two) = (hangs_later(ONE, &hangs), hangs_later(TWO, &never));
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    let listed = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}).to_string();
    for method in ["resources/list", "resources/templates/list"] {
        let body = listed.replace("resources/list", method);
        read(world.post(&plan, &ADA, &headers, &body).await).await;
    }
    hangs.store(true, Ordering::SeqCst);
    let filter = json!({"resourceSubscriptions": [ONE, TWO]}).to_string();
    let began = tokio::time::Instant::now();
    let shutdown = CancellationToken::new();
    let mut stream = world
        .subscribe(always(&plan), &ADA, &filter, &shutdown)
        .await
        .into_body();
    assert_eq!(
        next(&mut stream).await.unwrap()["params"]["notifications"],
        json!({"resourceSubscriptions": [TWO]})
    );
    assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(two.received("resources/subscribe").len(), 1);
}
