//! Single rules: references, secrets, people, and what pruning leaves alone.

use super::{APPLY, Bench, PRUNE, applied, document, exported, instance::answers, planned};
use crate::service::declared::{ApplyError, References};

fn acme(rest: &str) -> String {
    format!("version: 1\nproject: Acme\n{rest}")
}

async fn refused(bench: &Bench, text: &str) -> Vec<String> {
    match planned(bench, &document(text), APPLY).await {
        Err(ApplyError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_with_those_that_exist() {
    let bench = Bench::new().await;
    let text = acme(
        "user_sources: []\nservers:\n  - {slug: github, url: \"https://a.example\"}\ngateways:\n  - slug: g\n    name: G\n    \
         authentication_mode: user_source\n    user_source: Okta\n    servers: [github, gitlab]\n    allowed_tools:\n      - {server: \
         none, tool: x}\nkeys:\n  - {name: K, role: gateway, gateway: h}\n",
    );
    assert_eq!(
        refused(&bench, &text).await,
        [
            "acme.yaml:10: gateways[0].user_source: There is no User Source of this name. There is none yet: add it to the file.",
            "acme.yaml:11: gateways[0].servers[1]: There is no server of this name. Correct the name, or add the server to the file. \
             There are: `github`.",
            "acme.yaml:13: gateways[0].allowed_tools[0].server: There is no server of this name. Correct the name, or add the server \
             to the file. There are: `github`.",
            "acme.yaml:15: keys[0].gateway: There is no gateway of this name. Correct the name, or add the gateway to the file. There \
             are: `g`.",
        ]
    );
}

#[tokio::test]
async fn a_server_written_with_other_capitals_is_refused_and_a_slug_with_blanks_is_found() {
    let bench = Bench::new().await;
    let file = |server: &str, key: &str| {
        acme(&format!(
            "servers:\n  - {{slug: github, url: \"https://a.example\"}}\ngateways:\n  - slug: g\n    name: G\n    \
             authentication_mode: headers\n    allowed_tools:\n      - {{server: {server}, tool: x}}\nkeys:\n  - {{name: K, role: \
             gateway, gateway: \"{key}\"}}\n"
        ))
    };
    // A list that lost its only item would offer everything.
    let told = refused(&bench, &file("GitHub", "g")).await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("allowed_tools[0].server: There is no server of this name"),
        "{told:?}"
    );
    let text = file("github", " G ");
    applied(&bench, &document(&text), APPLY).await.unwrap();
    let again = exported(&bench, "Acme", References::Existing).await;
    assert!(
        again.contains("gateway: g"),
        "the key works at its gateway only: {again}"
    );
    assert!(again.contains("tool: x"), "{again}");
    assert!(
        planned(&bench, &document(&text), PRUNE)
            .await
            .unwrap()
            .steps
            .is_empty()
    );
}

#[tokio::test]
async fn a_mistake_in_a_field_is_told_with_its_line() {
    let bench = Bench::new().await;
    let source = "user_sources:\n  - name: Okta\n    issuer: http://okta.example\n    client_id: c\n    client_secret: {env: A}\n  - name: \
                  Two\n    issuer: https://two.example\n    client_id: c\n    client_secret: {existing: true}\n";
    let told = refused(&bench, &acme(source)).await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("acme.yaml:11: user_sources[1].client_secret: There is no stored value"),
        "{told:?}"
    );
    let told = refused(&bench, &acme(&source.replace("{existing: true}", "{file: x}"))).await;
    assert!(
        told[0].starts_with("acme.yaml:5: user_sources[0].issuer: The issuer must begin with `https://`"),
        "{told:?}"
    );
    let told = refused(
        &bench,
        &acme("gateways:\n  - {slug: g, name: G, authentication_mode: user_source}\n"),
    )
    .await;
    assert!(
        told[0].starts_with("acme.yaml:4: gateways[0].user_source")
            || told[0].contains("needs a User Source"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_list_that_is_left_out_is_left_alone_and_one_that_is_there_is_complete() {
    let bench = Bench::new().await;
    let whole = acme(
        "servers:\n  - {slug: a, url: \"https://a.example\"}\n  - {slug: b, url: \"https://b.example\"}\ngateways:\n  - {slug: g, name: G, \
         authentication_mode: headers, servers: [a]}\nkeys:\n  - {name: K, role: viewer}\n",
    );
    applied(&bench, &document(&whole), PRUNE).await.unwrap();
    let only_b = acme("servers:\n  - {slug: b, url: \"https://b.example\"}\n");
    // Without --prune it stays.
    assert!(
        planned(&bench, &document(&only_b), APPLY)
            .await
            .unwrap()
            .steps
            .is_empty()
    );
    // The gateway is not managed by this file, and still names the server.
    let told = match planned(&bench, &document(&only_b), PRUNE).await {
        Err(ApplyError::Faults(faults)) => faults[0].to_string(),
        other => panic!("{other:?}"),
    };
    assert!(
        told.contains("servers: The server `a` cannot be deleted while gateways name it")
            && told.contains("In the way: G."),
        "{told}"
    );
    let without = acme("servers:\n  - {slug: b, url: \"https://b.example\"}\ngateways: []\n");
    let outcome = applied(&bench, &document(&without), PRUNE).await.unwrap();
    let steps: Vec<_> = outcome
        .steps
        .iter()
        .map(|step| format!("{} {} {}", step.verb, step.kind, step.name))
        .collect();
    assert_eq!(steps, ["deleted gateway g", "deleted server a"]);
    assert_eq!(answers(&bench, "Acme").await["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_secret_moves_with_its_server_in_one_change() {
    let bench = Bench::new().await;
    let at = |origin: &str| {
        acme(&format!(
            "secrets:\n  - {{name: TOKEN, value: {{env: A}}, origins: [\"{origin}\"]}}\nservers:\n  - slug: a\n    url: {origin}/mcp\n    \
             headers:\n      - {{name: Authorization, value: \"Bearer ${{secret:TOKEN}}\"}}\n"
        ))
    };
    applied(&bench, &document(&at("https://one.example")), APPLY)
        .await
        .unwrap();
    let outcome = applied(&bench, &document(&at("https://two.example")), APPLY)
        .await
        .unwrap();
    let steps: Vec<_> = outcome
        .steps
        .iter()
        .map(|step| (step.kind, step.verb.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            ("secret", "updated"),
            ("server", "updated"),
            ("secret", "updated")
        ]
    );
    let text = exported(&bench, "Acme", References::Existing).await;
    assert!(
        text.contains("value: { existing: true }") && text.contains("origins: [\"https://two.example\"]"),
        "{text}"
    );
    // The stored value was not entered for another origin.
    let existing = at("https://three.example").replace("{env: A}", "{existing: true}");
    let told = refused(&bench, &existing).await;
    assert!(
        told[0].starts_with("acme.yaml:4: secrets[0].value: The stored value of `TOKEN` was not entered"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_secret_is_not_in_an_export_a_plan_or_an_error() {
    let bench = Bench::new().await;
    let text = acme(
        "secrets:\n  - {name: TOKEN, value: {env: CANARY}, origins: [\"https://one.example\"]}\nuser_sources:\n  - {name: Okta, issuer: \
         \"https://okta.example\", client_id: c, client_secret: {file: CANARY}}\nkeys:\n  - {name: K, role: owner}\n",
    );
    let outcome = applied(&bench, &document(&text), APPLY).await.unwrap();
    assert_eq!(outcome.credentials.len(), 1);
    let exported = exported(&bench, "Acme", References::Environment).await;
    let shown = format!("{}{exported}{outcome:?}", outcome.shown());
    assert!(!shown.contains("CANARY") && !shown.contains("gwk_"), "{shown}");
    assert!(
        exported.contains("{ env: ACME_TOKEN }") && exported.contains("{ env: ACME_OKTA_CLIENT_SECRET }"),
        "{exported}"
    );
}

#[tokio::test]
async fn people_are_invited_once_and_an_owner_stays() {
    let bench = Bench::new().await;
    let text = acme(
        "members:\n  - {email: ada@example.com, role: owner}\n  - {email: bob@example.com, role: viewer}\n",
    );
    let outcome = applied(&bench, &document(&text), PRUNE).await.unwrap();
    let kinds: Vec<_> = outcome
        .credentials
        .iter()
        .map(|credential| (credential.kind, credential.name.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("invitation", "ada@example.com"),
            ("invitation", "bob@example.com")
        ]
    );
    assert!(
        planned(&bench, &document(&text), PRUNE)
            .await
            .unwrap()
            .steps
            .is_empty()
    );
    let other = acme("members:\n  - {email: ADA@example.com, role: admin}\n");
    let outcome = applied(&bench, &document(&other), PRUNE).await.unwrap();
    let steps: Vec<_> = outcome
        .steps
        .iter()
        .map(|step| format!("{} {} {}", step.verb, step.kind, step.name))
        .collect();
    assert_eq!(
        steps,
        [
            "created invitation ADA@example.com",
            "revoked invitation bob@example.com"
        ]
    );
}

#[tokio::test]
async fn what_changed_after_the_plan_is_not_overwritten_unseen() {
    let bench = Bench::new().await;
    let text = acme("servers:\n  - {slug: a, url: \"https://a.example\"}\n");
    applied(&bench, &document(&text), APPLY).await.unwrap();
    let first = document(&acme("servers:\n  - {slug: a, url: \"https://b.example\"}\n"));
    let plan = planned(&bench, &first, APPLY).await.unwrap();
    let second = document(&acme("servers:\n  - {slug: a, url: \"https://c.example\"}\n"));
    applied(&bench, &second, APPLY).await.unwrap();
    let refused = crate::service::declared::apply(
        &bench.app,
        &super::operator(),
        &first,
        &super::Named,
        APPLY,
        &plan,
    )
    .await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("changed after the plan was made"), "{told}");
    assert_eq!(
        answers(&bench, "Acme").await["servers"][0]["url"],
        "https://c.example"
    );
}

#[tokio::test]
async fn a_change_of_an_issuer_says_whom_it_touches() {
    let bench = Bench::new().await;
    let at = |issuer: &str| {
        acme(&format!(
            "user_sources:\n  - {{name: Okta, issuer: \"{issuer}\", client_id: c, client_secret: {{env: A}}}}\ngateways:\n  - {{slug: g, name: \
             Agents, authentication_mode: user_source, user_source: Okta}}\n"
        ))
    };
    applied(&bench, &document(&at("https://login.example.com")), APPLY)
        .await
        .unwrap();
    let tenant = super::instance::tenant(&bench, "Acme").await;
    let ids = super::instance::ids(&bench, "Acme").await;
    for subject in ["ada", "bob"] {
        let user = bench.user(&tenant, &ids["Okta"], subject).await;
        bench.grant(&tenant, user, &ids["Okta"], &ids["g"]).await;
    }
    let plan = planned(&bench, &document(&at("https://two.example")), APPLY)
        .await
        .unwrap();
    let shown = plan.shown();
    assert!(
        shown.contains("  ~ User Source Okta\n") && shown.contains("      > ends 2 sessions of 2 users\n"),
        "{shown}"
    );
    assert!(shown.contains("      > at 1 gateway: Agents\n"), "{shown}");
    let removed = acme("user_sources: []\ngateways: []\n");
    let plan = planned(&bench, &document(&removed), PRUNE).await.unwrap();
    assert!(
        plan.shown()
            .contains("  - gateway g\n      > ends 2 sessions of 2 users\n"),
        "{}",
        plan.shown()
    );
}

#[tokio::test]
async fn what_a_file_manages_is_marked_and_a_change_since_is_told() {
    let bench = Bench::new().await;
    let text = acme(
        "servers:\n  - {slug: a, url: \"https://a.example\"}\n  - {slug: b, url: \"https://b.example\"}\ngateways:\n  - {slug: g, name: G, \
         authentication_mode: headers}\n",
    );
    let outcome = applied(&bench, &document(&text), APPLY).await.unwrap();
    assert_eq!(outcome.adopted, 4, "with the project");
    let owner = super::instance::Owner::of(&bench, "Acme").await;
    let path = format!("/projects/{}", owner.project);
    let managed = async || {
        let answer = bench
            .get(&owner.key, &format!("{path}/managed-objects"))
            .await
            .expect(200);
        let items = answer.body["items"].as_array().unwrap().clone();
        let names = items.iter().map(|item| {
            format!(
                "{} {}",
                item["name"].as_str().unwrap(),
                item["file"].as_str().unwrap()
            )
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(
        managed().await,
        ["Acme acme.yaml", "a acme.yaml", "b acme.yaml", "g acme.yaml"]
    );
    let again = planned(&bench, &document(&text), APPLY).await.unwrap();
    assert!(
        again.notes.is_empty() && again.steps.is_empty() && again.adopted == 0,
        "{again:?}"
    );

    let servers = bench
        .get(&owner.key, &format!("{path}/servers"))
        .await
        .expect(200)
        .body;
    let id = |index: usize| servers["items"][index]["id"].as_str().unwrap().to_owned();
    let change = serde_json::json!({"timeout_ms": 500});
    bench
        .patch(&owner.key, &format!("{path}/servers/{}", id(0)), change)
        .await
        .expect(200);
    bench
        .delete(&owner.key, &format!("{path}/servers/{}", id(1)))
        .await
        .expect(204);
    let plan = planned(&bench, &document(&text), APPLY).await.unwrap();
    let told: Vec<_> = plan
        .notes
        .iter()
        .map(|note| note.split(" at ").next().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "server a: it was changed since acme.yaml was applied",
            "server b: it was deleted since acme.yaml was applied"
        ]
    );
    let outcome = applied(&bench, &document(&text), APPLY).await.unwrap();
    assert_eq!(outcome.steps.len(), 2);
    assert!(
        planned(&bench, &document(&text), APPLY)
            .await
            .unwrap()
            .notes
            .is_empty()
    );

    // A file that no longer names something no longer manages it.
    let less = acme("gateways:\n  - {slug: g, name: G, authentication_mode: headers}\n");
    applied(&bench, &document(&less), APPLY).await.unwrap();
    assert_eq!(managed().await, ["Acme acme.yaml", "g acme.yaml"]);
    owner.end(&bench).await;
}
