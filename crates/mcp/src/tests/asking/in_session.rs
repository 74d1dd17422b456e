//! Clients and servers with sessions: what a server asks on the stream of a call, and the answer by POST.

use serde_json::{Value, json};

use super::{EVERYTHING, Fixture, OldServer, User, read};

const QUESTION: &str = r#"{ "jsonrpc":"2.0", "method":"elicitation/create","params":{ "message":"\u0041ge?","requestedSchema":{"type":"object","properties":{"n":{"type":"number"}}}} ,"id": 7}"#;

#[tokio::test]
async fn what_a_server_asks_reaches_the_client_and_the_answer_the_server_byte_for_byte() {
    for question in [
        QUESTION,
        r#"{"jsonrpc":"2.0","method":"elicitation/create","params":{"mode":"url","url":"https://a.example/","elicitationId":"e","message":"m"},"id":"a-1"}"#,
        r#"{"jsonrpc":"2.0","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1.0e2},"id":0}"#,
        r#"{"jsonrpc":"2.0","method":"sampling/createMessage","params":{"messages":[],"tools":[],"maxTokens":1},"id":"t"}"#,
        r#"{"jsonrpc":"2.0","method":"roots/list","id":"7"}"#,
    ] {
        let old = OldServer::new();
        let f = Fixture::new(&old.server);
        let session = f.begin(EVERYTHING).await;
        let mut reader = f.call(&session).await;
        let stream = old.stream();
        stream.send(question);
        let asked = reader.next().await.unwrap();
        let theirs: Value = serde_json::from_str(question).unwrap();
        let ours: Value = serde_json::from_str(&asked).unwrap();
        assert_ne!(ours["id"], theirs["id"]);
        assert_eq!(
            asked.replacen(&ours["id"].to_string(), &theirs["id"].to_string(), 1),
            question
        );
        let answer = format!(
            r#"{{ "jsonrpc":"2.0","id": {},"result":{{ "action":"accept","content":{{"n":1.50e+3}}}} }}"#,
            ours["id"]
        );
        assert_eq!(f.send(&session, &answer).await, 202);
        // The answer is passed on while the client reads on.
        reader.nothing_comes().await;
        let replies = old.replies(1).await;
        assert_eq!(replies.len(), 1);
        let expected = answer.replacen(&ours["id"].to_string(), &theirs["id"].to_string(), 1);
        assert_eq!(std::str::from_utf8(&replies[0].body).unwrap(), expected);
        let call = old.server.received("tools/call").remove(0);
        assert_eq!(replies[0].header("mcp-session-id"), call.header("mcp-session-id"));
        stream.finish(&call.json["id"]);
        let last = reader.json().await;
        assert_eq!(
            (&last["id"], &last["result"]["content"][0]["text"]),
            (&json!("call"), &json!("done"))
        );
        assert_eq!(reader.next().await, None);
    }
}

#[tokio::test]
async fn a_server_learns_what_the_client_declares_of_what_can_be_passed_on() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let declared = r#"{"experimental":{"x":{}},"sampling":{"context":{}, "tools":{}},"roots":{"listChanged":true},"elicitation":{"url":{}}}"#;
    let session = f.begin(declared).await;
    let _reader = f.call(&session).await;
    let begun = old.server.received("initialize");
    let told: Vec<_> = begun
        .iter()
        .map(|one| &one.json["params"]["capabilities"])
        .collect();
    assert_eq!(
        told.last().unwrap(),
        &&json!({"sampling": {"context": {}, "tools": {}}, "roots": {"listChanged": true}, "elicitation": {"url": {}}})
    );
}

