//! `/instance/keys`: keys for programs that manage projects and accounts.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::id::ApiKeyId;
use gatewright_store::PageRequest;

use super::{Administrator, ON_A_PAGE};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    key::{self, KeyRow, LIVES, MadeKey},
    page::{self, Frame, Section},
    service::{
        IfMatch,
        api_keys::{self as service, NewInstanceKey},
    },
    session::Visit,
};

const PATH: &str = "/instance/keys";

#[derive(Template)]
#[template(path = "dashboard/instance/keys.html")]
struct KeysPage {
    frame: Frame,
    made: Option<MadeKey>,
    keys: Vec<KeyRow>,
    first: Option<String>,
    next: Option<String>,
    form: Form,
    lives: &'static [(&'static str, &'static str)],
    overlaps: &'static [(&'static str, &'static str)],
}

/// GET `/instance/keys`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    asked: Asked,
) -> Result<Response, PageError> {
    render(&app, &visit, asked.text("cursor"), None, Form::default()).await
}

/// POST `/instance/keys`. The answer is the page itself: the text of the key exists in it alone.
pub(super) async fn create(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    posted: Posted,
) -> Result<Response, PageError> {
    let new = NewInstanceKey {
        name: posted.text("name").to_owned(),
        expires_at: key::end_of_life(app.now(), posted.text("life")),
    };
    match service::create_for_instance(&app, &visit.authority, new).await {
        Ok(created) => {
            let made = MadeKey::new(created, None);
            render(&app, &visit, None, Some(made), Form::default()).await
        }
        Err(error) => {
            let form = Form::refused(&posted, &["name", "life"], &["expires_at"], error)?;
            render(&app, &visit, None, None, form).await
        }
    }
}

/// POST `/instance/keys/{key}/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    service::revoke(&app, &visit.authority, None, parse(&id)?, &IfMatch::Any).await?;
    Ok(page::done(PATH, Flash::KeyRevoked))
}

/// POST `/instance/keys/{key}/rotate`. The answer is the page itself.
pub(super) async fn rotate(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let how = key::rotation(&posted);
    match service::rotate(&app, &visit.authority, None, parse(&id)?, how).await {
        Ok(created) => {
            let made = MadeKey::new(created, Some(key::overlap_in_words(&posted)));
            render(&app, &visit, None, Some(made), Form::default()).await
        }
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            render(&app, &visit, None, None, form).await
        }
    }
}

fn parse(id: &str) -> Result<ApiKeyId, PageError> {
    id.parse().map_err(|_| PageError::NotFound("API key"))
}

async fn render(
    app: &Admin,
    visit: &Visit,
    cursor: Option<&str>,
    made: Option<MadeKey>,
    form: Form,
) -> Result<Response, PageError> {
    let request = PageRequest {
        after: cursor.map(str::to_owned),
        limit: ON_A_PAGE,
    };
    let read = service::list(app, &visit.authority, None, &request).await?;
    let now = app.now();
    Ok(page::show_with(
        form.status(),
        &KeysPage {
            frame: visit.frame(Section::InstanceKeys),
            made,
            keys: read
                .items
                .into_iter()
                .map(|key| KeyRow::new(key, PATH, now, None))
                .collect(),
            first: cursor.map(|_| PATH.to_owned()),
            next: read.next.map(|next| format!("{PATH}?cursor={next}")),
            form,
            lives: &LIVES,
            overlaps: &key::OVERLAPS,
        },
    ))
}
