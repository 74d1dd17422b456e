//! `/projects/{project}/gateways/{gateway}/edit`: every field, at any time. What ends sessions or changes the URL is
//! confirmed first.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId};

use super::{
    draft,
    editor::{self, After},
    fields,
    kind::Kind,
    tree::Step,
};
use crate::{
    Admin,
    counted::{self, counted},
    error::PageError,
    flash::Flash,
    form::{Asked, Posted},
    page::{self, Frame, ProjectLink, Section},
    service::{
        IfMatch, Version,
        effects::{Done, Effects, Run},
        gateways as service, user_sources,
    },
    session::InProject,
};

/// Fields of the form that say what is done with it, not what it holds.
const STEPS: [&str; 8] = [
    "confirmed",
    "back",
    Kind::Tools.names().look,
    Kind::Tools.names().choose,
    Kind::Prompts.names().look,
    Kind::Prompts.names().choose,
    Kind::Resources.names().look,
    Kind::Resources.names().choose,
];

/// What differs, before and after.
struct Difference {
    label: &'static str,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    project: ProjectLink,
    path: String,
    name: String,
    differences: Vec<Difference>,
    users: i64,
    sessions: i64,
    /// "3 sessions (1 paused)".
    sessions_in_words: String,
    ends_sessions: bool,
    changes_url: bool,
    /// What was entered, to be sent again.
    typed: Vec<(String, String)>,
    button: String,
}

/// GET `/projects/{project}/gateways/{gateway}/edit`, with the form that was set aside to create a source.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let gateway = find(&app, &place).await?;
    if let Some(typed) = draft::read(&asked, Some(&gateway)) {
        return editor::from_link(&app, &place, &typed, Some(&gateway)).await;
    }
    let after = After {
        gateway: Some(&gateway),
        posted: None,
        step: None,
        is_from_link: false,
    };
    editor::show(&app, &place, fields::of_gateway(&gateway), after).await
}

/// POST `/projects/{project}/gateways/{gateway}/edit`.
pub(super) async fn save(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let gateway = find(&app, &place).await?;
    if let Some(aside) = draft::put_aside(&app, &place, &posted, Some(&gateway)).await? {
        return Ok(aside);
    }
    let step = Step::of(&posted);
    if step.is_some() || !posted.text("back").is_empty() {
        return editor::again(&app, &place, &posted, Some(&gateway), step).await;
    }
    let (authority, project) = (&place.visit.authority, place.project.id);
    let if_match = IfMatch::OneOf(vec![Version(posted.text("version").to_owned())]);
    if posted.text("confirmed") != "yes" {
        let patch = fields::patch(&posted, &gateway);
        match service::update(
            &app,
            authority,
            project,
            gateway.id,
            patch,
            &if_match,
            Run::Rehearsal,
        )
        .await
        {
            Ok(Done::WouldTouch(effects)) if is_felt(&effects) => {
                return confirm(&app, &place, &gateway, &posted, &effects).await;
            }
            Ok(_) => {}
            Err(error) => return editor::refused(&app, &place, &posted, Some(&gateway), error).await,
        }
    }
    let patch = fields::patch(&posted, &gateway);
    match service::update(
        &app,
        authority,
        project,
        gateway.id,
        patch,
        &if_match,
        Run::Change,
    )
    .await
    {
        Ok(_) => {
            let detail = place.path(&format!("/gateways/{}", gateway.id));
            Ok(page::done(&detail, Flash::GatewaySaved))
        }
        Err(error) => editor::refused(&app, &place, &posted, Some(&gateway), error).await,
    }
}

async fn find(app: &Admin, place: &InProject) -> Result<Gateway, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    Ok(service::find(app, &place.visit.authority, place.project.id, id).await?)
}

/// Whether anyone but the administrators notices the change.
const fn is_felt(effects: &Effects) -> bool {
    effects.changes_url || (effects.ends_sessions && effects.sessions() > 0)
}

async fn confirm(
    app: &Admin,
    place: &InProject,
    gateway: &Gateway,
    posted: &Posted,
    effects: &Effects,
) -> Result<Response, PageError> {
    let sessions = counted(effects.sessions(), "session");
    let button = match (effects.ends_sessions, effects.changes_url) {
        (true, _) if effects.sessions() > 0 => format!("Change it and end {sessions}"),
        (true, _) => "Change it".to_owned(),
        (false, _) => "Change the URL".to_owned(),
    };
    let typed = posted.pairs().filter(|(name, _)| !STEPS.contains(name));
    Ok(page::show(&ConfirmPage {
        frame: place.frame(Section::Gateways),
        project: place.project.clone(),
        path: place.path(&format!("/gateways/{}", gateway.id)),
        name: gateway.name.clone(),
        differences: differences(app, place, gateway, posted).await?,
        users: effects.users,
        sessions: effects.sessions(),
        sessions_in_words: counted::sessions(effects.live_grants, effects.sleeping_grants),
        ends_sessions: effects.ends_sessions,
        changes_url: effects.changes_url,
        typed: typed
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        button,
    }))
}

/// What differs of the fields that are felt.
async fn differences(
    app: &Admin,
    place: &InProject,
    gateway: &Gateway,
    posted: &Posted,
) -> Result<Vec<Difference>, PageError> {
    let mode = gateway.authentication.mode();
    let chosen = fields::mode(posted).unwrap_or(mode);
    let slug = match posted.text("slug") {
        "" => "A new one".to_owned(),
        slug => app.config.gateway_url(slug),
    };
    let source = match (fields::new_gateway(posted).user_source_id, chosen) {
        (None, _) => "None".to_owned(),
        (Some(id), _) => name_of_source(app, place, id).await?,
    };
    let before = match gateway.authentication.user_source() {
        Some(id) => name_of_source(app, place, id).await?,
        None => "None".to_owned(),
    };
    let all = [
        (
            "Who its users are",
            mode.label().to_owned(),
            chosen.label().to_owned(),
        ),
        ("User Source", before, source),
        ("URL", app.config.gateway_url(&gateway.slug), slug),
    ];
    let differing = all.into_iter().filter(|(_, before, after)| before != after);
    Ok(differing
        .map(|(label, before, after)| Difference { label, before, after })
        .collect())
}

async fn name_of_source(
    app: &Admin,
    place: &InProject,
    id: gatewright_domain::id::UserSourceId,
) -> Result<String, PageError> {
    match user_sources::find(app, &place.visit.authority, place.project.id, id).await {
        Ok(source) => Ok(source.name),
        Err(crate::service::ServiceError::NotFound { .. }) => Ok("One that was deleted".to_owned()),
        Err(error) => Err(error.into()),
    }
}
