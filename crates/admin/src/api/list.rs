//! Lists, page by page.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use gatewright_store::{Page, PageRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use super::{input::unknown, problem::Problem};
use crate::Admin;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// Which page to return.
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
    /// The page of a list whose IDs are `Id`; a cursor is the last ID of a page.
    pub(super) fn request<Id: FromStr>(
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<PageRequest, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::malformed(format!(
                "The parameter `limit` must be 1 to {MAX_LIMIT}."
            )));
        }
        if cursor
            .as_ref()
            .is_some_and(|cursor| Id::from_str(cursor).is_err())
        {
            return Err(Problem::malformed(
                "The parameter `cursor` must be the `next_cursor` of the page before, unchanged, and of the same list. \
                 Leave it out to begin at the first page.",
            ));
        }
        Ok(PageRequest { after: cursor, limit })
    }
}

/// The query, whatever parameters it has.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Admin>> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Admin>) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        read(query).map(Self).map_err(Problem::malformed)
    }
}

/// Reads the parameters; what is wrong with the first wrong one, by its name and never by its value.
fn read<T: DeserializeOwned>(query: &str) -> Result<T, String> {
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let name = error.path().to_string();
        let message = error.into_inner().to_string();
        if let Some((name, nearest)) = unknown(&message) {
            return match nearest {
                Some(nearest) => format!("There is no parameter `{name}` here. Did you mean `{nearest}`?"),
                None => format!("There is no parameter `{name}` here: leave it out."),
            };
        }
        match message.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
            Some(name) => format!("The parameter `{name}` is there more than once: send it once."),
            None => format!(
                "The value of the parameter `{name}` does not have the form that `/api/openapi.json` describes for it: correct it."
            ),
        }
    })
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> String {
        read::<Paging>(query).unwrap_err()
    }

    #[test]
    fn a_wrong_parameter_is_reported_by_its_name() {
        let paging: Paging = read("limit=5&cursor=a").unwrap();
        assert_eq!((paging.limit, paging.cursor.as_deref()), (Some(5), Some("a")));
        assert!(told("limt=5").contains("Did you mean `limit`?"));
        assert!(told("xyz=5").contains("no parameter `xyz`"));
        assert!(told("cursor=a&cursor=b").contains("`cursor` is there more than once"));
        let wrong = told("cursor=a&limit=s3cr3t");
        assert!(wrong.contains("`limit`") && !wrong.contains("s3cr3t"), "{wrong}");
    }
}
