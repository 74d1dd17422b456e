//! `/projects/{project}/user-sources/new`: first the kind of provider, then a form with what to do there beside it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::user_source::Callback;

use super::fields::{self, SECRET, SHOWN};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    gateways::Draft,
    page::{self, Frame, ProjectLink, Section},
    service::{
        provider_presets::{self, ProviderPreset},
        user_sources as service,
    },
    session::InProject,
};

/// The preset for a provider of unknown kind, which does not name the source.
const GENERIC: &str = "generic";

/// A kind of provider to choose.
struct PresetLink {
    id: String,
    name: String,
    initial: String,
    text: String,
}

#[derive(Template)]
#[template(path = "dashboard/user_sources/presets.html")]
struct PresetsPage {
    frame: Frame,
    project: ProjectLink,
    presets: Vec<PresetLink>,
    callback: String,
    /// The form of a gateway that was put aside for this.
    draft: Option<Aside>,
}

/// The form of a gateway that was set aside: what carries it along, and where it is shown again.
struct Aside {
    query: String,
    form: String,
}

#[derive(Template)]
#[template(path = "dashboard/user_sources/new.html")]
struct NewPage {
    frame: Frame,
    project: ProjectLink,
    preset: ProviderPreset,
    callback: String,
    form: Form,
    draft: Option<Aside>,
}

impl NewPage {
    /// What the issuer of this provider looks like.
    fn issuer_hint(&self) -> String {
        let example = &self.preset.issuer_example;
        let slash = match self.preset.issuer_ends_with_slash {
            Some(true) => "It ends with a slash.",
            Some(false) => "It does not end with a slash.",
            None => "A slash at the end matters.",
        };
        format!("Exactly as the provider publishes it, like {example}. {slash}")
    }

    /// Why this claim.
    fn subject_hint(&self) -> String {
        let claim = &self.preset.subject_claim;
        format!(
            "The claim of the ID token that always identifies the same user: {claim} for this provider. Not email: an address \
             can pass to someone else."
        )
    }
}

/// GET `/projects/{project}/user-sources/new`, with `?preset=` once one is chosen.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let draft = Draft::asked(&asked);
    let chosen = asked.text("preset").and_then(|id| preset(&app, id));
    let Some(preset) = chosen else {
        return Ok(page::show(&PresetsPage {
            frame: place.frame(Section::UserSources),
            project: place.project.clone(),
            presets: provider_presets::list(&app).into_iter().map(link).collect(),
            callback: app.config.callback_url(),
            draft: draft.map(|draft| aside(&place, &draft)),
        }));
    };
    // An issuer without a placeholder is the same for everyone.
    let issuer = if preset.issuer_pattern.contains('{') {
        ""
    } else {
        &preset.issuer_pattern
    };
    let name = if preset.id == GENERIC { "" } else { &preset.name };
    let form = Form::with([
        ("name", name),
        ("issuer", issuer),
        ("scopes", &preset.scopes.join(" ")),
        ("subject_claim", &preset.subject_claim),
        ("client_authentication", preset.client_authentication.as_str()),
        ("callback", Callback::default().as_str()),
    ]);
    Ok(render(&app, &place, preset, form, draft))
}

/// POST `/projects/{project}/user-sources/new`. Where the form of a gateway was put aside for this, the way leads back to it.
pub(super) async fn create(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
    posted: Posted,
) -> Result<Response, PageError> {
    let draft = Draft::asked(&asked);
    let new = fields::new_source(&posted);
    match service::create(&app, &place.visit.authority, place.project.id, new).await {
        Ok(saved) => {
            if let Some(draft) = draft {
                let form = draft.form_with(&place, Some(saved.entity.id));
                return Ok(page::done(&form, Flash::SourceCreatedForGateway));
            }
            let path = place.path(&format!("/user-sources/{}", saved.entity.id));
            Ok(page::done(&path, Flash::SourceCreated))
        }
        Err(error) => {
            let form = Form::refused(&posted, &SHOWN, &[SECRET], error)?;
            let preset = preset(&app, posted.text("preset")).or_else(|| preset(&app, GENERIC));
            let preset = preset.ok_or(PageError::NotFound("kind of provider"))?;
            Ok(render(&app, &place, preset, form, draft))
        }
    }
}

fn link(preset: ProviderPreset) -> PresetLink {
    let is_known = preset.id != GENERIC;
    PresetLink {
        initial: if is_known {
            page::initial(&preset.name)
        } else {
            "…".to_owned()
        },
        text: if is_known {
            preset.issuer_pattern.replace("https://", "")
        } else {
            "Any with OpenID Connect".to_owned()
        },
        id: preset.id,
        name: if is_known {
            preset.name
        } else {
            "Another provider".to_owned()
        },
    }
}

fn preset(app: &Admin, id: &str) -> Option<ProviderPreset> {
    provider_presets::list(app)
        .into_iter()
        .find(|preset| preset.id == id)
}

fn aside(place: &InProject, draft: &Draft) -> Aside {
    Aside {
        query: draft.query().to_owned(),
        form: draft.form_with(place, None),
    }
}

fn render(
    app: &Admin,
    place: &InProject,
    preset: ProviderPreset,
    form: Form,
    draft: Option<Draft>,
) -> Response {
    page::show_with(
        form.status(),
        &NewPage {
            frame: place.frame(Section::UserSources),
            project: place.project.clone(),
            preset,
            callback: app.config.callback_url(),
            form,
            draft: draft.map(|draft| aside(place, &draft)),
        },
    )
}
