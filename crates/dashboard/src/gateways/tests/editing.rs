//! Creating, changing, switching off and deleting a gateway by its forms.

use gatewright_domain::{
    client_use::ClientUse,
    gateway::{Gateway, Mode},
    grant::{Grant, Person},
    testing,
};
use gatewright_store::{PageRequest, grant};

use super::bench::{filled, gateway, operator, project_of, source};
use crate::{
    service::{
        IfMatch, Patch, clients,
        effects::Run,
        gateways::{self as service, GatewayPatch, NewGateway},
        members,
        user_sources::{self, UserSourcePatch},
    },
    tests::bench::Bench,
};

async fn stored(bench: &Bench, gateway: &Gateway) -> Gateway {
    service::find(&bench.test.app, &operator(), gateway.project_id, gateway.id)
        .await
        .unwrap()
}

/// A session of the first member of the project at a gateway.
pub(super) async fn sign_in(bench: &Bench, gateway: &Gateway, client: &str) {
    let app = &bench.test.app;
    let page = PageRequest::first(1);
    let read = members::list(app, &operator(), gateway.project_id, &page).await;
    let (member, _) = read.unwrap().items.remove(0);
    let person = Person::Member(member.account_id);
    let row = Grant {
        client_id: client.to_owned(),
        client_name: "Some <b>client</b>".to_owned(),
        ..testing::grant(gateway.project_id, gateway.id, app.now(), person)
    };
    let mut tx = app.gateways().store.write().await.unwrap();
    grant::insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
}

/// The clients that hold sessions at a gateway.
pub(super) async fn clients_of(bench: &Bench, gateway: &Gateway) -> Vec<ClientUse> {
    let page = PageRequest::first(10);
    let read = clients::list(
        &bench.test.app,
        &operator(),
        gateway.project_id,
        gateway.id,
        &page,
    )
    .await;
    read.unwrap().items
}

fn of_members(name: &str, slug: &str) -> NewGateway {
    NewGateway {
        name: name.to_owned(),
        slug: slug.to_owned(),
        authentication_mode: Some(Mode::ProjectMembers),
        ..NewGateway::default()
    }
}

#[tokio::test]
async fn a_gateway_is_created_and_everything_that_is_wrong_is_reported_together() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let new = format!("{project}/gateways/new");
    let page = ada.get(&new).await.expect(200);
    assert!(
        page.has("Who are the users of this gateway?")
            && page.has("Recommended")
            && page.has("For development")
    );
    assert!(page.has("There is no User Source yet"));
    let okta = source(&bench, &project, "Okta").await;
    let page = ada.get(&new).await.expect(200);
    assert!(
        page.has(&format!("value=\"{}\" selected", okta.id)),
        "the only one is chosen already"
    );
    let wrong = filled(&[
        ("name", ""),
        ("slug", "not a slug"),
        ("authentication_mode", "user_source"),
        ("user_source_id", ""),
        ("instructions", "Be kind.\nAlways."),
        ("own_client", "http://claude.example/x"),
        ("access_token_seconds", "soon"),
    ]);
    let page = ada.post(&new, &wrong).await.expect(422);
    for field in ["name", "slug", "user_source_id", "trusted_clients", "settings"] {
        assert!(page.has(&format!("id=\"{field}-error\"")), "{field}");
    }
    assert!(
        page.has("Be kind.\nAlways.")
            && page.has("value=\"http://claude.example/x\"")
            && page.has("not a slug")
    );
    assert!(
        ada.get(&format!("{project}/gateways"))
            .await
            .has("No gateway yet"),
        "nothing was created"
    );
    let okta_id = okta.id.to_string();
    let claude = "https://claude.ai/oauth/claude-code-client-metadata";
    let right = filled(&[
        ("slug", "support"),
        ("authentication_mode", "user_source"),
        ("user_source_id", &okta_id),
        ("trusted", "https://claude.ai/oauth/mcp-oauth-client-metadata"),
        ("trusted", claude),
        ("trusted_loopback", claude),
        ("own_client", ""),
        ("own_client", "https://tool.example/client.json"),
        ("own_loopback", "1"),
    ]);
    let location = ada.post(&new, &right).await.expect(303).location();
    let id = location.trim_end_matches("/connect").rsplit('/').next().unwrap();
    let made = service::find(
        &bench.test.app,
        &operator(),
        project_of(&project),
        id.parse().unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(
        (made.slug.as_str(), made.authentication.user_source()),
        ("support", Some(okta.id))
    );
    let trusted: Vec<_> = made
        .trusted_clients
        .iter()
        .map(|client| (client.url.as_str(), client.allow_loopback))
        .collect();
    assert_eq!(
        trusted,
        [
            ("https://claude.ai/oauth/mcp-oauth-client-metadata", false),
            (claude, true),
            ("https://tool.example/client.json", true)
        ]
    );
    let taken = ada.post(&new, &filled(&[("slug", "SUPPORT")])).await.expect(422);
    assert!(taken.has("is taken"));
}

