//! Lists, page by page.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, Query},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use gatewright_store::{Page, PageRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::app::App;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// Cursors are ids, which are shorter.
const MAX_CURSOR: usize = 100;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    pub(super) cursor: Option<String>,
}

impl Paging {
    pub(super) fn request(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::malformed(format!(
                "The parameter `limit` must be 1 to {MAX_LIMIT}."
            )));
        }
        let is_cursor = |text: &String| {
            text.len() <= MAX_CURSOR
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if cursor.as_ref().is_some_and(|cursor| !is_cursor(cursor)) {
            return Err(Problem::malformed(
                "The parameter `cursor` must be the `next_cursor` of the page before, unchanged.",
            ));
        }
        Ok(PageRequest { after: cursor, limit })
    }
}

/// The query, whatever parameters it has.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, app).await;
        query.map(|Query(parameters)| Self(parameters)).map_err(|_| {
            Problem::malformed(
                "A query parameter is unknown here or has a value of the wrong form: `/api/openapi.json` lists the \
                 parameters of every operation.",
            )
        })
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    items: Vec<T>,
    /// The cursor of the next page; null on the last one.
    next_cursor: Option<String>,
}

impl<T> List<T> {
    pub(super) fn of<S>(page: Page<S>, resource: impl FnMut(S) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(resource).collect(),
            next_cursor: page.next,
        }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
