//! Servers that ask something before they continue, on the pages of *Try*.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    bench::{Answer, PASSWORD},
    trying::Place,
};

/// A result that asks for input.
fn asks(requests: &Value) -> Value {
    json!({"resultType": "input_required", "inputRequests": requests, "requestState": "canary-state"})
}

/// A form with a name and an age.
fn form() -> Value {
    json!({"who": {"method": "elicitation/create", "params": {
    "message": "Who </p><script>alert(1)</script>?",
    "requestedSchema": {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "title": "Your <i>name</i>", "minLength": 2, "default": "\"><b>"},
        "age": {"type": "integer", "minimum": 18},
        "colour": {"type": "string", "oneOf": [{"const": "#f00", "title": "Red"}, {"const": "#0f0", "title": "Green"}]},
    }}}}})
}

fn waiting(page: &Answer) -> String {
    page.between("name=\"waiting\" value=\"", "\"")
}

/// The parameters of the requests of a method that the server got.
fn received(place: &Place, method: &str) -> Vec<Value> {
    let received = place.upstream.received.lock().unwrap();
    let of_method = received.iter().filter(|(_, message)| message["method"] == method);
    of_method.map(|(_, message)| message["params"].clone()).collect()
}

/// A place whose server has asked, and the page of its question.
async fn asked(requests: &Value) -> (Place, String, Answer) {
    let mut place = Place::new("user_source").await;
    place.upstream.answer_next(asks(requests));
    let path = format!("{}/tell", place.tools);
    let fields = [
        ("argument:/text", "kept"),
        ("log-level", "debug"),
        ("as", ""),
        ("do", "call"),
    ];
    let page = place.ada.post(&path, &fields).await.expect(200);
    (place, path, page)
}

