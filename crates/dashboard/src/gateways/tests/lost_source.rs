//! A gateway whose User Source was deleted: it says so, and can be changed and repaired.

use gatewright_domain::{
    gateway::{Gateway, GatewayStatus, Mode},
    user_source::UserSource,
};

use super::bench::{filled, gateway, operator, source};
use crate::{
    service::{
        IfMatch,
        effects::Run,
        gateways::{self as service, NewGateway},
        user_sources,
    },
    tests::bench::{Bench, Browser},
};

/// An inactive gateway that had the first of two sources, and the other one.
async fn lost(bench: &Bench, project: &str) -> (Gateway, UserSource) {
    let gone = source(bench, project, "Gone").await;
    let new = NewGateway {
        name: "Support".to_owned(),
        slug: "support".to_owned(),
        authentication_mode: Some(Mode::UserSource),
        user_source_id: Some(gone.id),
        status: Some(GatewayStatus::Inactive),
        ..NewGateway::default()
    };
    let made = gateway(bench, project, new).await;
    let (app, any) = (&bench.test.app, IfMatch::Any);
    user_sources::delete(app, &operator(), made.project_id, gone.id, &any, Run::Change)
        .await
        .unwrap();
    let other = source(bench, project, "Other").await;
    (made, other)
}

async fn stored(bench: &Bench, gateway: &Gateway) -> Gateway {
    service::find(&bench.test.app, &operator(), gateway.project_id, gateway.id)
        .await
        .unwrap()
}

async fn version(ada: &mut Browser, edit: &str) -> String {
    let form = ada.get(edit).await.expect(200);
    form.between("name=\"version\" value=\"", "\"")
}

#[tokio::test]
async fn its_page_says_what_is_missing_and_activating_it_too() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (made, _) = lost(&bench, &project).await;
    let path = format!("{project}/gateways/{}", made.id);
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("Its User Source was deleted") && page.has(&format!("{path}/edit\">Choose one")));
    let refused = ada
        .post(&format!("{path}/status"), &[("status", "active")])
        .await
        .expect(422);
    assert!(
        refused.has("cannot be activated. Choose another User Source") && refused.has("<bdi>Support</bdi>"),
        "{}",
        refused.body
    );
    assert_eq!(stored(&bench, &made).await.status, GatewayStatus::Inactive);
}

#[tokio::test]
async fn its_form_keeps_the_lost_source_chosen_so_that_the_rest_can_be_saved() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let (made, other) = lost(&bench, &project).await;
    let path = format!("{project}/gateways/{}", made.id);
    let edit = format!("{path}/edit");
    let form = ada.get(&edit).await.expect(200);
    let lost = form.between("<option value=\"src_", "</option>");
    let chosen = form
        .body
        .split("<option value=\"")
        .find(|option| option.contains(" selected"));
    let chosen = chosen.unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(
        Some(chosen.as_str()),
        made.authentication
            .user_source()
            .map(|id| id.to_string())
            .as_deref()
    );
    assert!(form.has("(deleted)</option>"), "{lost}");

    let version_now = version(&mut ada, &edit).await;
    let mut fields = vec![
        ("version", version_now.as_str()),
        ("slug", "support"),
        ("name", "Support desk"),
        ("description", "For the desk"),
        ("authentication_mode", "user_source"),
        ("user_source_id", chosen.as_str()),
    ];
    ada.post(&edit, &filled(&fields)).await.expect(303);
    let after = stored(&bench, &made).await;
    assert_eq!(
        (after.name.as_str(), after.description.as_str()),
        ("Support desk", "For the desk")
    );

    let (version_now, other_id) = (version(&mut ada, &edit).await, other.id.to_string());
    fields[0] = ("version", &version_now);
    fields[5] = ("user_source_id", &other_id);
    ada.post(&edit, &filled(&fields)).await.expect(303);
    ada.post(&format!("{path}/status"), &[("status", "active")])
        .await
        .expect(303);
    let after = stored(&bench, &made).await;
    assert_eq!(
        (after.status, after.authentication.user_source()),
        (GatewayStatus::Active, Some(other.id))
    );
    assert!(!ada.get(&path).await.has("was deleted"));
}

#[tokio::test]
async fn a_source_that_is_deleted_while_the_form_is_open_is_a_wrong_choice_and_not_a_missing_page() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let gone = "src_01900000000070008000000000000001";
    let fields = filled(&[("authentication_mode", "user_source"), ("user_source_id", gone)]);
    let refused = ada
        .post(&format!("{project}/gateways/new"), &fields)
        .await
        .expect(422);
    assert!(refused.has("user_source_id-error") && refused.has("There is no User Source with this ID"));
    let directory = bench.test.app.gateways().directory.current().unwrap();
    assert!(directory.gateway("support").is_none());
}
