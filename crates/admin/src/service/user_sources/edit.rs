//! What a change makes of a source, before anything is asked or written.

use gatewright_domain::{
    Invalid,
    registration::{ClientAuthentication, ClientSecretSlots},
    sealed::Purpose,
    secret::Secret,
    user_source::{
        UserSource, UserSourceStatus, check_client_secret, check_issuer, client_secret_context, same_origin,
    },
};
use url::Url;

use super::{NewUserSource, UserSourcePatch};
use crate::{
    Admin,
    service::{Patch, address::check_address, sealing::seal},
};

/// What a new source has is what a change makes of a blank one.
impl From<NewUserSource> for UserSourcePatch {
    fn from(new: NewUserSource) -> Self {
        Self {
            name: Patch::Set(new.name),
            description: Patch::Set(new.description),
            issuer: Patch::Set(new.issuer),
            client_id: Patch::Set(new.client_id),
            client_secret: new.client_secret.into(),
            client_secret_expires_at: new.client_secret_expires_at.into(),
            client_authentication: new.client_authentication.into(),
            scopes: new.scopes.into(),
            subject_claim: new.subject_claim.into(),
            callback: new.callback.into(),
            status: Patch::Keep,
            skip_validation: new.skip_validation.then_some(true),
        }
    }
}

impl UserSourcePatch {
    /// The source after the change, except for its secret and its status, and not checked yet.
    pub(super) fn over(self, current: &UserSource) -> UserSource {
        let present = current.client_authentication;
        UserSource {
            name: self.name.over(&current.name),
            description: self.description.over(&current.description),
            issuer: self.issuer.over(&current.issuer),
            client_id: self.client_id.over(&current.client_id),
            client_secret_expires_at: self
                .client_secret_expires_at
                .map(Some)
                .over(&current.client_secret_expires_at),
            client_authentication: ClientAuthentication {
                choice: self.client_authentication.over(&present.choice),
                worked: present.worked,
            },
            scopes: self.scopes.over(&current.scopes),
            subject_claim: self.subject_claim.over(&current.subject_claim),
            callback: self.callback.over(&current.callback),
            ..current.clone()
        }
    }
}

/// A source as it is to become.
pub(super) struct Edited {
    /// The row without its status.
    pub(super) next: UserSource,
    /// Its status, if the change contains one.
    pub(super) status: Option<UserSourceStatus>,
    /// Whether another secret was entered.
    pub(super) new_secret: bool,
}

/// Applies a change to a source; all that is wrong with it is reported together.
pub(super) fn edit(app: &Admin, current: &UserSource, mut patch: UserSourcePatch) -> Result<Edited, Invalid> {
    let mut invalid = Invalid::default();
    let typed = std::mem::take(&mut patch.client_secret).required_secret(
        &mut invalid,
        "/client_secret",
        "A source cannot be without a client secret: leave this out to keep the stored one, or enter a new one.",
        check_client_secret,
    );
    let status = std::mem::take(&mut patch.status).required_word(&mut invalid, "/status");
    let keeps_expiry = patch.client_secret_expires_at.is_keep();
    let next = patch.over(current);
    invalid.take(check_expiry(app, current, &next));
    let origin_stays = same_origin(&current.issuer, &next.issuer);
    let readable = check_issuer("/issuer", &next.issuer).is_ok();
    if readable && !origin_stays && typed.is_none() {
        invalid.add(
            "/client_secret",
            format!(
                "The stored client secret was entered for the provider at `{}` and is never sent to another: enter the \
                 secret for `{}` in the same change.",
                current.issuer, next.issuer
            ),
        );
    }
    let next = invalid.take(check(app, next));
    invalid.into_result()?;
    let mut next = next.expect("a source without a violation was taken");
    if current.changes_identity(&next.issuer, &next.client_id, &next.subject_claim) {
        next.identity_epoch += 1;
    }
    // Typing the stored secret again is not a rotation: it would put a confirmed secret back on trial.
    let typed = typed.filter(|secret| !origin_stays || !is_stored(app, current, secret));
    let new_secret = typed.is_some();
    if let Some(secret) = typed {
        if keeps_expiry {
            // That of the one before.
            next.client_secret_expires_at = None;
        }
        let sealed = seal(app, &client_secret_context(current.id), &secret);
        next.client_secret = if origin_stays {
            next.client_secret.rotated(sealed, app.now())
        } else {
            ClientSecretSlots::fresh(sealed, app.now())
        };
    }
    // What worked for another client, or before someone chose, says nothing.
    if next.client_authentication.choice != current.client_authentication.choice
        || next.issuer != current.issuer
        || next.client_id != current.client_id
    {
        next.client_authentication.worked = None;
    }
    Ok(Edited {
        next,
        status,
        new_secret,
    })
}

/// An expiry that is entered now lies ahead; one that has passed can stay.
pub(super) fn check_expiry(app: &Admin, current: &UserSource, next: &UserSource) -> Result<(), Invalid> {
    match next.client_secret_expires_at {
        Some(at) if next.client_secret_expires_at != current.client_secret_expires_at && at <= app.now() => {
            Err(Invalid::one(
                "/client_secret_expires_at",
                "This is not in the future. Enter the day on which the provider stops accepting the client secret, or nothing.",
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Carries into an edit what sign-ins have noted about the stored secret and how it is sent since the edit began: that is
/// not an edit of someone else, and must not be undone by this one.
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

/// Checks what was entered, and that connections to the issuer's address are allowed.
pub(super) fn check(app: &Admin, source: UserSource) -> Result<UserSource, Invalid> {
    let source = source.check()?;
    check_issuer_address(app, &source.issuer)?;
    Ok(source)
}

/// Checks that connections to an issuer without a violation are allowed.
pub(super) fn check_issuer_address(app: &Admin, issuer: &str) -> Result<(), Invalid> {
    let url = Url::parse(issuer).expect("an issuer without a violation is a URL");
    check_address(app, "/issuer", "issuer", &url)
}

fn is_stored(app: &Admin, source: &UserSource, secret: &Secret) -> bool {
    let context = client_secret_context(source.id);
    app.keyring
        .open_secret(Purpose::StoredSecret, &context, &source.client_secret.current)
        .is_ok_and(|stored| stored.matches(secret.expose()))
}
