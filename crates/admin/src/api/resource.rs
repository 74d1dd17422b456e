//! How handlers answer with what services return: the entity as the API shows it, with its version.

use std::fmt::Display;

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use gatewright_store::Page;
use serde::Serialize;

use super::{
    effects::EffectsResource,
    list::List,
    version::{Created, Versioned},
};
use crate::{
    Admin,
    service::{Version, effects::Done},
};

/// What the API shows of an object that services return.
pub(super) trait Resource: Serialize + Sized {
    /// What it is made of.
    type Of;

    /// Its version, for `ETag`.
    fn version(of: &Self::Of) -> Version;

    /// The resource.
    fn of(app: &Admin, of: Self::Of) -> Self;
}

/// One, with its version.
pub(super) fn shown<R: Resource>(app: &Admin, of: R::Of) -> Versioned<R> {
    Versioned {
        version: R::version(&of),
        resource: R::of(app, of),
    }
}

/// A new one, whose path ends with `id` after that of its `list`.
pub(super) fn created<R: Resource>(
    app: &Admin,
    list: &str,
    id: impl Display,
    of: R::Of,
) -> Created<Versioned<R>> {
    Created {
        location: format!("{list}/{id}"),
        content: shown(app, of),
    }
}

/// A page of a list.
pub(super) fn listed<R: Resource>(app: &Admin, page: Page<R::Of>) -> List<R> {
    List::of(page, |of| R::of(app, of))
}

/// One that was changed, or what the change would affect.
pub(super) fn changed<R: Resource>(app: &Admin, done: Done<R::Of>) -> Response {
    match done {
        Done::Changed(of) => shown::<R>(app, of).into_response(),
        Done::WouldTouch(effects) => EffectsResource::from(effects).into_response(),
    }
}

/// That one was deleted, or what the deletion would affect.
pub(super) fn deleted(done: Done<()>) -> Response {
    match done {
        Done::Changed(()) => StatusCode::NO_CONTENT.into_response(),
        Done::WouldTouch(effects) => EffectsResource::from(effects).into_response(),
    }
}
