//! What pages say before a button is tried: how much goes, also of what sleeps, in singular and plural; and that a form
//! which was refused can be loaded again.

use serde_json::json;

use super::{bench::Bench, people::People, user_source_world::unchecked};

#[tokio::test]
async fn sessions_that_sleep_are_counted_wherever_they_would_end() {
    let mut people = People::new().await;
    let user = people.user("grace", "Grace Hopper").await;
    people.session(user, "Claude").await;
    people.session(user, "Cursor").await;
    let project = people.project.clone();
    let source = format!("{project}/user-sources/{}", people.source);
    let gateway = format!("{project}/gateways/{}", people.gateway);
    let person = format!("{project}/users/{user}");
    let ada = &mut people.ada;
    assert!(ada.get(&gateway).await.has("1 user, 2 sessions"));
    assert!(ada.get(&person).await.has("2 sessions at 1 gateway<"));
    ada.post(&format!("{gateway}/status"), &[("status", "inactive")])
        .await
        .expect(303);

    let page = ada.get(&gateway).await.expect(200);
    assert!(page.has("Paused until it is active again: 1 user, 2 sessions"));
    let page = ada.get(&format!("{gateway}/delete")).await.expect(200);
    assert!(page.has("<strong>2</strong> sessions (2 paused)") && page.has("<strong>1</strong> user who is"));
    let page = ada.get(&source).await.expect(200);
    assert!(page.has("<strong>0</strong><span>Live sessions, 2 paused</span>"));
    let page = ada.get(&format!("{source}/delete")).await.expect(200);
    assert!(page.has("<strong>2</strong> sessions (2 paused)"));
    let page = ada.get(&format!("{source}/edit")).await.expect(200);
    assert!(
        page.has("1 gateway, 1 user and 2 sessions (all paused) are affected"),
        "{}",
        page.body
    );
    let page = ada.get(&person).await.expect(200);
    assert!(page.has("2 sessions at 1 gateway (2 paused)") && page.has("Not listed: 2 sessions, paused"));
    let page = ada.get(&format!("{project}/settings")).await.expect(200);
    assert!(page.has("<strong>2</strong> sessions (2 paused)") && page.has("<strong>1</strong> gateway<"));

    // A change of the inactive gateway that ends them is asked about all the same.
    let form = ada.get(&format!("{gateway}/edit")).await.expect(200);
    let version = form.between("name=\"version\" value=\"", "\"");
    let slug = form.between("name=\"slug\" value=\"", "\"");
    let fields = [
        ("version", version.as_str()),
        ("name", "Support agents"),
        ("slug", &slug),
        ("authentication_mode", "headers"),
        ("access_token_seconds", "3600"),
        ("grant_idle_seconds", "2592000"),
        ("grant_max_seconds", "7776000"),
    ];
    let asked = ada.post(&format!("{gateway}/edit"), &fields).await.expect(200);
    assert!(asked.has("Change it and end 2 sessions") && asked.has("This ends 2 sessions (all paused)"));
}

#[tokio::test]
async fn what_is_useless_without_a_gateway_is_shown_before_it_is_deleted() {
    let mut people = People::new().await;
    let gateway = format!("{}/gateways/{}", people.project, people.gateway);
    let delete = format!("{gateway}/delete");
    let page = people.ada.get(&delete).await.expect(200);
    assert!(!page.has("registered client") && !page.has("nothing else"));
    let client = [
        ("name", "Batch"),
        ("redirect_uris", "https://app.example/cb"),
        ("token_endpoint_auth_method", "none"),
    ];
    people
        .ada
        .post(&format!("{gateway}/clients"), &client)
        .await
        .expect(200);
    let key = json!({"name": "bound", "role": "gateway", "gateway_id": people.gateway});
    people
        .ada
        .create(&format!("{}/api-keys", people.project), key)
        .await;
    let page = people.ada.get(&delete).await.expect(200);
    assert!(page.has("<strong>1</strong> registered client<"));
    assert!(page.has("<strong>1</strong> API key that opens nothing else"));
}

#[tokio::test]
async fn one_is_singular_on_the_overview_too() {
    let mut people = People::new().await;
    let overview = people.ada.get(&people.project.clone()).await.expect(200);
    for (count, word) in [
        (1, "Gateway"),
        (1, "User Source"),
        (0, "Servers"),
        (0, "Users"),
        (1, "Member"),
    ] {
        let tile = format!("<strong>{count}</strong><span>{word}</span>");
        assert!(overview.has(&tile), "{tile}: {}", overview.body);
    }
}

#[tokio::test]
async fn a_form_that_was_refused_can_be_loaded_again() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let fields = unchecked("Okta", "https://login.example.com");
    let source = ada
        .post(&format!("{project}/user-sources/new"), &fields)
        .await
        .expect(303)
        .location();
    let gateway = bench.gateway(&source, "Support").await;
    let gateway = format!("{project}/gateways/{gateway}");
    // When the form is refused, the page is at the address of the form. Loaded again, it is the page without the refusal.
    let status = format!("{source}/status");
    ada.post(&status, &[("status", "inactive")]).await.expect(422);
    assert_eq!(ada.get(&status).await.expect(303).location(), source);
    ada.get(&source).await.expect(200);
    for (address, page) in [
        (format!("{gateway}/status"), gateway.clone()),
        (format!("{gateway}/clients/block"), format!("{gateway}/clients")),
        (format!("{source}/test-connection"), source.clone()),
        (
            format!("{project}/settings/delete"),
            format!("{project}/settings"),
        ),
        (
            format!("{project}/members/acc_1/remove"),
            format!("{project}/members"),
        ),
        (
            format!("{project}/api-keys/key_1/rotate"),
            format!("{project}/api-keys"),
        ),
        ("/account/password".to_owned(), "/account".to_owned()),
    ] {
        assert_eq!(ada.get(&address).await.expect(303).location(), page, "{address}");
        ada.get(&page).await.expect(200);
    }
    // What is not a form does not change.
    ada.post(&format!("{project}/users"), &[]).await.expect(404);
    ada.get(&format!("{project}/nothing/here")).await.expect(404);
}
