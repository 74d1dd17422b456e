//! Authorization codes: issued when the identity provider has vouched for the user.

use std::time::Duration;

use gatewright_domain::{
    authorization::ConsentedRequest,
    client::short_id,
    entropy,
    grant::{AuthorizationCode, Person},
    id::{GrantId, UserId},
    token_hash::TokenHash,
};
use gatewright_oauth::{ErrorCode, OAuthError, authorize::VerifiedRedirect};
use gatewright_store::{
    StoreError, Tx,
    authorization_code::{self, Insertion},
};

use super::AuthorizationServer;
use crate::directory::GatewayEntry;

/// A code lives this long: enough for a redirect on a slow connection, too little to be found later
/// (RFC 6749 section 4.1.2 allows ten minutes at most).
const CODE_LIFE: Duration = Duration::from_mins(1);

/// A code that is made and not yet stored.
#[derive(Debug)]
pub(crate) struct NewCode {
    row: AuthorizationCode,
    location: String,
}

/// Makes a code for a sign-in that is about to be completed, and the redirect that takes it to the client with `code`,
/// `state` and `iss` (RFC 6749 section 4.1.2, RFC 9207). `grant_id` is what its redemption will begin. `None`: the request
/// is one of another gateway.
pub(crate) fn prepare(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    request: &ConsentedRequest,
    person: Person,
    grant_id: GrantId,
) -> Option<NewCode> {
    if request.gateway_id != entry.gateway.id {
        return None;
    }
    let now = app.now();
    let code = entropy::token(app.entropy.as_ref());
    let row = AuthorizationCode {
        hash: TokenHash::of(&code),
        grant_id,
        project_id: entry.gateway.project_id,
        gateway_id: entry.gateway.id,
        person,
        client_id: short_id(&request.client_id),
        client_name: request.client_name.clone(),
        redirect_uri: request.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        scope: request.scope.clone(),
        consent_id: request.consent_id.clone(),
        created_at: now,
        expires_at: now.plus(CODE_LIFE),
    };
    let location = redirect(entry, request).with_code(&code);
    Some(NewCode { row, location })
}

impl NewCode {
    /// The redirect to the client.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// The user is known already, by this id and not the proposed one.
    pub(crate) fn is_of(&mut self, user: UserId) {
        if let Person::User { user_id, .. } = &mut self.row.person {
            *user_id = user;
        }
    }

    /// Issues the code, in the transaction that completes the sign-in.
    pub(crate) async fn issue(&self, tx: &mut Tx) -> Result<Insertion, StoreError> {
        authorization_code::insert(tx, &self.row).await
    }
}

/// The code in a redirect that [`prepare`] made. What the client registered comes first, so the last one is ours.
pub(crate) fn of_redirect(location: &str) -> Option<TokenHash> {
    let url = url::Url::parse(location).ok()?;
    let codes = url.query_pairs().filter(|(name, _)| name == "code");
    codes.last().map(|(_, code)| TokenHash::of(&code))
}

/// The redirect that reports an error to the client (RFC 6749 section 4.1.2.1), with `state` and `iss`. A
/// `ConsentedRequest` exists only after client and redirect URI were verified. `description` must not contain what a
/// stranger chose.
pub(crate) fn error_redirect(
    entry: &GatewayEntry,
    request: &ConsentedRequest,
    code: ErrorCode,
    description: &str,
) -> String {
    redirect(entry, request).with_error(&OAuthError::new(code, description.to_owned()))
}

fn redirect(entry: &GatewayEntry, request: &ConsentedRequest) -> VerifiedRedirect {
    VerifiedRedirect::resume(&request.redirect_uri, request.state.as_deref(), &entry.url)
}
