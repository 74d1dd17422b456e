//! The form of a gateway that is put aside while someone connects a provider, and what leads there.

use gatewright_domain::{
    gateway::{Mode, TrustedClient},
    user_source::UserSourceStatus,
};
use url::form_urlencoded;

use super::bench::{filled, operator, project_of, source};
use gatewright_gateway::known_clients::KNOWN_CLIENTS;

use crate::{
    service::{
        IfMatch, Patch,
        effects::Run,
        gateways::{self, NewGateway},
        user_sources::{self, UserSourcePatch},
    },
    tests::{
        bench::{Answer, Bench, Browser},
        user_source_world::unchecked,
    },
};

/// An address that is in a page.
fn unescaped(address: &str) -> String {
    address.replace("&#38;", "&").replace("&amp;", "&")
}

/// Goes from an address of the presets on to a saved source, and returns where that led.
async fn connect(ada: &mut Browser, presets: &str) -> String {
    let page = ada.get(presets).await.expect(200);
    assert!(page.has("Back to the gateway"));
    let okta = page.between("new?preset=okta", "\"");
    let new = format!(
        "{}{}",
        presets.split('?').next().unwrap(),
        unescaped(&format!("?preset=okta{okta}"))
    );
    let form = ada.get(&new).await.expect(200);
    let action = unescaped(&form.between("class=\"form\" method=\"post\" action=\"", "\""));
    // Refused once, everything is still there.
    let mut fields = unchecked("Okta", "https://login.example.com");
    fields[1] = ("name", "");
    let refused = ada.post(&action, &fields).await.expect(422);
    let action = unescaped(&refused.between("class=\"form\" method=\"post\" action=\"", "\""));
    fields[1] = ("name", "Okta");
    ada.post(&action, &fields).await.expect(303).location()
}

#[tokio::test]
async fn what_was_entered_is_there_again_after_a_provider_was_connected_and_the_source_is_chosen() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let new = format!("{project}/gateways/new");
    let typed = filled(&[
        ("name", "Support & <desk>"),
        ("slug", "support"),
        ("description", "For the desk"),
        ("instructions", "Be kind.\nAlways."),
        ("authentication_mode", "user_source"),
        ("trusted", "https://claude.ai/oauth/mcp-oauth-client-metadata"),
        ("own_client", "https://tool.example/client.json"),
        ("access_token_seconds", "600"),
        ("connect", "yes"),
    ]);
    let presets = ada.post(&new, &typed).await.expect(303).location();
    assert!(
        presets.starts_with(&format!("{project}/user-sources/new?")),
        "{presets}"
    );
    let form = connect(&mut ada, &presets).await;
    let page = ada.get(&form).await.expect(200);
    assert!(
        page.has("The User Source is saved and chosen for the gateway below"),
        "{}",
        page.body
    );
    for text in [
        "value=\"Support &#38; &#60;desk&#62;\"",
        "value=\"support\"",
        "value=\"For the desk\"",
        "Be kind.\nAlways.",
        "value=\"600\"",
        "The values below came with the link",
    ] {
        assert!(page.has(text), "{text}");
    }
    assert!(!form.contains("tool.example") && !page.has("https://tool.example/client.json"));
    let listed = ada
        .api(
            "GET",
            &format!("/api/v1{project}/user-sources"),
            serde_json::json!({}),
        )
        .await;
    let listed: serde_json::Value = serde_json::from_str(&listed.expect(200).body).unwrap();
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert!(page.has(&format!("<option value=\"{id}\" selected>Okta</option>")));
    // Loaded again it is the same, and nothing was created by looking.
    assert!(ada.get(&form).await.expect(200).has("value=\"For the desk\""));
    assert!(
        bench
            .test
            .app
            .gateways()
            .directory
            .current()
            .unwrap()
            .gateway("support")
            .is_none()
    );
}

#[tokio::test]
async fn a_gateway_that_is_being_edited_waits_too() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let made = super::bench::gateway(
        &bench,
        &project,
        NewGateway {
            name: "Office".to_owned(),
            slug: "office".to_owned(),
            authentication_mode: Some(Mode::ProjectMembers),
            ..NewGateway::default()
        },
    )
    .await;
    let edit = format!("{project}/gateways/{}/edit", made.id);
    let typed = [
        ("name", "Typed"),
        ("slug", "office"),
        ("authentication_mode", "user_source"),
        ("connect", "yes"),
    ];
    let presets = ada.post(&edit, &filled(&typed)).await.expect(303).location();
    let form = connect(&mut ada, &presets).await;
    assert!(form.starts_with(&format!("{edit}?")), "{form}");
    let page = ada.get(&form).await.expect(200);
    assert!(
        page.has("value=\"Typed\"") && page.has(" selected>Okta</option>") && page.has("name=\"version\"")
    );
    let (app, project_id) = (&bench.test.app, project_of(&project));
    let stored = gateways::find(app, &operator(), project_id, made.id)
        .await
        .unwrap();
    assert_eq!(stored, made, "nothing is saved yet");
}

