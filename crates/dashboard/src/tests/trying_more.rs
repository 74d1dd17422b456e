//! Getting a prompt and reading a resource from their pages.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::trying::Place;

/// The requests of a method that the server got, and what it received about who makes them.
fn received(place: &Place, method: &str) -> Vec<(Value, Value)> {
    let received = place.upstream.received.lock().unwrap();
    let of_method = received.iter().filter(|(_, message)| message["method"] == method);
    of_method
        .map(|(headers, message)| {
            let token = headers["gatewright-assertion"].to_str().unwrap();
            let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            (
                message["params"].clone(),
                serde_json::from_slice(&payload).unwrap(),
            )
        })
        .collect()
}

async fn place() -> Place {
    let place = Place::new("user_source").await;
    place.upstream.has_more();
    place
}

#[tokio::test]
async fn a_prompt_is_found_filled_in_and_its_messages_are_shown() {
    let mut place = place().await;
    let prompts = format!("{}-prompts", place.tools);
    let list = place.ada.get(&prompts).await.expect(200);
    assert!(list.has(">ask</a>") && list.has("1 prompt<") && list.has("aria-current=\"page\">Prompts"));
    let path = format!("{prompts}/ask");
    let form = place.ada.get(&path).await.expect(200);
    assert!(form.has("name=\"argument:/topic\"") && form.has("required"));
    assert!(form.has("The &#60;b&#62; topic") && !form.has("<b> topic"));

    let missing = place
        .ada
        .post(&path, &[("as", ""), ("do", "get")])
        .await
        .expect(422);
    assert!(missing.has("This is required."));
    assert_eq!(received(&place, "prompts/get").len(), 0);

    let user = place.user("grace").await;
    let found = [
        ("argument:/topic", "kept"),
        ("as", ""),
        ("who", "grac"),
        ("do", "find"),
    ];
    let found = place.ada.post(&path, &found).await.expect(200);
    assert!(found.has(&user) && found.has("kept</textarea>"));
    assert_eq!(
        received(&place, "prompts/get").len(),
        0,
        "searching asks for nothing"
    );

    let fields = [
        ("argument:/topic", "<i>bees</i>"),
        ("as", user.as_str()),
        ("do", "get"),
    ];
    let result = place.ada.post(&path, &fields).await.expect(200);
    assert!(
        result.has("<h3 class=\"part\"><bdi>user</bdi></h3>")
            && result.has("<pre class=\"output\" tabindex=\"0\">got</pre>")
    );
    assert!(result.has("class=\"marked\"><dt><code>act</code>") && !result.has("<i>bees"));
    let asked = received(&place, "prompts/get");
    assert_eq!(asked[0].0["arguments"], json!({"topic": "<i>bees</i>"}));
    assert_eq!(asked[0].1["sub"], json!(user));
    let audit = place
        .ada
        .get(&format!("{}/audit", place.project))
        .await
        .expect(200);
    assert!(audit.has("gateway.prompt_tried") && !audit.has("bees"));
    place.ada.get(&format!("{prompts}/unknown")).await.expect(404);
}

#[tokio::test]
async fn a_resource_is_read_and_nothing_in_it_runs() {
    let mut place = place().await;
    let resources = format!("{}-resources", place.tools);
    let list = place.ada.get(&resources).await.expect(200);
    assert!(list.has(">me://inbox</a>") && list.has(">you://{box}</a>") && list.has("2 resources<"));
    assert!(list.has("read?uri=me%3A%2F%2Finbox") && list.has("read?template=you%3A%2F%2F%7Bbox%7D"));
    let path = format!("{resources}/read");
    let form = place
        .ada
        .get(&format!("{path}?uri=me%3A%2F%2Finbox"))
        .await
        .expect(200);
    assert!(form.has("value=\"me://inbox\"") && form.has("<strong>inbox</strong>"));

    let fields = [("uri", "me://inbox"), ("as", ""), ("do", "read")];
    let result = place.ada.post(&path, &fields).await.expect(200);
    assert!(result.has("&#60;script&#62;alert(1)&#60;/script&#62;") && !result.has("<script>alert"));
    assert!(result.has("<img class=\"output\" src=\"data:image/png;base64,iVBORw0KGgo=\""));
    assert!(result.has("download=\"report.pdf\"") && result.has("data:application/octet-stream;base64,AAEC"));
    let policy = result.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("img-src 'self' data:;") && policy.contains("script-src 'self';"),
        "{policy}"
    );
    assert_eq!(received(&place, "resources/read")[0].0["uri"], "me://inbox");
    let audit = place
        .ada
        .get(&format!("{}/audit", place.project))
        .await
        .expect(200);
    assert!(audit.has("gateway.resource_tried") && audit.has("me://inbox"));
}

#[tokio::test]
async fn a_template_is_filled_in_and_what_is_not_offered_is_refused() {
    let mut place = place().await;
    let path = format!("{}-resources/read", place.tools);
    let form = place
        .ada
        .get(&format!("{path}?template=you%3A%2F%2F%7Bbox%7D"))
        .await
        .expect(200);
    assert!(form.has("name=\"argument:/box\"") && form.has("name=\"template\" value=\"you://{box}\""));
    let fields = [
        ("template", "you://{box}"),
        ("argument:/box", "a b/c"),
        ("as", ""),
        ("do", "read"),
    ];
    let result = place.ada.post(&path, &fields).await.expect(200);
    assert!(result.has("<bdi>you://a%20b%2Fc</bdi>") && result.has("a b/c</textarea>"));
    assert_eq!(received(&place, "resources/read")[0].0["uri"], "you://a%20b%2Fc");

    // A template that is not the gateway's leads no further than its URIs.
    let fields = [
        ("template", "other://{x}"),
        ("argument:/x", "1"),
        ("as", ""),
        ("do", "read"),
    ];
    let refused = place.ada.post(&path, &fields).await.expect(200);
    assert!(refused.has("Resource not found") && refused.has("No server was called."));
    assert_eq!(received(&place, "resources/read").len(), 1);
    // Text that is not a template is taken as a URI to be completed.
    let odd = place
        .ada
        .get(&format!("{path}?template=x%3A%2F%2F%7B%22"))
        .await
        .expect(200);
    assert!(odd.has("name=\"uri\" value=\"x://{&#34;\""));
    let empty = place
        .ada
        .post(&path, &[("uri", ""), ("do", "read")])
        .await
        .expect(422);
    assert!(empty.has("Enter the URI of a resource"));
}

#[tokio::test]
async fn what_a_server_reports_before_it_answers_is_shown() {
    let mut place = place().await;
    place.upstream.reports();
    let path = format!("{}/tell", place.tools);
    let result = place
        .ada
        .post(&path, &[("as", ""), ("do", "call")])
        .await
        .expect(200);
    assert!(result.has("What the server reported before it answered"));
    assert!(
        result.has("1 of 2: Half &#60;b&#62;") && result.has("[info] still here"),
        "{}",
        result.body
    );
    assert!(result.has(">told</pre>"));
}