#[tokio::test]
async fn only_what_the_client_declares_is_asked_and_the_server_learns_it_immediately() {
    const ELICITATION: &str = r#"{"elicitation":{}}"#;
    for (capabilities, method, params, code) in [
        ("{}", "elicitation/create", r#"{"message":"?"}"#, -32_601),
        ("{}", "roots/list", "{}", -32_601),
        (
            ELICITATION,
            "sampling/createMessage",
            r#"{"messages":[]}"#,
            -32_601,
        ),
        (ELICITATION, "roots/list", "{}", -32_601),
        (ELICITATION, "elicitation/create", r#"{"mode":"url"}"#, -32_602),
        (
            r#"{"sampling":{}}"#,
            "sampling/createMessage",
            r#"{"tools":[]}"#,
            -32_602,
        ),
        (EVERYTHING, "tools/call", "{}", -32_601),
    ] {
        let old = OldServer::new();
        let f = Fixture::new(&old.server);
        let session = f.begin(capabilities).await;
        let mut reader = f.call(&session).await;
        let stream = old.stream();
        stream.send(&format!(
            r#"{{"jsonrpc":"2.0","id":"q","method":"{method}","params":{params}}}"#
        ));
        reader.nothing_comes().await;
        let replies = old.replies(1).await;
        assert_eq!(replies.len(), 1, "{method}");
        assert_eq!(replies[0].json["id"], "q");
        assert_eq!(replies[0].json["error"]["code"], code, "{capabilities} {method}");
        stream.finish(&old.server.received("tools/call")[0].json["id"]);
        assert_eq!(reader.json().await["id"], "call");
    }
}

#[tokio::test]
async fn a_ping_of_a_server_is_answered_by_the_gateway() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    stream.send(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    reader.nothing_comes().await;
    let replies = old.replies(1).await;
    assert_eq!(
        replies[0].json,
        json!({"jsonrpc": "2.0", "id": "p", "result": {}})
    );
}

#[tokio::test]
async fn answers_of_other_sessions_and_users_and_forged_and_replayed_ones_reach_no_server() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let (mine, other) = (f.begin(EVERYTHING).await, f.begin(EVERYTHING).await);
    let bob = User("bob");
    let theirs = f.begin_as(&bob, EVERYTHING).await;
    let mut reader = f.call(&mine).await;
    let stream = old.stream();
    stream.send(QUESTION);
    let id = reader.json().await["id"].to_string();
    let answer = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept"}}}}"#);
    // Another session of the same user, and a session of another user.
    assert_eq!(f.send(&other, &answer(&id)).await, 400);
    let (status, text) = read(f.world.post(&f.plan, &bob, &theirs, &answer(&id)).await).await;
    assert_eq!(status, 400);
    assert!(text.contains("nothing to answer"), "{text}");
    // The session of one user in the hand of another.
    assert_eq!(
        read(f.world.post(&f.plan, &bob, &mine, &answer(&id)).await)
            .await
            .0,
        404
    );
    let forged = format!("{}x\"", id.trim_end_matches('"'));
    for id in [&*forged, "7", "\"7\"", "\"v1.0.AAAA\""] {
        assert_eq!(f.send(&mine, &answer(id)).await, 400, "{id}");
    }
    reader.nothing_comes().await;
    assert_eq!(old.replies(0).await.len(), 0);
    // Its own answer passes, once.
    assert_eq!(f.send(&mine, &answer(&id)).await, 202);
    assert_eq!(f.send(&mine, &answer(&id)).await, 202, "it is ignored");
    reader.nothing_comes().await;
    assert_eq!(old.replies(1).await.len(), 1);
    assert_eq!(old.replies(2).await.len(), 1, "the second reached no one");
}

#[tokio::test]
async fn two_users_with_equal_ids_at_the_server_get_each_their_own_questions() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let bob = User("bob");
    let (ada, bobs) = (f.begin(EVERYTHING).await, f.begin_as(&bob, EVERYTHING).await);
    let mut first = f.call(&ada).await;
    let call = r#"{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"name":"t","arguments":{}}}"#;
    let mut second = super::Reader::new(f.world.post(&f.plan, &bob, &bobs, call).await);
    let (one, two) = (old.stream(), old.stream());
    one.send(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"of":"ada"}}"#);
    two.send(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"of":"bob"}}"#);
    let (to_ada, to_bob) = (first.json().await, second.json().await);
    assert_eq!(
        (&to_ada["params"]["of"], &to_bob["params"]["of"]),
        (&json!("ada"), &json!("bob"))
    );
    let answer = |question: &Value, who: &str| {
        json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": [], "of": who}}).to_string()
    };
    assert_eq!(f.send(&ada, &answer(&to_ada, "ada")).await, 202);
    let posted = f.world.post(&f.plan, &bob, &bobs, &answer(&to_bob, "bob")).await;
    assert_eq!(read(posted).await.0, 202);
    first.nothing_comes().await;
    second.nothing_comes().await;
    for reply in old.replies(2).await {
        // Each was sent within the session of its own user.
        let call = old.server.received("tools/call");
        let of_ada = reply.json["result"]["of"] == "ada";
        let within = call[usize::from(!of_ada)].header("mcp-session-id");
        assert_eq!(reply.header("mcp-session-id"), within);
    }
}

#[tokio::test]
async fn sessions_with_a_server_belong_to_one_session_of_a_client() {
    for capabilities in ["{}", EVERYTHING] {
        let old = OldServer::new();
        let f = Fixture::new(&old.server);
        for _ in 0..2 {
            let session = f.begin(capabilities).await;
            for _ in 0..2 {
                let mut reader = f.call(&session).await;
                old.stream()
                    .finish(&old.server.received("tools/call").last().unwrap().json["id"]);
                assert_eq!(reader.json().await["id"], "call");
            }
        }
        // Its lists are read there too.
        assert_eq!(old.server.received("initialize").len(), 2, "{capabilities}");
        let calls = old.server.received("tools/call");
        let within: Vec<_> = calls.iter().map(|call| call.header("mcp-session-id")).collect();
        assert_eq!(within[0], within[1]);
        assert_ne!(within[1], within[2]);
    }
}

#[tokio::test]
async fn a_call_has_so_many_questions_open_and_no_more() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    for id in 0..17 {
        stream.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#));
    }
    for _ in 0..16 {
        assert_eq!(reader.json().await["method"], "roots/list");
    }
    reader.nothing_comes().await;
    let replies = old.replies(1).await;
    assert_eq!((replies.len(), &replies[0].json["id"]), (1, &json!(16)));
    assert!(
        replies[0].json["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Too many")
    );
}
