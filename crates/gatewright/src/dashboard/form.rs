//! Forms: what was posted, and how it is shown again when something is wrong with it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::extract::{FromRequest, FromRequestParts, Request};
use gatewright_domain::secret::Secret;
use http::{StatusCode, request::Parts};
use url::form_urlencoded;

use super::error::PageError;
use crate::{
    app::App,
    request::read_body,
    service::{ServiceError, error::Conflict},
};

/// The largest form is a gateway with thousands of chosen tools.
const MAX_BYTES: usize = 512 * 1024;
/// Forms come in one packet or two, also over a bad connection.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a browser posted. A form with a password in it is not to be logged, so it cannot be printed.
pub(super) struct Posted(Vec<(String, String)>);

impl FromRequest<Arc<App>> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, PageError> {
        let bytes = read_body(request.into_body(), MAX_BYTES, DEADLINE).await?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}

/// The query of a page, whatever stands in it.
pub(super) struct Asked(Posted);

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(Posted(
            form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        )))
    }
}

impl Asked {
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

    /// A field that nobody may see, exactly as typed.
    pub(super) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.raw(name))
    }

    fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A form to show: its fields with what stands in them, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Form {
    values: Vec<(&'static str, String)>,
    errors: Vec<(String, String)>,
    general: Vec<String>,
}

impl Form {
    /// A form with these values in it.
    pub(super) fn with<const N: usize>(values: [(&'static str, &str); N]) -> Self {
        Self {
            values: values.map(|(name, value)| (name, value.to_owned())).into(),
            ..Self::default()
        }
    }

    /// The form again, with what was typed and what is wrong with it. `fields` are those that show their own errors;
    /// whatever is wrong elsewhere stands above the form. What is no fault of the input is a page of its own.
    pub(super) fn refused(
        posted: &Posted,
        shown: &[&'static str],
        hidden: &[&'static str],
        error: ServiceError,
    ) -> Result<Self, PageError> {
        let mut form = Self {
            values: shown
                .iter()
                .map(|name| (*name, posted.text(name).to_owned()))
                .collect(),
            ..Self::default()
        };
        match error {
            ServiceError::Invalid(invalid) => {
                for violation in invalid.violations() {
                    let name = violation.pointer.trim_start_matches('/');
                    if shown.contains(&name) || hidden.contains(&name) {
                        form.errors.push((name.to_owned(), violation.detail.clone()));
                    } else {
                        form.general.push(violation.detail.clone());
                    }
                }
            }
            ServiceError::Conflict(conflict) => form.general.push(conflict_text(&conflict)),
            other => return Err(other.into()),
        }
        Ok(form)
    }

    /// What stands in a field.
    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(other, _)| *other == name);
        found.map_or("", |(_, value)| value)
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

/// A conflict in a sentence or two, with the names of what stands in the way.
pub(super) fn conflict_text(conflict: &Conflict) -> String {
    conflict.detail.clone()
}

#[cfg(test)]
mod tests {
    use gatewright_domain::Invalid;

    use super::*;

    #[test]
    fn what_is_wrong_stands_beside_its_field_and_what_was_typed_stays() {
        let posted = Posted(vec![
            ("name".to_owned(), " Ada ".to_owned()),
            ("password".to_owned(), " secret ".to_owned()),
        ]);
        assert_eq!(posted.secret("password").expose(), " secret ");
        let mut invalid = Invalid::one("/password", "Too short.");
        invalid.add("/elsewhere", "No such field.");
        let form = Form::refused(&posted, &["name"], &["password"], invalid.into()).unwrap();
        assert_eq!(form.value("name"), "Ada");
        assert_eq!(form.value("password"), "", "a secret is never shown again");
        assert_eq!(form.error("password"), Some("Too short."));
        assert_eq!(form.error("name"), None);
        assert!(form.is_first_error("password") && form.is_refused());
        assert_eq!(form.general(), ["No such field."]);
    }

    #[test]
    fn what_is_no_fault_of_the_input_is_a_page_of_its_own() {
        let posted = Posted(Vec::new());
        assert!(Form::refused(&posted, &[], &[], ServiceError::not_found("project")).is_err());
        let conflict = ServiceError::conflict("The last owner stays.");
        let form = Form::refused(&posted, &[], &[], conflict).unwrap();
        assert_eq!(form.general(), ["The last owner stays."]);
    }
}
