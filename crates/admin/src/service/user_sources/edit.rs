//! What a change makes of a source, before anything is asked or written.

use gatewright_domain::{
    Invalid,
    registration::{ClientAuthentication, ClientSecretSlots},
    sealed::Purpose,
    secret::Secret,
    user_source::{
        UserSource, UserSourceFields, UserSourceStatus, check_client_secret, check_issuer,
        client_secret_context, same_origin,
    },
};
use url::Url;

use super::UserSourcePatch;
use crate::{
    Admin,
    service::{address::check_address, sealing::seal},
};

/// A source as it is to become.
pub(super) struct Edited {
    /// The row, its status apart.
    pub(super) next: UserSource,
    /// Its status, where the change names one.
    pub(super) status: Option<UserSourceStatus>,
    /// Whether another secret was typed.
    pub(super) new_secret: bool,
}

/// Applies a change to a source; all that is wrong with it is reported together.
pub(super) fn edit(app: &Admin, current: &UserSource, patch: UserSourcePatch) -> Result<Edited, Invalid> {
    let mut invalid = Invalid::default();
    let fields = UserSourceFields {
        name: patch.name.over(&current.name),
        description: patch.description.over(&current.description),
        issuer: patch.issuer.over(&current.issuer),
        client_id: patch.client_id.over(&current.client_id),
        scopes: patch.scopes.over(&current.scopes),
        subject_claim: patch.subject_claim.over(&current.subject_claim),
    };
    let callback = patch.callback.over(&current.callback);
    let typed = patch.client_secret.required_secret(
        &mut invalid,
        "/client_secret",
        "A source cannot be without a client secret: leave this out to keep the stored one, or type a new one.",
        check_client_secret,
    );
    let status = patch.status.required_word(&mut invalid, "/status");
    let origin_stays = same_origin(&current.issuer, &fields.issuer);
    let readable = check_issuer("/issuer", &fields.issuer).is_ok();
    if readable && !origin_stays && typed.is_none() {
        invalid.add(
            "/client_secret",
            format!(
                "The stored client secret was entered for the provider at `{}` and is never sent to another: type the \
                 secret for `{}` in the same change.",
                current.issuer, fields.issuer
            ),
        );
    }
    let fields = invalid.take(check_fields(app, fields));
    invalid.into_result()?;
    let fields = fields.expect("fields without a violation were taken");
    let changes_identity = current.changes_identity(&fields.issuer, &fields.client_id, &fields.subject_claim);
    // Typing the stored secret again is not a rotation: it would put a confirmed secret back on trial.
    let typed = typed.filter(|secret| !origin_stays || !is_stored(app, current, secret));
    let new_secret = typed.is_some();
    let slots = current.client_secret.clone();
    let sealed = typed.map(|secret| seal(app, &client_secret_context(current.id), &secret));
    let client_secret = match sealed {
        None => slots,
        Some(secret) if origin_stays => slots.rotated(secret, app.now()),
        Some(secret) => ClientSecretSlots::fresh(secret, app.now()),
    };
    let choice = patch
        .client_authentication
        .over(&current.client_authentication.choice);
    // What worked for another client, or before someone chose, says nothing.
    let still_says = choice == current.client_authentication.choice
        && current.issuer == fields.issuer
        && current.client_id == fields.client_id;
    let client_authentication = ClientAuthentication {
        choice,
        worked: current.client_authentication.worked.filter(|_| still_says),
    };
    let next = UserSource {
        name: fields.name,
        description: fields.description,
        issuer: fields.issuer,
        client_id: fields.client_id,
        client_secret,
        client_authentication,
        scopes: fields.scopes,
        subject_claim: fields.subject_claim,
        callback,
        identity_epoch: current.identity_epoch + i64::from(changes_identity),
        ..current.clone()
    };
    Ok(Edited {
        next,
        status,
        new_secret,
    })
}

/// Carries into an edit what sign-ins have noted about the stored secret and how it is sent since the edit began: that is not an edit of someone
/// else, and must not be undone by this one.
pub(super) fn carry_notes(next: &mut UserSource, stored: &UserSource, new_secret: bool) {
    let slots = &next.client_secret;
    if !new_secret {
        next.client_secret = stored.client_secret.clone();
    } else if slots.previous.is_some() {
        let (current, changed_at) = (slots.current.clone(), slots.changed_at);
        next.client_secret = stored.client_secret.clone().rotated(current, changed_at);
    }
    // Which way of sending the secret works is noted about this client and this choice.
    if next.identity_epoch == stored.identity_epoch
        && next.client_authentication.choice == stored.client_authentication.choice
    {
        next.client_authentication.worked = stored.client_authentication.worked;
    }
}

/// Checks the fields, and that an issuer of this address may be contacted at all.
pub(super) fn check_fields(app: &Admin, fields: UserSourceFields) -> Result<UserSourceFields, Invalid> {
    let fields = fields.check()?;
    let url = Url::parse(&fields.issuer).expect("an issuer without a violation is a URL");
    check_address(app, "/issuer", "issuer", &url)?;
    Ok(fields)
}

fn is_stored(app: &Admin, source: &UserSource, secret: &Secret) -> bool {
    let context = client_secret_context(source.id);
    app.keyring
        .open_secret(Purpose::StoredSecret, &context, &source.client_secret.current)
        .is_ok_and(|stored| stored.matches(secret.expose()))
}
