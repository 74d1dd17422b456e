//! The fields of a source between form and service.

use gatewright_domain::{
    registration::AuthenticationChoice,
    user_source::{Callback, UserSource},
    words::Worded,
};

use crate::{
    dashboard::form::{Form, Posted},
    service::{Patch, user_sources::UserSourcePatch},
};

/// What a form shows again after a refusal: everything but the client secret.
pub(super) const SHOWN: [&str; 9] = [
    "name",
    "description",
    "issuer",
    "client_id",
    "client_authentication",
    "scopes",
    "subject_claim",
    "callback",
    "skip_validation",
];

/// The field that is never shown again.
pub(super) const SECRET: &str = "client_secret";

/// The scopes someone typed, with spaces or commas between them.
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

/// Where the provider shall send people back to.
pub(super) fn callback(posted: &Posted) -> Callback {
    Callback::of_word(posted.text("callback")).unwrap_or_default()
}

/// A form with what is stored in it.
pub(super) fn of_source(source: &UserSource) -> Form {
    Form::with([
        ("name", &source.name),
        ("description", &source.description),
        ("issuer", &source.issuer),
        ("client_id", &source.client_id),
        (
            "client_authentication",
            source.client_authentication.choice.as_str(),
        ),
        ("scopes", &source.scopes.join(" ")),
        ("subject_claim", &source.subject_claim),
        ("callback", source.callback.as_str()),
    ])
}

/// Gives what was not posted its stored value: a form may ask for one field only.
pub(super) fn fill(posted: &mut Posted, source: &UserSource) {
    let (scopes, callback) = (source.scopes.join(" "), source.callback.as_str().to_owned());
    let authentication = source.client_authentication.choice.as_str().to_owned();
    for (name, value) in [
        ("name", &source.name),
        ("description", &source.description),
        ("issuer", &source.issuer),
        ("client_id", &source.client_id),
        ("client_authentication", &authentication),
        ("scopes", &scopes),
        ("subject_claim", &source.subject_claim),
        ("callback", &callback),
    ] {
        posted.fill(name, value);
    }
}

/// The change someone asks for. A blank secret keeps the stored one.
pub(super) fn patch(posted: &Posted) -> UserSourcePatch {
    let text = |name| Patch::Set(posted.text(name).to_owned());
    UserSourcePatch {
        name: text("name"),
        description: text("description"),
        issuer: text("issuer"),
        client_id: text("client_id"),
        client_secret: new_secret(posted),
        client_authentication: Patch::Set(authentication(posted)),
        scopes: Patch::Set(scopes(posted.text("scopes"))),
        subject_claim: text("subject_claim"),
        callback: Patch::Set(callback(posted)),
        status: Patch::Keep,
        skip_validation: skips_validation(posted).then_some(true),
    }
}

/// How the client secret is to be presented; what is no choice is the automatic one.
pub(super) fn authentication(posted: &Posted) -> AuthenticationChoice {
    AuthenticationChoice::of_word(posted.text("client_authentication")).unwrap_or_default()
}

/// The client secret someone typed, if any.
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
    fn scopes_are_told_apart_however_they_are_typed() {
        assert_eq!(scopes(" openid  profile,email\n"), ["openid", "profile", "email"]);
        assert!(scopes(" , ").is_empty());
    }
}
