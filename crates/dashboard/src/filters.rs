//! Filters of a list. They are in the URL, so that a view can be kept, shared and returned to.

use url::form_urlencoded;

use super::{
    error::PageError,
    form::{Asked, Form},
    session::InProject,
};
use crate::{
    Admin,
    service::names::{self, Choice, Kind},
};

/// What a list is filtered by.
pub(super) struct Filters {
    /// The values of the fields.
    pub(super) form: Form,
    path: String,
    names: &'static [&'static str],
}

/// The address at the API of all that these filters leave, to which pages add a format.
pub(super) fn at_api(api: &str, filters: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in filters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "&" };
    format!("{api}?{query}{mark}")
}

impl Filters {
    /// The filters of these names in the address of a page of a project.
    pub(super) fn read(place: &InProject, path: &str, asked: &Asked, names: &'static [&'static str]) -> Self {
        Self::at(place.path(path), asked, names)
    }

    /// The same in the address of any page.
    pub(super) fn at(path: String, asked: &Asked, names: &'static [&'static str]) -> Self {
        Self {
            form: Form::asked(asked, names),
            path,
            names,
        }
    }

    /// A filter that is set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        Some(self.form.value(name)).filter(|text| !text.is_empty())
    }

    /// Whether any is set.
    pub(super) fn is_set(&self) -> bool {
        self.names.iter().any(|name| self.text(name).is_some())
    }

    /// The address without any of them.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The filters as in an address, with the question mark; empty when none is set.
    pub(super) fn query(&self, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in self.names {
            if let Some(text) = self.text(name) {
                query.append_pair(name, text);
            }
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        let query = query.finish();
        if query.is_empty() {
            query
        } else {
            format!("?{query}")
        }
    }

    /// The address with one of them set to another value, or, if that is empty, without it.
    pub(super) fn with(&self, changed: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in self.names {
            let text = if *name == changed {
                Some(value)
            } else {
                self.text(name)
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                query.append_pair(name, text);
            }
        }
        format!("{}?{}", self.path, query.finish())
    }

    /// The address at the API of all that they leave. `names` are the filters, and what the API calls them.
    pub(super) fn export(&self, api: &str, names: &[(&str, &str)]) -> String {
        let called = names
            .iter()
            .map(|(name, called)| (*called, self.text(name).map(str::to_owned)));
        at_api(api, &called.collect::<Vec<_>>())
    }

    /// The address of a page of what they leave.
    pub(super) fn address(&self, cursor: Option<&str>) -> String {
        format!("{}{}", self.path, self.query(cursor))
    }
}

/// What a filter by gateway offers: ID and name of each, always including the chosen one.
pub(super) async fn gateways(
    app: &Admin,
    place: &InProject,
    chosen: Option<&str>,
) -> Result<Vec<(String, String)>, PageError> {
    choices(app, place, Choice::Gateway, Kind::Gateway, chosen).await
}

/// What a filter by server offers, in the same way.
pub(super) async fn servers(
    app: &Admin,
    place: &InProject,
    chosen: Option<&str>,
) -> Result<Vec<(String, String)>, PageError> {
    choices(app, place, Choice::Server, Kind::Server, chosen).await
}

/// What a filter by source offers, in the same way.
pub(super) async fn sources(
    app: &Admin,
    place: &InProject,
    chosen: Option<&str>,
) -> Result<Vec<(String, String)>, PageError> {
    choices(app, place, Choice::UserSource, Kind::UserSource, chosen).await
}

async fn choices(
    app: &Admin,
    place: &InProject,
    choice: Choice,
    kind: Kind,
    chosen: Option<&str>,
) -> Result<Vec<(String, String)>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let mut offered = names::to_choose_from(app, authority, project, choice).await?;
    if let Some(id) = chosen
        && !offered.iter().any(|(other, _)| other == id)
    {
        let named = names::of(app, authority, project, kind, [id.to_owned()]).await?;
        offered.extend(named);
    }
    offered.sort_by_cached_key(|(_, name)| name.to_lowercase());
    Ok(offered)
}