#[tokio::test]
async fn a_question_is_shown_answered_and_asked_again_until_there_is_a_result() {
    let (mut place, path, page) = asked(&form()).await;
    assert!(page.has("The server asks") && page.has("Needs an answer") && page.has(">told</span>"));
    assert!(
        page.has("Who &#60;/p&#62;&#60;script&#62;alert(1)&#60;/script&#62;?") && !page.has("<script>alert")
    );
    assert!(page.has("Your &#60;i&#62;name&#60;/i&#62;") && page.has("value=\"&#34;&#62;&#60;b&#62;\""));
    assert!(page.has("<option value=\"&#34;#f00&#34;\">Red</option>"));
    let first = page.between("name=\"argument:/1/age\"", ">");
    assert!(
        first.contains("autofocus"),
        "the cursor goes to the first field: {first}"
    );
    assert!(!page.has("canary-state"), "the state of a server is sealed");

    place.upstream.answer_next(asks(&json!({"sure": {"method": "elicitation/create", "params": {
        "message": "Sure?", "mode": "form", "requestedSchema": {"type": "object", "properties": {"yes": {"type": "boolean"}}}}}})));
    let sealed = waiting(&page);
    let fields = [
        ("waiting", sealed.as_str()),
        ("argument:/1/name", "canary-answer"),
        ("argument:/1/age", "36"),
        ("argument:/1/colour", "\"#0f0\""),
        ("do", "accept"),
    ];
    let second = place.ada.post(&path, &fields).await.expect(200);
    assert!(second.has("Sure?") && second.has("Round 2") && second.has("kept</textarea>"));
    let sealed = waiting(&second);
    let fields = [
        ("waiting", sealed.as_str()),
        ("argument:/1/yes", "true"),
        ("do", "accept"),
    ];
    let result = place.ada.post(&path, &fields).await.expect(200);
    assert!(result.has(">told</pre>") && result.has("<dt><code>sub</code>"));

    let calls = received(&place, "tools/call");
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!(call["arguments"], json!({"text": "kept"}));
        assert_eq!(call["_meta"]["io.modelcontextprotocol/logLevel"], "debug");
        assert_eq!(
            call["_meta"]["io.modelcontextprotocol/clientCapabilities"],
            json!({"elicitation": {"form": {}, "url": {}}})
        );
    }
    let content = json!({"name": "canary-answer", "age": 36, "colour": "#0f0"});
    assert_eq!(calls[0].get("inputResponses"), None);
    assert_eq!(
        calls[1]["inputResponses"],
        json!({"who": {"action": "accept", "content": content}})
    );
    assert_eq!(
        calls[2]["inputResponses"],
        json!({"sure": {"action": "accept", "content": {"yes": true}}})
    );
    assert_eq!(
        (&calls[1]["requestState"], &calls[2]["requestState"]),
        (&json!("canary-state"), &json!("canary-state"))
    );

    let events = format!("{}/audit-events?action=gateway.tool_tried", place.project);
    let events = place
        .ada
        .api("GET", &format!("/api/v1{events}"), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        events.body.matches("\"tool_tried\"").count() + events.body.matches("gateway.tool_tried").count(),
        3
    );
    assert!(
        events.has("accept") && !events.has("canary-answer"),
        "{}",
        events.body
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_shown_at_its_field_and_the_server_receives_nothing() {
    let (mut place, path, page) = asked(&form()).await;
    let sealed = waiting(&page);
    for (name, age, colour, says) in [
        ("", "36", "", "This is required."),
        ("A", "36", "", "This needs at least 2 characters."),
        ("Ada", "17", "", "This must be at least 18."),
        ("Ada", "old", "", "“old” is not a whole number."),
    ] {
        let fields = [
            ("waiting", sealed.as_str()),
            ("argument:/1/name", name),
            ("argument:/1/age", age),
            ("argument:/1/colour", colour),
            ("do", "accept"),
        ];
        let refused = place.ada.post(&path, &fields).await.expect(422);
        assert!(refused.has(says), "{says}: {}", refused.body);
        assert!(refused.has("aria-invalid=\"true\"") && refused.has(&format!("value=\"{age}\"")));
        assert_eq!(waiting(&refused), sealed, "it can be answered again");
    }
    assert_eq!(received(&place, "tools/call").len(), 1);
    let fields = [
        ("waiting", sealed.as_str()),
        ("argument:/1/name", "Ada"),
        ("do", "accept"),
    ];
    place.ada.post(&path, &fields).await.expect(200);
    assert_eq!(received(&place, "tools/call").len(), 2);
}

#[tokio::test]
async fn a_question_is_declined_and_dismissed_without_what_was_entered() {
    for action in ["decline", "cancel"] {
        let (mut place, path, page) = asked(&form()).await;
        let sealed = waiting(&page);
        let fields = [
            ("waiting", sealed.as_str()),
            ("argument:/1/name", "canary"),
            ("do", action),
        ];
        let result = place.ada.post(&path, &fields).await.expect(200);
        assert!(result.has(">told</pre>"));
        let calls = received(&place, "tools/call");
        assert_eq!(calls[1]["inputResponses"], json!({"who": {"action": action}}));
    }
}

#[tokio::test]
async fn a_question_is_answered_only_in_its_place_by_its_person_and_in_time() {
    let (mut place, path, page) = asked(&form()).await;
    place.upstream.has_more();
    let sealed = waiting(&page);
    let answer = |sealed: &str| {
        [
            ("waiting", sealed.to_owned()),
            ("argument:/1/name", "Ada".to_owned()),
            ("do", "accept".to_owned()),
        ]
    };
    let asked = received(&place, "tools/call").len();
    let not_here = "This question was not asked here in this session";

    // Another session of the same account, another administrator, and a text that was changed.
    let mut again = place.bench.browser();
    again
        .post(
            "/sign-in",
            &[("email", "ada@example.com"), ("password", PASSWORD)],
        )
        .await
        .expect(303);
    let mut grace = place
        .bench
        .member(&mut place.ada, &place.project, "grace@example.com", "admin")
        .await;
    let changed = sealed.replacen("v1.", "v1.x", 1);
    for (browser, sealed) in [
        (&mut again, &sealed),
        (&mut grace, &sealed),
        (&mut place.ada, &changed),
    ] {
        let fields = answer(sealed);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let refused = browser.post(&path, &fields).await.expect(422);
        assert!(refused.has(not_here), "{}", refused.body);
    }
    // Another gateway of the project, and another page of this one.
    let other = json!({"name": "Other", "authentication_mode": "project_members"});
    let other = place
        .ada
        .create(&format!("{}/gateways", place.project), other)
        .await;
    let fields = answer(&sealed);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let elsewhere = format!("{}/gateways/{other}/try/tell", place.project);
    assert!(
        place
            .ada
            .post(&elsewhere, &fields)
            .await
            .expect(422)
            .has(not_here)
    );
    let prompt = format!("{}-resources/read", place.tools);
    let refused = place.ada.post(&prompt, &fields).await.expect(422);
    assert!(refused.has("This question belongs to another page"));
    // Too late. A change shows that the configuration in memory is still the present one.
    place.bench.test.clock.advance(Duration::from_hours(1));
    let later = json!({"name": "Later", "authentication_mode": "project_members"});
    place
        .ada
        .create(&format!("{}/gateways", place.project), later)
        .await;
    let refused = place.ada.post(&path, &fields).await.expect(422);
    assert!(refused.has("This question has expired"), "{}", refused.body);
    assert_eq!(
        received(&place, "tools/call").len(),
        asked,
        "the server heard nothing"
    );
}

#[tokio::test]
async fn a_url_is_shown_whole_and_opened_only_by_a_click_in_a_new_tab() {
    let question = |url: &str| {
        json!({"open": {"method": "elicitation/create", "params": {
            "mode": "url", "message": "Sign in there", "url": url, "elicitationId": "1"}}})
    };
    let url = "https://login.example.com/a?b=%3Cc%3E&d=\"e";
    let (mut place, path, page) = asked(&question(url)).await;
    let shown = "https://login.example.com/a?b=%3Cc%3E&#38;d=&#34;e";
    assert!(page.has(&format!("tabindex=\"0\">{shown}</pre>")) && page.has("<bdi>login.example.com</bdi>"));
    let link = page.between(&format!("href=\"{shown}\""), ">");
    assert!(
        link.contains("target=\"_blank\"") && link.contains("rel=\"noopener noreferrer\""),
        "{link}"
    );
    assert!(!page.has("<meta http-equiv") && !page.has("<iframe"));
    let sealed = waiting(&page);
    let fields = [("waiting", sealed.as_str()), ("do", "accept")];
    place.ada.post(&path, &fields).await.expect(200);
    let calls = received(&place, "tools/call");
    assert_eq!(calls[1]["inputResponses"], json!({"open": {"action": "accept"}}));

    for url in [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "https://bank.example@evil.example/",
        "https://evil.example/\u{0a}x",
        "//evil.example",
        "",
    ] {
        let (_, _, page) = asked(&question(url)).await;
        assert!(
            page.has("does not open this one") && !page.has("target=\"_blank\""),
            "{url}"
        );
        assert!(!page.has("href=\"javascript"));
    }
}

#[tokio::test]
async fn several_questions_are_answered_together_each_in_its_own_way() {
    let both = json!({
        "b": form()["who"],
        "a": {"method": "elicitation/create", "params": {"mode": "url", "message": "Open", "url": "https://x.example/"}}});
    let (mut place, path, page) = asked(&both).await;
    assert!(page.has("Question 1 of 2") && page.has("name=\"action:2\""));
    let sealed = waiting(&page);
    let name = if page.has("name=\"argument:/1/name\"") {
        "1"
    } else {
        "2"
    };
    let (field, other) = (
        format!("argument:/{name}/name"),
        format!("action:{}", if name == "1" { 2 } else { 1 }),
    );
    let fields = [
        ("waiting", sealed.as_str()),
        (&field, "Ada"),
        (&other, "decline"),
        ("do", "accept"),
    ];
    place.ada.post(&path, &fields).await.expect(200);
    let calls = received(&place, "tools/call");
    assert_eq!(
        calls[1]["inputResponses"],
        json!({"a": {"action": "decline"}, "b": {"action": "accept", "content": {"name": "Ada"}}})
    );
}

#[tokio::test]
async fn what_cannot_be_answered_here_is_said_and_a_hostile_question_is_bounded() {
    let sampling = json!({"m": {"method": "sampling/createMessage", "params": {"messages": []}}});
    let (_, _, page) = asked(&sampling).await;
    assert!(page.has("<bdi>sampling/createMessage</bdi>") && page.has("it has no model and no folders"));
    assert!(!page.has("value=\"accept\""));

    let many: serde_json::Map<_, _> = (0..17).map(|n| (n.to_string(), form()["who"].clone())).collect();
    let (_, _, page) = asked(&json!(many)).await;
    assert!(
        page.has("in a form that cannot be read, or for too much at once") && !page.has("value=\"accept\"")
    );

    let huge = json!({"h": {"method": "elicitation/create", "params": {"message": "x".repeat(300_000), "requestedSchema": {}}}});
    let (_, _, page) = asked(&huge).await;
    assert!(
        page.has("too large to be answered here") && page.has("(cut here)") && !page.has("value=\"accept\"")
    );

    // A state without a question asks to be called again.
    let mut place = Place::new("user_source").await;
    place
        .upstream
        .answer_next(json!({"resultType": "input_required", "requestState": "later"}));
    let path = format!("{}/tell", place.tools);
    let page = place
        .ada
        .post(&path, &[("as", ""), ("do", "call")])
        .await
        .expect(200);
    assert!(page.has("The server only asks to be called again") && !page.has("value=\"decline\""));
    let sealed = waiting(&page);
    place
        .ada
        .post(&path, &[("waiting", &sealed), ("do", "accept")])
        .await
        .expect(200);
    let calls = received(&place, "tools/call");
    assert_eq!(
        (calls[1].get("inputResponses"), &calls[1]["requestState"]),
        (None, &json!("later"))
    );
}

#[tokio::test]
async fn prompts_and_resources_ask_too_and_continue_for_the_same_user() {
    let mut place = Place::new("user_source").await;
    place.upstream.has_more();
    let user = place.user("grace").await;
    for (path, first, method, shows) in [
        (
            "-prompts/ask",
            ("argument:/topic", "bees"),
            "prompts/get",
            ">got</pre>",
        ),
        (
            "-resources/read",
            ("uri", "me://inbox"),
            "resources/read",
            "Read: ",
        ),
    ] {
        let path = format!("{}{path}", place.tools);
        place.upstream.answer_next(asks(&form()));
        let fields = [first, ("as", user.as_str()), ("do", "run")];
        let page = place.ada.post(&path, &fields).await.expect(200);
        assert!(page.has("The server asks") && page.has(&format!("value=\"{user}\" checked")));
        let sealed = waiting(&page);
        // A resource is named beside the answer.
        let fields = [
            first,
            ("waiting", sealed.as_str()),
            ("argument:/1/name", "Ada"),
            ("as", ""),
            ("do", "accept"),
        ];
        let result = place.ada.post(&path, &fields).await.expect(200);
        assert!(
            result.has(shows) && result.has("class=\"marked\"><dt><code>act</code>"),
            "{}",
            result.body
        );
        let asked = received(&place, method);
        assert_eq!(asked.len(), 2);
        assert_eq!(
            asked[1]["inputResponses"]["who"]["content"],
            json!({"name": "Ada"})
        );
    }
}
