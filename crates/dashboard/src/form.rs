//! Forms: what was posted, and how it is shown again when something is wrong with it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use gatewright_domain::secret::Secret;
use http::{StatusCode, request::Parts};
use url::form_urlencoded;

use super::error::PageError;
use crate::{
    Admin,
    request::read_body,
    service::{ServiceError, error::Conflict},
};

/// The largest form is a gateway with thousands of chosen tools.
const MAX_BYTES: usize = 512 * 1024;
/// Forms come in one packet or two, also over a bad connection.
const DEADLINE: Duration = Duration::from_secs(10);

/// Said when something has changed since its form was made. What was typed is still in the form.
const FASTER: &str = "Someone else saved first, so your changes were not saved. What you typed is still here: look at what is \
                      stored now, then save again if you still want yours.";

/// What a browser posted. A form with a password in it is not to be logged, so it cannot be printed.
pub(super) struct Posted {
    fields: Vec<(String, String)>,
    /// The path of the project whose page it came from, for links to other things of it.
    project: String,
}

impl FromRequest<Arc<Admin>> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, _: &Arc<Admin>) -> Result<Self, PageError> {
        // Inside a project, the router passes on only the rest of the path; the whole one is kept separately.
        let whole = request.extensions().get::<OriginalUri>();
        let project = project_of(whole.map_or(request.uri(), |OriginalUri(uri)| uri).path()).to_owned();
        let bytes = read_body(request.into_body(), MAX_BYTES, DEADLINE).await?;
        Ok(Self {
            fields: form_urlencoded::parse(&bytes).into_owned().collect(),
            project,
        })
    }
}

/// The query of a page, whatever it contains.
pub(super) struct Asked(Posted);

impl FromRequestParts<Arc<Admin>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Admin>) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(Posted {
            fields: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            project: String::new(),
        }))
    }
}

/// The part of a path that names its project: `/projects/{project}`.
fn project_of(path: &str) -> &str {
    let end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

impl Asked {
    /// The fields whose names begin with `prefix`, without it: a form that is carried along in the address.
    pub(super) fn below(&self, prefix: &str) -> Option<Posted> {
        let fields: Vec<_> = self
            .0
            .fields
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())))
            .collect();
        (!fields.is_empty()).then(|| Posted {
            fields,
            project: String::new(),
        })
    }

    /// A parameter, when it is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        Some(self.0.text(name)).filter(|text| !text.is_empty())
    }
}