#[tokio::test]
async fn a_link_of_a_stranger_makes_no_client_trusted_and_is_called_what_it_is() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let own = "https://tool.example/client.json";
    let made = super::bench::gateway(
        &bench,
        &project,
        NewGateway {
            name: "Office".to_owned(),
            slug: "office".to_owned(),
            authentication_mode: Some(Mode::ProjectMembers),
            trusted_clients: vec![TrustedClient {
                url: own.to_owned(),
                allow_loopback: false,
            }],
            ..NewGateway::default()
        },
    )
    .await;
    let known = KNOWN_CLIENTS[0].url;
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("gateway.name", "Typed"),
            ("gateway.authentication_mode", "project_members"),
            ("gateway.trusted", known),
            ("gateway.trusted_loopback", known),
            ("gateway.own_client", "https://evil.example/client.json"),
            ("gateway.own_loopback", "0"),
        ])
        .finish();
    let trusts =
        |page: &Answer, field: &str| page.has(&format!("name=\"{field}\" value=\"{known}\" checked"));
    for (path, keeps) in [
        (format!("{project}/gateways/{}/edit", made.id), true),
        (format!("{project}/gateways/new"), false),
    ] {
        let page = ada.get(&format!("{path}?{query}")).await.expect(200);
        assert!(page.has("value=\"Typed\"") && page.has("The values below came with the link to this page."));
        assert!(!trusts(&page, "trusted") && !trusts(&page, "trusted_loopback"));
        assert!(!page.has("evil.example"));
        assert_eq!(page.has(&format!("value=\"{own}\"")), keeps, "what it has stays");
        let plain = ada.get(&path).await.expect(200);
        assert!(!plain.has("The values below came with the link"));
    }
}

#[tokio::test]
async fn a_saved_source_leads_on_to_a_gateway_that_has_it() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    source(&bench, &project, "Another").await;
    let path = ada.source(&project, "Okta").await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("then create a gateway for it"));
    let link = format!("{project}/gateways/new?source={id}");
    assert!(page.has(&format!("href=\"{link}\">Create gateway</a>")));
    let form = ada.get(&link).await.expect(200);
    assert!(form.has(&format!("<option value=\"{id}\" selected>Okta</option>")));
    let nonsense = ada
        .get(&format!("{project}/gateways/new?source=nonsense"))
        .await
        .expect(200);
    assert!(!nonsense.has("\" selected>Okta"));
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    assert!(!viewer.get(&path).await.expect(200).has("Create gateway"));
}

#[tokio::test]
async fn with_an_inactive_source_only_the_form_names_it_and_activates_it_on_the_way() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let okta = source(&bench, &project, "Okta production").await;
    let change = UserSourcePatch {
        status: Patch::Set(UserSourceStatus::Inactive),
        ..UserSourcePatch::default()
    };
    let (app, project_id, any) = (&bench.test.app, project_of(&project), IfMatch::Any);
    user_sources::update(app, &operator(), project_id, okta.id, change, &any, Run::Change)
        .await
        .unwrap();
    let new = format!("{project}/gateways/new");
    let page = ada.get(&new).await.expect(200);
    assert!(
        page.has("No User Source is active: <bdi>Okta production</bdi> is inactive."),
        "{}",
        page.body
    );
    let id = okta.id.to_string();
    let typed = filled(&[
        ("name", "Typed"),
        ("authentication_mode", "user_source"),
        ("activate", &id),
    ]);
    let form = ada.post(&new, &typed).await.expect(303).location();
    let page = ada.get(&form).await.expect(200);
    assert!(page.has("value=\"Typed\"") && page.has(&format!("<option value=\"{id}\" selected>")));
    let stored = user_sources::find(app, &operator(), project_id, okta.id)
        .await
        .unwrap();
    assert_eq!(stored.status, UserSourceStatus::Active);
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    viewer.post(&new, &typed).await.expect(403);
}

#[tokio::test]
async fn a_form_that_is_too_long_to_be_kept_says_so_and_stays() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let long = "All of it. ".repeat(800);
    let typed = filled(&[("name", "Typed"), ("instructions", &long), ("connect", "yes")]);
    let refused = ada
        .post(&format!("{project}/gateways/new"), &typed)
        .await
        .expect(422);
    assert!(
        refused.has("too long to be kept") && refused.has("value=\"Typed\"") && refused.has("All of it. All")
    );
}
