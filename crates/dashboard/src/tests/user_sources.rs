//! User Sources: listed, created with checks, shown, and what viewers and strangers see of them.

use super::{
    bench::Bench,
    user_source_world::{Provider, SECRET, unchecked},
};

#[tokio::test]
async fn a_source_is_created_with_the_steps_of_its_provider_beside_the_form() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let sources = format!("{project}/user-sources");
    let empty = ada.get(&sources).await.expect(200);
    assert!(empty.has("No User Source yet") && empty.has("/oauth2/intermediate_callback"));
    let new = format!("{sources}/new");
    let choice = ada.get(&new).await.expect(200);
    for preset in [
        "entra_id", "okta", "auth0", "clerk", "stytch", "google", "keycloak", "generic",
    ] {
        let link = format!("href=\"{new}?preset={preset}\"");
        assert!(choice.has(&link), "{preset}");
        let page = ada.get(&format!("{new}?preset={preset}")).await.expect(200);
        assert!(
            page.has("id=\"callback-url\"") && page.has("<ol class=\"todo\"><li>"),
            "{preset}"
        );
    }
    let auth0 = ada.get(&format!("{new}?preset=auth0")).await;
    assert!(auth0.has("It ends with a slash."));
    assert!(
        auth0.has("value=\"post\" selected"),
        "as applications have it there"
    );
    let generic = ada.get(&format!("{new}?preset=generic")).await;
    assert!(generic.has("value=\"automatic\" selected"));
    assert!(
        ada.get(&format!("{new}?preset=entra_id"))
            .await
            .has("value=\"oid\"")
    );
    assert!(
        ada.get(&format!("{new}?preset=google"))
            .await
            .has("value=\"https://accounts.google.com\"")
    );

    // Everything wrong at once, each at its field, and what was typed is still there: but not the secret.
    let mut wrong = unchecked("", "login.example.com");
    wrong.retain(|(name, _)| *name != "client_id");
    let refused = ada.post(&new, &wrong).await.expect(422);
    for field in ["name", "issuer", "client_id"] {
        assert!(
            refused.has(&format!("id=\"{field}-error\"")),
            "{field}: {}",
            refused.body
        );
    }
    assert!(refused.has("value=\"login.example.com\"") && refused.has("value=\"openid profile\""));
    assert!(refused.has("Create User Source: Okta") && refused.has("value=\"yes\" checked"));
    assert!(!refused.has(SECRET));
    assert!(ada.get(&sources).await.has("No User Source yet"));

    let path = ada.source(&project, "Okta production").await;
    let page = ada.get(&path).await.expect(200);
    for text in [
        "Okta production",
        "Unverified: saved without checking",
        "https://login.example.com",
        "client-1",
    ] {
        assert!(page.has(text), "{text}");
    }
    assert!(page.has("The User Source is saved.") && page.has("Last changed"));
    assert!(!page.has(SECRET) && !page.has(&SECRET[..5]));
    let listed = ada.get(&sources).await.expect(200);
    assert!(listed.has(&path) && listed.has("Unverified"));
    let stored = bench.stored(&path).await.unwrap();
    assert_eq!(stored.scopes, ["openid", "profile"]);
    let taken = unchecked("okta PRODUCTION", "https://login.example.com");
    assert!(ada.post(&new, &taken).await.expect(422).has("id=\"name-error\""));
}

#[tokio::test]
async fn saving_asks_the_provider_and_shows_the_exact_form_of_the_issuer() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let provider = Provider::start().await;
    let new = format!("{project}/user-sources/new");
    let with_slash = format!("{}/", provider.issuer);
    let mut fields = unchecked("Slash", &with_slash);
    fields.retain(|(name, _)| *name != "skip_validation");
    let refused = ada.post(&new, &fields).await.expect(422);
    assert!(refused.has("id=\"issuer-error\"") && refused.has("has no slash at the end"));
    assert!(refused.has(&format!("value=\"{with_slash}\"")));
    fields[2].1 = &provider.issuer;
    fields[5].1 = "openid email";
    fields[6].1 = "email";
    let path = ada.post(&new, &fields).await.expect(303).location();
    assert!(bench.stored(&path).await.unwrap().verified_at.is_some());
    let page = ada.get(&path).await.expect(200);
    assert!(!page.has("Unverified") && page.has("People are known by their e-mail address"));
}

