//! The fields of a source between form and service.

use gatewright_domain::{
    Timestamp,
    registration::AuthenticationChoice,
    user_source::{Callback, UserSource},
    words::Worded,
};

use crate::{
    form::{Form, Posted},
    service::{
        Patch,
        user_sources::{NewUserSource, UserSourcePatch},
    },
};

/// What a form shows again after a refusal: everything but the client secret.
pub(super) const SHOWN: [&str; 10] = [
    "name",
    "description",
    "issuer",
    "client_id",
    EXPIRES,
    "client_authentication",
    "scopes",
    "subject_claim",
    "callback",
    "skip_validation",
];

/// The field that is never shown again.
pub(super) const SECRET: &str = "client_secret";

/// The day on which the client secret expires.
pub(super) const EXPIRES: &str = "client_secret_expires_at";

/// The entered scopes, with spaces or commas between them.
pub(super) fn scopes(text: &str) -> Vec<String> {
    text.split([' ', ',', '\t', '\n', '\r'])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether to save without asking the provider.
pub(super) fn skips_validation(posted: &Posted) -> bool {
    posted.text("skip_validation") == "yes"
}

/// Where the provider sends people back to.
pub(super) fn callback(posted: &Posted) -> Callback {
    Callback::of_word(posted.text("callback")).unwrap_or_default()
}

/// What is stored, as the form shows it.
fn stored(source: &UserSource) -> [(&'static str, String); 9] {
    [
        ("name", source.name.clone()),
        ("description", source.description.clone()),
        ("issuer", source.issuer.clone()),
        ("client_id", source.client_id.clone()),
        (
            EXPIRES,
            source.client_secret_expires_at.map(day).unwrap_or_default(),
        ),
        (
            "client_authentication",
            source.client_authentication.choice.as_str().to_owned(),
        ),
        ("scopes", source.scopes.join(" ")),
        ("subject_claim", source.subject_claim.clone()),
        ("callback", source.callback.as_str().to_owned()),
    ]
}

/// A form with what is stored in it.
pub(super) fn of_source(source: &UserSource) -> Form {
    Form::of(stored(source).into())
}

/// Fills in the stored value of what was not posted: a form may ask for one field only.
pub(super) fn fill(posted: &mut Posted, source: &UserSource) {
    for (name, value) in stored(source) {
        posted.fill(name, &value);
    }
}

/// What was typed, as a new source.
pub(super) fn new_source(posted: &Posted) -> NewUserSource {
    let text = |name| posted.text(name).to_owned();
    NewUserSource {
        name: text("name"),
        description: text("description"),
        issuer: text("issuer"),
        client_id: text("client_id"),
        client_secret: Some(posted.secret(SECRET)),
        client_secret_expires_at: expiry(posted),
        client_authentication: Some(authentication(posted)),
        scopes: Some(scopes(posted.text("scopes"))),
        subject_claim: Some(text("subject_claim")),
        callback: Some(callback(posted)),
        skip_validation: skips_validation(posted),
    }
}

/// The same as a change. A blank secret keeps the stored one.
pub(super) fn patch(posted: &Posted) -> UserSourcePatch {
    UserSourcePatch {
        client_secret: new_secret(posted),
        client_secret_expires_at: expiry(posted).map_or(Patch::Clear, Patch::Set),
        ..new_source(posted).into()
    }
}

/// The day of a moment, as a form has it.
pub(super) fn day(at: Timestamp) -> String {
    let exact = at.to_rfc3339();
    exact.get(..10).unwrap_or(&exact).to_owned()
}

/// The day that someone entered, from its beginning in UTC. What is no day is long past, and refused as such.
pub(super) fn expiry(posted: &Posted) -> Option<Timestamp> {
    let day = posted.text(EXPIRES);
    let midnight = serde_json::Value::from(format!("{day}T00:00:00Z"));
    (!day.is_empty()).then(|| serde_json::from_value(midnight).unwrap_or_default())
}

/// How the client secret is presented; an unknown choice counts as automatic.
fn authentication(posted: &Posted) -> AuthenticationChoice {
    AuthenticationChoice::of_word(posted.text("client_authentication")).unwrap_or_default()
}

/// The entered client secret, if any.
pub(super) fn new_secret(posted: &Posted) -> Patch<gatewright_domain::secret::Secret> {
    let secret = posted.secret(SECRET);
    if secret.expose().is_empty() {
        Patch::Keep
    } else {
        Patch::Set(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_separated_however_they_are_entered() {
        assert_eq!(scopes(" openid  profile,email\n"), ["openid", "profile", "email"]);
        assert!(scopes(" , ").is_empty());
    }
}