#[tokio::test]
async fn a_slug_is_checked_while_it_is_entered() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let made = gateway(&bench, &project, of_members("Office", "office")).await;
    let slug = format!("{project}/gateways/slug?slug=");
    let free = ada.get(&format!("{slug}free-one")).await.expect(200);
    assert!(free.has("Free:") && free.has("/mcp/free-one"));
    assert!(
        ada.get(&format!("{slug}OFFICE"))
            .await
            .expect(200)
            .has("is taken")
    );
    let own = ada
        .get(&format!("{slug}office&gateway={}", made.id))
        .await
        .expect(200);
    assert!(own.has("Free:"));
    let wrong = ada.get(&format!("{slug}%3Cb%3E")).await.expect(200);
    assert!(wrong.has("letters, digits") && !wrong.has("<b>"));
    ada.get(&slug).await.expect(204);
}

#[tokio::test]
async fn what_is_felt_is_asked_about_with_numbers_and_made_only_then() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let made = gateway(&bench, &project, of_members("Office", "office")).await;
    for _ in 0..3 {
        sign_in(&bench, &made, "cli_0192f0c1a2b37c4d8e5f60718293a4b5").await;
    }
    let path = format!("{project}/gateways/{}", made.id);
    let edit = format!("{path}/edit");
    let version = ada
        .get(&edit)
        .await
        .expect(200)
        .between("name=\"version\" value=\"", "\"");
    let base = [("version", version.as_str()), ("slug", "office")];
    // A new description affects no sessions.
    let mut quiet = base.to_vec();
    quiet.extend([("name", "Office"), ("description", "Tools of the office")]);
    ada.post(&edit, &filled(&quiet)).await.expect(303);
    let version = ada
        .get(&edit)
        .await
        .expect(200)
        .between("name=\"version\" value=\"", "\"");
    let change = [
        ("version", version.as_str()),
        ("slug", "agents"),
        ("name", "Agents"),
        ("authentication_mode", "headers"),
    ];
    let asked = ada.post(&edit, &filled(&change)).await.expect(200);
    assert!(asked.has("Nothing is changed yet.") && asked.has("Change it and end 3 sessions"));
    assert!(asked.has("<strong>1</strong><span>User<") && asked.has("Clients must be set up again"));
    assert!(asked.has("/mcp/office") && asked.has("/mcp/agents"));
    assert_eq!(stored(&bench, &made).await.slug, "office");
    let mut back = change.to_vec();
    back.push(("back", "yes"));
    let form = ada.post(&edit, &filled(&back)).await.expect(200);
    assert!(
        form.has("value=\"agents\"") && form.has("value=\"Agents\""),
        "what was typed is still there"
    );
    let mut sure = change.to_vec();
    sure.push(("confirmed", "yes"));
    ada.post(&edit, &filled(&sure)).await.expect(303);
    let after = stored(&bench, &made).await;
    assert_eq!(
        (after.slug.as_str(), after.authentication.mode()),
        ("agents", Mode::Headers)
    );
    assert!(clients_of(&bench, &made).await.is_empty());
}

#[tokio::test]
async fn the_slower_of_two_sees_the_form_again_with_what_was_entered() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let made = gateway(&bench, &project, of_members("Office", "office")).await;
    let edit = format!("{project}/gateways/{}/edit", made.id);
    let old = ada
        .get(&edit)
        .await
        .expect(200)
        .between("name=\"version\" value=\"", "\"");
    let patch = GatewayPatch {
        description: Patch::Set("Faster".to_owned()),
        ..GatewayPatch::default()
    };
    service::update(
        &bench.test.app,
        &operator(),
        made.project_id,
        made.id,
        patch,
        &IfMatch::Any,
        Run::Change,
    )
    .await
    .unwrap();
    let mine = [("version", old.as_str()), ("slug", "office"), ("name", "Slower")];
    let page = ada.post(&edit, &filled(&mine)).await.expect(422);
    assert!(page.has("Someone else saved first") && page.has("value=\"Slower\""));
    assert_eq!(stored(&bench, &made).await.name, "Office");
    let new = page.between("name=\"version\" value=\"", "\"");
    assert_ne!(new, old);
    let mine = [("version", new.as_str()), ("slug", "office"), ("name", "Slower")];
    ada.post(&edit, &filled(&mine)).await.expect(303);
    assert_eq!(stored(&bench, &made).await.name, "Slower");
}

