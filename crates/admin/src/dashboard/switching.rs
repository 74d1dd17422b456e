//! POST `…/status`: activate and deactivate.

use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{extract::State, response::Response};
use gatewright_domain::words::Worded;

use super::{
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    page,
    session::InProject,
};
use crate::{Admin, service::ServiceError};

/// A kind of things that can be inactive.
pub(super) trait Switchable {
    type Id: FromStr + Display + Copy + Send + Sync;
    type Status: Worded + Send;

    /// Its name in the path, and what messages call it.
    const PARAMETER: &'static str;
    const NOUN: &'static str;
    /// Where the list of them is.
    const LIST: &'static str;
    const INACTIVE: Self::Status;
    const ACTIVATED: Flash;
    const DEACTIVATED: Flash;

    /// Sets its status.
    fn set(
        app: &Admin,
        place: &InProject,
        id: Self::Id,
        status: Self::Status,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Its page, with what stands in the way.
    fn render(
        app: &Admin,
        place: &InProject,
        id: Self::Id,
        form: Form,
    ) -> impl Future<Output = Result<Response, PageError>> + Send;
}

/// The handler. Where something stands in the way, the page says what.
pub(super) async fn change<S: Switchable>(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: S::Id = place.id(S::PARAMETER, S::NOUN)?;
    let status = S::Status::of_word(posted.text("status")).unwrap_or(S::INACTIVE);
    let flash = if status == S::INACTIVE {
        S::DEACTIVATED
    } else {
        S::ACTIVATED
    };
    match S::set(&app, &place, id, status).await {
        Ok(()) => Ok(page::done(&place.path(&format!("{}/{id}", S::LIST)), flash)),
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            S::render(&app, &place, id, form).await
        }
    }
}
