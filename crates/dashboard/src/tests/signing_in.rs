//! Setup, sign-in, sign-out, and the account itself.

use super::bench::{Bench, PASSWORD};

#[tokio::test]
async fn a_setup_link_makes_the_first_account_once() {
    let bench = Bench::new().await;
    let (first, second) = (bench.setup_link().await, bench.setup_link().await);
    let mut ada = bench.browser();
    assert!(ada.get("/sign-in").await.expect(200).has("has no account yet"));
    assert!(ada.get(&first).await.expect(200).has("Welcome to Gatewright"));
    let fields = [
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
        ("project", "Acme"),
    ];
    assert_eq!(ada.post(&first, &fields).await.expect(303).location(), "/");
    let project = ada.get("/").await.expect(303).location();
    assert!(ada.get(&project).await.expect(200).has("<h1>Acme</h1>"));
    let mut eve = bench.browser();
    for link in [&first, &second] {
        assert_eq!(eve.get(link).await.expect(303).location(), "/sign-in");
        assert_eq!(eve.post(link, &fields).await.expect(303).location(), "/sign-in");
    }
    assert_eq!(eve.session(), None);
    assert!(!eve.get("/sign-in").await.has("has no account yet"));
}

#[tokio::test]
async fn a_setup_link_that_never_was_leads_nowhere() {
    let bench = Bench::new().await;
    let mut eve = bench.browser();
    let page = eve.get("/account/setup/guessed").await.expect(404);
    assert!(page.has("This link does not work") && page.has("Restart Gatewright"));
    eve.post("/account/setup/guessed", &[("email", "eve@example.com")])
        .await
        .expect(404);
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_shown_beside_it_and_what_was_entered_is_still_there() {
    let bench = Bench::new().await;
    let link = bench.setup_link().await;
    let fields = [
        ("name", "Ada"),
        ("email", "ada"),
        ("password", "too short"),
        ("project", "Acme & Sons"),
    ];
    let page = bench.browser().post(&link, &fields).await.expect(422);
    assert!(page.has("id=\"email-error\"") && page.has("aria-invalid=\"true\""));
    assert!(
        page.has("value=\"Acme &#38; Sons\"") && page.has("value=\"ada\""),
        "{}",
        page.body
    );
    assert!(!page.has("too short"), "a password is never shown again");
    let fields = [
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("password", "too short"),
    ];
    let page = bench.browser().post(&link, &fields).await.expect(422);
    assert!(page.has("id=\"password-error\"") && !page.has("value=\"too short\""));
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_and_back() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut guest = bench.browser();
    for path in [
        "/account",
        &project,
        &format!("{project}/audit?action=a.b&cursor=evt_1"),
    ] {
        let answer = guest.get(path).await.expect(303);
        let location = answer.location();
        let query = location.strip_prefix("/sign-in?").unwrap();
        let next: String = url::form_urlencoded::parse(query.as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned();
        assert_eq!(next, path);
        assert!(guest.get(&location).await.expect(200).has("name=\"next\""));
        assert_eq!(
            ada.sign_in("ada@example.com", &next).await.expect(303).location(),
            path
        );
    }
    assert_eq!(guest.get("/").await.expect(303).location(), "/sign-in");
    for path in ["/account/name", &format!("{project}/members")] {
        let answer = guest.post(path, &[("name", "Eve")]).await.expect(303);
        assert_eq!(
            answer.location(),
            "/sign-in",
            "a form is not sent again by itself"
        );
    }
    let part = http::Request::get("/account").header("hx-request", "true");
    let answer = guest.send(part, axum::body::Body::empty()).await.expect(200);
    assert_eq!(answer.headers["hx-refresh"], "true");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let (bench, _, _) = Bench::with_ada().await;
    let mut guest = bench.browser();
    let mut said = Vec::new();
    for (email, password) in [
        ("ada@example.com", "wrong wrong wrong"),
        ("eve@example.com", PASSWORD),
    ] {
        let page = guest
            .post("/sign-in", &[("email", email), ("password", password)])
            .await;
        let page = page.expect(422);
        assert!(page.has(&format!("value=\"{email}\"")) && !page.has(password));
        said.push(page.between("role=\"alert\">", "</div></div>"));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(guest.session(), None);
    guest.sign_in("ada@example.com", "").await.expect(303);
    assert!(guest.session().is_some());
    assert_eq!(
        guest.get("/sign-in?next=/account").await.expect(303).location(),
        "/account"
    );
}

#[tokio::test]
async fn after_signing_in_people_are_not_sent_elsewhere() {
    let (bench, _, _) = Bench::with_ada().await;
    for next in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
    ] {
        let answer = bench.browser().sign_in("ada@example.com", next).await.expect(303);
        assert_eq!(answer.location(), "/", "{next}");
    }
    let answer = bench
        .browser()
        .sign_in("ada@example.com", "/account")
        .await
        .expect(303);
    assert_eq!(answer.location(), "/account");
}

#[tokio::test]
async fn guessing_is_slowed_on_a_page_that_says_so() {
    let (bench, _, _) = Bench::with_ada().await;
    let mut eve = bench.browser();
    let guess = [("email", "grace@example.com"), ("password", "wrong wrong wrong")];
    let mut last = eve.post("/sign-in", &guess).await.expect(422);
    for _ in 0..10 {
        last = eve.post("/sign-in", &guess).await;
    }
    let last = last.expect(429);
    assert!(last.has("Too many attempts") && last.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_cookie_opens_nothing_after_sign_out() {
    let (_bench, mut ada, _) = Bench::with_ada().await;
    let mut copy = ada.clone();
    copy.get("/account").await.expect(200);
    let answer = ada.post("/sign-out", &[]).await.expect(303);
    assert_eq!(answer.location(), "/sign-in");
    assert_eq!(ada.session(), None);
    copy.get("/account").await.expect(303);
    assert!(ada.get("/sign-in").await.has("You have signed out."));
    assert!(
        !ada.get("/sign-in").await.has("You have signed out."),
        "it is said once"
    );
}

#[tokio::test]
async fn a_cookie_from_before_the_sign_in_is_not_a_session_after_it() {
    let (bench, ada, _) = Bench::with_ada().await;
    let planted = ada.session().unwrap().to_owned();
    let mut victim = bench.browser();
    victim
        .cookies
        .insert("gatewright-session".to_owned(), planted.clone());
    victim.sign_in("ada@example.com", "").await.expect(303);
    assert_ne!(victim.session(), Some(planted.as_str()));
    victim.get("/account").await.expect(200);
    ada.clone().get("/account").await.expect(303);
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let (bench, mut ada, _) = Bench::with_ada().await;
    let mut elsewhere = bench.browser();
    elsewhere.sign_in("ada@example.com", "").await.expect(303);
    let wrong = [
        ("current_password", "wrong wrong wrong"),
        ("new_password", "golden meadow eighty"),
    ];
    let page = ada.post("/account/password", &wrong).await.expect(422);
    assert!(page.has("id=\"current_password-error\""));
    elsewhere.get("/account").await.expect(200);
    let right = [
        ("current_password", PASSWORD),
        ("new_password", "golden meadow eighty"),
    ];
    ada.post("/account/password", &right).await.expect(303);
    assert!(
        ada.get("/account")
            .await
            .expect(200)
            .has("Your password is changed.")
    );
    elsewhere.get("/account").await.expect(303);
    bench.browser().sign_in("ada@example.com", "").await.expect(422);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let (bench, mut ada, _) = Bench::with_ada().await;
    let mut elsewhere = bench.browser();
    elsewhere.sign_in("ada@example.com", "").await.expect(303);
    let page = ada.get("/account").await.expect(200);
    assert!(page.has("This one"));
    let end = page.between("<form class=\"actions\" method=\"post\" action=\"", "\"");
    ada.post(&end, &[]).await.expect(303);
    elsewhere.get("/account").await.expect(303);
    ada.post(&end, &[]).await.expect(404);
    elsewhere.sign_in("ada@example.com", "").await.expect(303);
    ada.post("/account/sessions/end-others", &[]).await.expect(303);
    elsewhere.get("/account").await.expect(303);
    ada.get("/account").await.expect(200);
}

#[tokio::test]
async fn a_reset_link_sets_a_password_once() {
    let (bench, mut ada, _) = Bench::with_ada().await;
    let offered = crate::service::password_reset::offer(&bench.test.app, "ada@example.com", false).await;
    let link = bench.path(&offered.unwrap().unwrap());
    let mut lost = bench.browser();
    assert!(lost.get(&link).await.expect(200).has("ada@example.com"));
    assert!(
        lost.post(&link, &[("password", "short")])
            .await
            .expect(422)
            .has("password-error")
    );
    lost.post(&link, &[("password", "golden meadow eighty")])
        .await
        .expect(303);
    lost.get("/account").await.expect(200);
    ada.get("/account").await.expect(303);
    lost.get(&link).await.expect(404);
    lost.post(&link, &[("password", "silver forest seventy")])
        .await
        .expect(404);
}