#[tokio::test]
async fn a_gateway_is_switched_off_and_on_unless_its_source_forbids_it() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let okta = source(&bench, &project, "Okta").await;
    let new = NewGateway {
        authentication_mode: Some(Mode::UserSource),
        user_source_id: Some(okta.id),
        ..of_members("Support", "support")
    };
    let made = gateway(&bench, &project, new).await;
    let path = format!("{project}/gateways/{}", made.id);
    assert!(ada.get(&path).await.has("No one is signed in. Clients get"));
    ada.post(&format!("{path}/status"), &[("status", "inactive")])
        .await
        .expect(303);
    assert!(ada.get(&path).await.has("The gateway is inactive."));
    let app = &bench.test.app;
    let change = UserSourcePatch {
        status: Patch::Set(gatewright_domain::user_source::UserSourceStatus::Inactive),
        ..UserSourcePatch::default()
    };
    user_sources::update(
        app,
        &operator(),
        made.project_id,
        okta.id,
        change,
        &IfMatch::Any,
        Run::Change,
    )
    .await
    .unwrap();
    let refused = ada
        .post(&format!("{path}/status"), &[("status", "active")])
        .await
        .expect(422);
    assert!(refused.has("this one is inactive") && refused.has("Support"));
    let change = UserSourcePatch {
        status: Patch::Set(gatewright_domain::user_source::UserSourceStatus::Active),
        ..UserSourcePatch::default()
    };
    user_sources::update(
        app,
        &operator(),
        made.project_id,
        okta.id,
        change,
        &IfMatch::Any,
        Run::Change,
    )
    .await
    .unwrap();
    ada.post(&format!("{path}/status"), &[("status", "active")])
        .await
        .expect(303);
    assert!(ada.get(&path).await.has("It answers from now on."));
}

#[tokio::test]
async fn a_gateway_is_deleted_by_its_name_only() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let made = gateway(&bench, &project, of_members("Office", "office")).await;
    sign_in(&bench, &made, "cli_0192f0c1a2b37c4d8e5f60718293a4b5").await;
    let delete = format!("{project}/gateways/{}/delete", made.id);
    let asked = ada.get(&delete).await.expect(200);
    assert!(asked.has("<strong>1</strong> session<"));
    assert!(
        asked.has("id=\"confirm_name-hint\">Office<"),
        "it says what to type"
    );
    for wrong in ["", "office", "Office 2"] {
        let page = ada.post(&delete, &[("confirm_name", wrong)]).await.expect(422);
        assert!(page.has("confirm_name-error"), "{wrong}");
    }
    stored(&bench, &made).await;
    ada.post(&delete, &[("confirm_name", "Office")]).await.expect(303);
    assert!(
        ada.get(&format!("{project}/gateways"))
            .await
            .has("The gateway is deleted")
    );
    ada.get(&delete).await.expect(404);
}

#[tokio::test]
async fn viewers_see_gateways_and_no_form_and_other_projects_see_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let made = gateway(&bench, &project, of_members("Office", "office")).await;
    sign_in(&bench, &made, "cli_0192f0c1a2b37c4d8e5f60718293a4b5").await;
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let path = format!("{project}/gateways/{}", made.id);
    for page in [
        format!("{project}/gateways"),
        path.clone(),
        format!("{path}/clients"),
    ] {
        let content = viewer.get(&page).await.expect(200).between("<main", "</main>");
        assert!(
            !content.contains("method=\"post\"")
                && !content.contains("/new\"")
                && !content.contains("/edit\"")
        );
    }
    for form in [
        format!("{project}/gateways/new"),
        format!("{path}/edit"),
        format!("{path}/delete"),
    ] {
        viewer.get(&form).await.expect(403);
        viewer
            .post(&form, &filled(&[("confirm_name", "Office")]))
            .await
            .expect(403);
    }
    let elsewhere = ada
        .post("/projects", &[("name", "Other")])
        .await
        .expect(303)
        .location();
    let there = format!("{elsewhere}/gateways/{}", made.id);
    for rest in ["", "/edit", "/delete", "/clients"] {
        ada.get(&format!("{there}{rest}")).await.expect(404);
    }
    let actions = [
        ("/status", vec![("status", "inactive")]),
        ("/delete", vec![("confirm_name", "Office")]),
        ("/edit", filled(&[("slug", "mine"), ("confirmed", "yes")])),
        (
            "/clients/block",
            vec![("client_id", "cli_0192f0c1a2b37c4d8e5f60718293a4b5")],
        ),
        (
            "/clients",
            vec![
                ("name", "x"),
                ("redirect_uris", "https://app.example/cb"),
                ("token_endpoint_auth_method", "none"),
            ],
        ),
    ];
    for (rest, fields) in actions {
        ada.post(&format!("{there}{rest}"), &fields).await.expect(404);
        viewer.post(&format!("{path}{rest}"), &fields).await.expect(403);
    }
    assert_eq!(stored(&bench, &made).await, made);
    assert_eq!(clients_of(&bench, &made).await.len(), 1);
}