impl Posted {
    /// A field, trimmed at both ends; empty when it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// All values of a field that occurs several times, in their order, trimmed at both ends. Rows of a table are fields of
    /// one name: the third name belongs to the third value.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.fields.iter().filter(move |(other, _)| other == name);
        found.map(|(_, value)| value.trim())
    }

    /// Gives a field this value, whatever was posted.
    pub(super) fn replace(&mut self, name: &str, value: &str) {
        self.replace_all(name, [value]);
    }

    /// Gives a field that may occur several times these values, whatever was posted.
    pub(super) fn replace_all<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        self.fields.retain(|(other, _)| other != name);
        for value in values {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Sets a field that was not posted to its present value, if a form has only some of the fields.
    pub(super) fn fill(&mut self, name: &str, value: &str) {
        if !self.fields.iter().any(|(other, _)| other == name) {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Everything that was posted, for a page that asks again before it acts.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A secret field, exactly as entered.
    pub(super) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.raw(name))
    }

    /// A field exactly as typed, when it is there.
    pub(super) fn exact(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    fn raw(&self, name: &str) -> &str {
        self.exact(name).unwrap_or_default()
    }
}

/// A form to show: its fields with their values, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Form {
    values: Vec<(&'static str, String)>,
    errors: Vec<(String, String)>,
    general: Vec<String>,
    in_the_way: Vec<(String, String)>,
}

impl Form {
    /// A form with these values in it.
    pub(super) fn with<const N: usize>(values: [(&'static str, &str); N]) -> Self {
        Self {
            values: values.map(|(name, value)| (name, value.to_owned())).into(),
            ..Self::default()
        }
    }

    /// A form whose fields may occur several times.
    pub(super) fn of(values: Vec<(&'static str, String)>) -> Self {
        Self {
            values,
            ..Self::default()
        }
    }

    /// A form with what the query of a page says about these fields.
    pub(super) fn asked(asked: &Asked, names: &[&'static str]) -> Self {
        let values = names
            .iter()
            .filter_map(|name| Some((*name, asked.text(name)?.to_owned())));
        Self::of(values.collect())
    }

    /// The form again as it was typed, with nothing wrong.
    pub(super) fn again(posted: &Posted, shown: &[&'static str]) -> Self {
        let values = shown
            .iter()
            .flat_map(|name| posted.all(name).map(|value| (*name, value.to_owned())));
        Self::of(values.collect())
    }

    /// The form again, with what was typed and what is wrong with it. `fields` are those that show their own errors;
    /// other violations are shown above the form. What is not a fault of the input gets its own page.
    pub(super) fn refused(
        posted: &Posted,
        shown: &[&'static str],
        hidden: &[&'static str],
        error: ServiceError,
    ) -> Result<Self, PageError> {
        let mut form = Self::again(posted, shown);
        match error {
            ServiceError::Invalid(invalid) => {
                for violation in invalid.violations() {
                    // A fault in one row of a field is a fault of the field.
                    let whole = violation.pointer.trim_start_matches('/');
                    let name = whole.split('/').next().unwrap_or_default();
                    if shown.contains(&name) || hidden.contains(&name) {
                        form.errors.push((name.to_owned(), violation.detail.clone()));
                    } else {
                        form.general.push(violation.detail.clone());
                    }
                }
            }
            ServiceError::Conflict(conflict) => {
                form.in_the_way = in_the_way(&conflict, &posted.project);
                form.general.push(conflict.detail);
            }
            ServiceError::Stale => form.general.push(FASTER.to_owned()),
            other => return Err(other.into()),
        }
        Ok(form)
    }

    /// The value of a field.
    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(other, _)| *other == name);
        found.map_or("", |(_, value)| value)
    }

    /// All values of a field that occurs several times.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.values.iter().filter(move |(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a field has a value: a ticked box, a chosen option.
    pub(super) fn holds(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|held| held == value)
    }

    /// What is wrong with a field.
    pub(super) fn error(&self, name: &str) -> Option<&str> {
        let found = self.errors.iter().find(|(other, _)| other == name);
        found.map(|(_, detail)| detail.as_str())
    }

    /// What is wrong with the form as a whole.
    pub(super) fn general(&self) -> &[String] {
        &self.general
    }

    /// What prevents a change: its page and its name.
    pub(super) fn in_the_way(&self) -> &[(String, String)] {
        &self.in_the_way
    }

    /// The form with one more thing wrong with it as a whole.
    pub(super) fn and_wrong(mut self, detail: impl Into<String>) -> Self {
        self.general.push(detail.into());
        self
    }

    /// Whether anything is wrong.
    pub(super) fn is_refused(&self) -> bool {
        !self.errors.is_empty() || !self.general.is_empty()
    }

    /// The status of a page with this form on it.
    pub(super) fn status(&self) -> StatusCode {
        if self.is_refused() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        }
    }

    /// Whether a field is the first with something wrong: the cursor goes there.
    pub(super) fn is_first_error(&self, name: &str) -> bool {
        self.errors.first().is_some_and(|(first, _)| first == name)
    }
}

/// The gateways and servers that a conflict is about, each once.
fn in_the_way(conflict: &Conflict, project: &str) -> Vec<(String, String)> {
    let gateways = if conflict.gateways.is_empty() {
        &conflict.active_gateways
    } else {
        &conflict.gateways
    };
    let gateways = gateways
        .iter()
        .map(|(id, name)| (format!("{project}/gateways/{id}"), name.clone()));
    let servers = conflict.servers.iter();
    let servers = servers.map(|(id, name)| (format!("{project}/servers/{id}"), name.clone()));
    gateways.chain(servers).collect()
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{Invalid, id::GatewayId};

    use super::*;

    fn posted(fields: Vec<(String, String)>) -> Posted {
        Posted {
            fields,
            project: project_of("/projects/prj_1/user-sources/src_1").to_owned(),
        }
    }

    #[test]
    fn what_is_wrong_is_shown_beside_its_field_and_what_was_entered_stays() {
        let posted = posted(vec![
            ("name".to_owned(), " Ada ".to_owned()),
            ("password".to_owned(), " secret ".to_owned()),
            ("scopes".to_owned(), "openid".to_owned()),
            ("scopes".to_owned(), " email".to_owned()),
        ]);
        assert_eq!(posted.secret("password").expose(), " secret ");
        let mut invalid = Invalid::one("/password", "Too short.");
        invalid.add("/elsewhere", "No such field.");
        invalid.add("/scopes/1", "Unknown scope.");
        let form = Form::refused(&posted, &["name", "scopes"], &["password"], invalid.into()).unwrap();
        assert_eq!(form.value("name"), "Ada");
        assert_eq!(form.value("password"), "", "a secret is never shown again");
        assert_eq!(form.error("password"), Some("Too short."));
        assert_eq!(form.error("name"), None);
        assert_eq!(
            form.error("scopes"),
            Some("Unknown scope."),
            "a row is part of its field"
        );
        assert!(form.holds("scopes", "openid") && form.holds("scopes", "email"));
        assert_eq!(posted.all("scopes").collect::<Vec<_>>(), ["openid", "email"]);
        assert!(form.is_first_error("password") && form.is_refused());
        assert_eq!(form.general(), ["No such field."]);
    }

    #[test]
    fn a_field_that_was_posted_keeps_what_was_entered() {
        let mut posted = posted(vec![("name".to_owned(), String::new())]);
        posted.fill("name", "stored");
        posted.fill("issuer", "https://login.example.com");
        assert_eq!(posted.text("name"), "");
        assert_eq!(posted.text("issuer"), "https://login.example.com");
    }

    #[test]
    fn what_is_not_a_fault_of_the_input_is_a_separate_page() {
        let posted = posted(Vec::new());
        assert!(Form::refused(&posted, &[], &[], ServiceError::not_found("project")).is_err());
        let conflict = ServiceError::conflict("The last owner stays.");
        let form = Form::refused(&posted, &[], &[], conflict).unwrap();
        assert_eq!(form.general(), ["The last owner stays."]);
        let faster = Form::refused(&posted, &[], &[], ServiceError::Stale).unwrap();
        assert!(faster.general()[0].starts_with("Someone else saved first"));
    }

    #[test]
    fn what_prevents_it_is_named_and_linked_to() {
        let gateway: GatewayId = "gw_01900000000070008000000000000001".parse().unwrap();
        let conflict = Conflict {
            detail: "Used by a gateway.".to_owned(),
            active_gateways: vec![(gateway, "Support".to_owned())],
            ..Conflict::default()
        };
        let form = Form::refused(
            &posted(Vec::new()),
            &[],
            &[],
            ServiceError::Conflict(Box::new(conflict)),
        )
        .unwrap();
        let href = format!("/projects/prj_1/gateways/{gateway}");
        assert_eq!(form.in_the_way(), [(href, "Support".to_owned())]);
        assert_eq!(form.general(), ["Used by a gateway."]);
    }
}
