//! The page on which something is deleted: what is deleted with it, what prevents it, and the word that confirms it.

use std::{fmt::Display, str::FromStr, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::Invalid;

use super::{
    counted::noun,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    list::GatewayLink,
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
};
use crate::{Admin, service::ServiceError};

/// Something that is deleted too: how many, and what it is.
pub(super) struct Going {
    pub(super) count: i64,
    pub(super) label: String,
}

impl Going {
    /// The number and the word, with `more` after it.
    pub(super) fn of(count: i64, one: &str, more: &str) -> Self {
        Self {
            count,
            label: format!("{}{more}", noun(count, one)),
        }
    }

    /// Sessions, with those that sleep.
    pub(super) fn sessions(count: i64, asleep: i64) -> Self {
        let paused = match asleep {
            0 => String::new(),
            asleep => format!(" ({asleep} paused)"),
        };
        Self::of(count, "session", &paused)
    }
}

/// Something that prevents it.
pub(super) struct InTheWay {
    pub(super) title: String,
    pub(super) way_out: String,
    pub(super) gateways: Vec<GatewayLink>,
}

/// The gateways that are touched, under a title.
pub(super) struct Touched {
    pub(super) title: String,
    pub(super) gateways: Vec<GatewayLink>,
    /// How many more there are.
    pub(super) more: usize,
}

/// What the page says about one thing.
pub(super) struct Told {
    /// What people call it.
    pub(super) name: String,
    /// What to enter to confirm.
    pub(super) confirm: String,
    /// What deleting it means.
    pub(super) means: &'static str,
    pub(super) in_the_way: Option<InTheWay>,
    pub(super) goes: Vec<Going>,
    pub(super) touched: Option<Touched>,
    /// What else there is to know. A URL in it is between backticks.
    pub(super) note: Option<String>,
}

/// A kind of things with such a page.
pub(super) trait Deletable {
    type Id: FromStr + Display + Copy + Send + Sync;

    /// Its name in the path, and what messages call it.
    const PARAMETER: &'static str;
    const NOUN: &'static str;
    /// Where the list of them is.
    const LIST: &'static str;
    const SECTION: Section;
    const DELETED: Flash;
    /// The field that confirms, and what it asks for: the name or the ID.
    const FIELD: &'static str = "confirm_name";
    const ASKS_FOR: &'static str = "name";

    /// What the page says. `is_refused` after an attempt to delete it, which says itself what prevents it.
    fn told(
        app: &Admin,
        place: &InProject,
        id: Self::Id,
        is_refused: bool,
    ) -> impl Future<Output = Result<Told, PageError>> + Send;

    /// Deletes it.
    fn delete(
        app: &Admin,
        place: &InProject,
        id: Self::Id,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

#[derive(Template)]
#[template(path = "dashboard/deleting.html")]
struct DeletePage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    path: String,
    noun: &'static str,
    field: &'static str,
    asks_for: &'static str,
    told: Told,
}

impl DeletePage {
    fn label(&self) -> String {
        format!("Enter the {} of the {} to confirm", self.asks_for, self.noun)
    }
}

/// GET `…/delete`.
pub(super) async fn show<D: Deletable>(
    State(app): State<Arc<Admin>>,
    place: InProject,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id = place.id(D::PARAMETER, D::NOUN)?;
    render::<D>(&app, &place, id, Form::default()).await
}

/// POST `…/delete`.
pub(super) async fn delete<D: Deletable>(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: D::Id = place.id(D::PARAMETER, D::NOUN)?;
    let confirm = D::told(&app, &place, id, true).await?.confirm;
    let deleted = match confirmed(&posted, D::FIELD, D::ASKS_FOR, D::NOUN, &confirm) {
        Ok(()) => D::delete(&app, &place, id).await,
        Err(not_it) => Err(not_it.into()),
    };
    match deleted {
        Ok(()) => Ok(page::done(&place.path(D::LIST), D::DELETED)),
        Err(error) => {
            let form = Form::refused(&posted, &[D::FIELD], &[], error)?;
            render::<D>(&app, &place, id, form).await
        }
    }
}

/// Fails unless the confirmation was entered, so that the wrong object is not deleted by mistake.
pub(super) fn confirmed(
    posted: &Posted,
    field: &str,
    asks_for: &str,
    noun: &str,
    confirm: &str,
) -> Result<(), Invalid> {
    if posted.text(field) == confirm {
        return Ok(());
    }
    let detail = format!(
        "This is not the {asks_for} of the {noun}: enter `{confirm}` to confirm. Nothing was deleted."
    );
    Err(Invalid::one(format!("/{field}"), detail))
}

async fn render<D: Deletable>(
    app: &Admin,
    place: &InProject,
    id: D::Id,
    form: Form,
) -> Result<Response, PageError> {
    let told = D::told(app, place, id, form.is_refused()).await?;
    Ok(page::show_with(
        form.status(),
        &DeletePage {
            frame: place.frame(D::SECTION),
            project: place.project.clone(),
            path: place.path(&format!("{}/{id}", D::LIST)),
            noun: D::NOUN,
            field: D::FIELD,
            asks_for: D::ASKS_FOR,
            form,
            told,
        },
    ))
}