#[tokio::test]
async fn the_issuer_is_checked_while_it_is_entered_for_admins_only_and_at_a_limited_rate() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let provider = Provider::start().await;
    let check = format!("{project}/user-sources/check");
    let good = [
        ("issuer", provider.issuer.as_str()),
        ("scopes", "openid"),
        ("subject_claim", "sub"),
    ];
    let told = ada.post(&check, &good).await.expect(200);
    assert!(
        told.has("The provider answers with exactly this issuer."),
        "{}",
        told.body
    );
    assert!(!told.has("<html"), "only the part is sent");
    let slash = format!("{}/", provider.issuer);
    let told = ada.post(&check, &[("issuer", &slash)]).await.expect(200);
    assert!(told.has("has no slash at the end") && told.has(&provider.issuer));
    let told = ada
        .post(&check, &[("issuer", "login.example.com")])
        .await
        .expect(200);
    assert!(told.has("The issuer is not a URL"));
    assert_eq!(ada.post(&check, &[("issuer", "")]).await.expect(200).body, "");
    let hostile = [("issuer", "http://127.0.0.1:1/<script>")];
    assert!(!ada.post(&check, &hostile).await.expect(200).has("<script>"));

    let asked = provider.asked();
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    viewer.post(&check, &good).await.expect(403);
    ada.post_from(&check, &good, "cross-site").await.expect(403);
    ada.get(&format!("{check}?issuer={}", provider.issuer))
        .await
        .expect(303);
    assert_eq!(provider.asked(), asked, "nobody else makes this machine ask");

    let mut told = ada.post(&check, &good).await;
    for _ in 0..30 {
        told = ada.post(&check, &good).await.expect(200);
    }
    assert!(told.has("Many providers were checked in the last minute"));
    assert!(provider.asked() < asked + 31);
}

#[tokio::test]
async fn the_list_is_filtered_by_name_and_status_in_the_address() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let sources = format!("{project}/user-sources");
    let okta = ada.source(&project, "Okta production").await;
    let entra = ada.source(&project, "Entra <b>staging</b>").await;
    bench.gateway(&okta, "Support").await;
    bench.gateway(&okta, "Agents").await;
    ada.post(&format!("{entra}/status"), &[("status", "inactive")])
        .await
        .expect(303);
    let all = ada.get(&sources).await.expect(200);
    assert!(all.has(&okta) && all.has(&entra));
    assert!(all.has("Entra &#60;b&#62;staging") && !all.has("<b>staging"));
    assert!(all.has("<td data-label=\"Gateways\">2</td>") && all.has("<span class=\"quiet\">None</span>"));
    let found = ada.get(&format!("{sources}?search=OKTA")).await.expect(200);
    assert!(found.has(&okta) && !found.has(&entra) && found.has("value=\"OKTA\""));
    let found = ada.get(&format!("{sources}?status=inactive")).await.expect(200);
    assert!(!found.has(&okta) && found.has(&entra) && found.has("value=\"inactive\" selected"));
    let none = ada
        .get(&format!("{sources}?search=okta&status=inactive"))
        .await
        .expect(200);
    assert!(none.has("No such User Source"));
}

#[tokio::test]
async fn a_viewer_sees_sources_and_changes_none() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta production").await;
    let before = bench.stored(&path).await.unwrap();
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    for page in [&format!("{project}/user-sources"), &path] {
        let page = viewer.get(page).await.expect(200);
        let content = page.between("<main", "</main>");
        assert!(content.contains("Okta production") && !content.contains("method=\"post\""));
        for rest in ["/new", "/edit", "/secret", "/delete"] {
            assert!(!content.contains(&format!("{rest}\"")), "{rest}: {content}");
        }
    }
    for rest in ["/edit", "/secret", "/delete"] {
        viewer.get(&format!("{path}{rest}")).await.expect(403);
    }
    viewer
        .get(&format!("{project}/user-sources/new"))
        .await
        .expect(403);
    for (rest, fields) in [
        ("/edit", [("name", "Mine"), ("confirmed", "yes")].as_slice()),
        (
            "/secret",
            &[("client_secret", "another"), ("skip_validation", "yes")],
        ),
        ("/status", &[("status", "inactive")]),
        ("/delete", &[("confirm_name", "Okta production")]),
        ("/test-connection", &[]),
        ("/test-sign-ins", &[]),
    ] {
        viewer.post(&format!("{path}{rest}"), fields).await.expect(403);
    }
    let new = unchecked("Mine", "https://login.example.com");
    viewer
        .post(&format!("{project}/user-sources/new"), &new)
        .await
        .expect(403);
    assert_eq!(bench.stored(&path).await.unwrap(), before);
}

#[tokio::test]
async fn a_source_of_another_project_is_not_there() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let path = ada.source(&project, "Okta production").await;
    let before = bench.stored(&path).await.unwrap();
    ada.post("/projects", &[("name", "Other")]).await.expect(303);
    let other = ada
        .get("/projects")
        .await
        .between("aria-hidden=\"true\">O</span><a href=\"", "\"");
    let there = path.replace(&project, &other);
    for rest in ["", "/edit", "/secret", "/delete"] {
        ada.get(&format!("{path}{rest}")).await.expect(200);
        ada.get(&format!("{there}{rest}")).await.expect(404);
    }
    for (rest, fields) in [
        ("/edit", [("name", "Mine")].as_slice()),
        ("/secret", &[("client_secret", "another")]),
        ("/status", &[("status", "inactive")]),
        ("/delete", &[("confirm_name", "Okta production")]),
        ("/test-connection", &[]),
        ("/test-sign-ins", &[]),
    ] {
        ada.post(&format!("{there}{rest}"), fields).await.expect(404);
    }
    assert_eq!(bench.stored(&path).await.unwrap(), before);
}
