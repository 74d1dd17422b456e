//! Which client is asking: one whose ID is sealed by us, one whose id is the URL of its metadata document, or one that an
//! administrator registered beforehand. The log line of a request names the client as soon as it is known, whatever comes
//! of the request.

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    client::{self, RegisteredClient},
    grant::Grant,
    id::ClientId,
    preregistered_client::{ClientProof, PreregisteredClient},
};
use gatewright_oauth::{
    Credential, ErrorCode, OAuthError,
    client_authentication::{ClientCredentials, Method},
    metadata_document::{KeySource, check_url, is_url},
    redirect_uri::RedirectUri,
};
use gatewright_store::{
    StoreError, Tx, preregistered_client,
    revocation::Denied,
    used_assertion::{self, AssertionUse, MAX_PER_CLIENT, UsedAssertion},
};

use super::AuthorizationServer;
use super::{
    client_keys::{Presented, ProofError},
    limits::{Limited, Whose},
    metadata_document::FetchDocumentError,
    token::TokenError,
};
use crate::{
    directory::{GatewayEntry, Stale},
    request::RequestContext,
};

/// Said to a client that has to sign and did not.
const KEY_MISSING: &str = "This client signs its token requests (private_key_jwt), and this request has no client_assertion. \
     Send one, with its client_assertion_type.";

/// When a client may come back that has used up very many assertions: some have been forgotten by then.
const TOO_MANY_AFTER: Duration = Duration::from_mins(1);

/// A client as it may ask for authorization.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Its id, in full.
    pub(super) id: String,
    /// The name it reports, made harmless; can be empty.
    pub(super) name: String,
    /// Its redirect URIs.
    pub(super) redirect_uris: Vec<RedirectUri>,
    /// How it is known.
    pub(super) kind: ClientKind,
}

/// How a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// It registered itself: anyone can do that under any name.
    Registered,
    /// Its document is at a host, which vouches for it.
    Document,
    /// An administrator registered it.
    Preregistered,
}

/// Why a client is refused. The user sees a page.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Not issued here, or for another gateway.
    #[error("the app is not registered at this gateway")]
    Unknown,
    /// This gateway does not take clients of this kind.
    #[error("this gateway does not accept apps that register in this way")]
    SwitchedOff,
    /// Its secret is missing or wrong. Only said to programs.
    #[error("the client secret is missing or wrong")]
    WrongSecret,
    /// It must sign an assertion and sent none. Only said to programs.
    #[error("the client assertion is missing")]
    KeyMissing,
    /// It signed an assertion and has published no keys for that. Only said to programs.
    #[error("the app has no keys for its assertion")]
    NoKeys,
    /// Its assertion proves nothing. Only said to programs.
    #[error("the client assertion is not accepted: {0}")]
    Proof(#[from] ProofError),
    /// An administrator keeps it out.
    #[error("the app is blocked at this gateway")]
    Blocked,
    /// Its document cannot be used.
    #[error("the app's description cannot be used: {0}")]
    Document(#[from] FetchDocumentError),
    /// Whether it is blocked is not known now.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed: not now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds the client of an authorization request.
pub(super) async fn find(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    client_id: &str,
) -> Result<Client, ClientError> {
    check_blocked(app, entry, context, client_id)?;
    if let Ok(id) = client_id.parse::<ClientId>() {
        let found = preregistered(app, entry, context, id).await?;
        return Ok(Client {
            id: client_id.to_owned(),
            name: found.name,
            redirect_uris: found.redirect_uris,
            kind: ClientKind::Preregistered,
        });
    }
    if !is_url(client_id) {
        let registered = open(app, entry, context, client_id)?;
        return Ok(Client {
            id: client_id.to_owned(),
            name: registered.name,
            redirect_uris: registered.redirect_uris,
            kind: ClientKind::Registered,
        });
    }
    if !entry.gateway.settings.metadata_documents {
        return Err(ClientError::SwitchedOff);
    }
    let documents = &app.documents;
    let document = documents.find(app, entry, context, client_id).await?;
    Ok(Client {
        id: document.client_id,
        name: document.client_name,
        redirect_uris: document.redirect_uris,
        kind: ClientKind::Document,
    })
}

/// A client that proved to be who it says, as far as its kind can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthenticatedClient {
    /// Its id, in full.
    pub(super) id: String,
    /// The short form that tokens and grants carry.
    pub(super) short_id: String,
    /// What it signed to prove it, if it did.
    pub(super) assertion: Option<UsedAssertion>,
}

impl AuthenticatedClient {
    /// Uses its assertion up, in the transaction that grants what it asks for: a stranger who can sign, because
    /// anyone can publish a document with keys, then writes nothing without a code or token of someone's.
    pub(super) async fn use_up_assertion(&self, tx: &mut Tx, now: Timestamp) -> Result<(), TokenError> {
        let Some(assertion) = &self.assertion else {
            return Ok(());
        };
        match used_assertion::use_up(tx, assertion, MAX_PER_CLIENT, now).await? {
            AssertionUse::First => Ok(()),
            AssertionUse::Again => Err(invalid_client(
                "The client assertion was used before. Sign a new one with another `jti` for each request.",
            )),
            AssertionUse::TooMany => Err(Limited {
                after: TOO_MANY_AFTER,
                whose: Whose::Client,
            }
            .into()),
        }
    }

    /// Fails when the client signed to begin a grant and did not sign now: anyone who has only its token does not have its
    /// key.
    pub(super) fn must_sign_for(&self, grant: &Grant) -> Result<(), TokenError> {
        if grant.begun_with_key && self.assertion.is_none() {
            return Err(invalid_client(KEY_MISSING));
        }
        Ok(())
    }
}

/// What a client authenticates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To begin a grant.
    Begin,
    /// To continue a grant or end it. What the grant requires of the client is checked with it.
    GoOn,
}

/// Authenticates the client of a token or revocation request (RFC 6749 section 3.2.1). Any failure is
/// `invalid_client`, after which clients register again.
pub(super) async fn authenticate(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    credentials: &ClientCredentials,
    purpose: Purpose,
) -> Result<AuthenticatedClient, TokenError> {
    let proved = prove(app, entry, context, credentials, purpose).await;
    let assertion = proved.map_err(refused)?;
    let id = &credentials.client_id;
    Ok(AuthenticatedClient {
        short_id: client::short_id(id),
        id: id.clone(),
        assertion,
    })
}

/// The assertion a client signed, if that is how it authenticates.
async fn prove(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    credentials: &ClientCredentials,
    purpose: Purpose,
) -> Result<Option<UsedAssertion>, ClientError> {
    let id = &credentials.client_id;
    let secret = credentials.secret.as_ref();
    check_blocked(app, entry, context, id)?;
    if is_url(id) {
        return prove_described(app, entry, context, credentials, purpose).await;
    }
    if let Ok(row) = id.parse::<ClientId>() {
        match preregistered(app, entry, context, row).await?.proof {
            ClientProof::Public => {}
            ClientProof::Secret { hashes, .. } => {
                check_secret(secret, |secret| hashes.accept(secret, app.now()))?;
            }
            ClientProof::Key { jwks } => {
                return verify(app, entry, context, credentials, &KeySource::Inline(jwks))
                    .await
                    .map(Some);
            }
        }
    } else {
        match open(app, entry, context, id)?.method {
            // A public client has no secret, and what it sends as one proves nothing either way.
            Method::None => {}
            Method::ClientSecretBasic | Method::ClientSecretPost => {
                check_secret(secret, |secret| client::secret_matches(&app.keyring, id, secret))?;
            }
            // This cannot be registered, because a sealed ID contains no keys.
            Method::PrivateKeyJwt => return Err(ClientError::KeyMissing),
        }
    }
    Ok(None)
}

/// A client with a document authenticates with the keys there, or not at all if the document allows that. The document
/// is read again only to begin a grant or to check a signature: refreshing continues while its host is unavailable.
async fn prove_described(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    credentials: &ClientCredentials,
    purpose: Purpose,
) -> Result<Option<UsedAssertion>, ClientError> {
    let id = &credentials.client_id;
    if !entry.gateway.settings.metadata_documents {
        return Err(ClientError::SwitchedOff);
    }
    check_url(id).map_err(FetchDocumentError::from)?;
    if credentials.assertion.is_none() && purpose == Purpose::GoOn {
        note(context, id);
        return Ok(None);
    }
    let documents = &app.documents;
    let document = documents.find(app, entry, context, id).await?;
    match (&credentials.assertion, &document.keys) {
        (Some(_), Some(keys)) => verify(app, entry, context, credentials, keys).await.map(Some),
        (None, _) if document.is_public => Ok(None),
        (None, _) => Err(ClientError::KeyMissing),
        (Some(_), None) => Err(ClientError::NoKeys),
    }
}

async fn verify(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    credentials: &ClientCredentials,
    keys: &KeySource,
) -> Result<UsedAssertion, ClientError> {
    let assertion = credentials.assertion.as_ref().ok_or(ClientError::KeyMissing)?;
    let presented = Presented {
        project: entry.gateway.project_id,
        client_id: &credentials.client_id,
        keys,
        assertion,
        from: context,
    };
    let verified = app.client_keys.verify(app, entry, presented);
    Ok(verified.await?)
}

/// Checks a secret, wherever it was sent: clients mix the two places up.
fn check_secret(presented: Option<&Credential>, matches: impl Fn(&str) -> bool) -> Result<(), ClientError> {
    if presented.is_some_and(|secret| matches(secret.expose())) {
        Ok(())
    } else {
        Err(ClientError::WrongSecret)
    }
}

/// The response to a program for a client that is refused.
fn refused(error: ClientError) -> TokenError {
    invalid_client(match error {
        ClientError::Document(error) if error.is_of_fetching() => {
            return TokenError::ClientUnavailable(error.to_string());
        }
        ClientError::Proof(ProofError::Keys(error)) if error.is_of_fetching() => {
            return TokenError::ClientUnavailable(error.to_string());
        }
        ClientError::Proof(ProofError::TooMany(limited)) => return limited.into(),
        ClientError::Proof(ProofError::Overloaded(error)) => {
            return TokenError::ClientUnavailable(error.to_string());
        }
        ClientError::Stale(stale) => return TokenError::Gateway(stale.into()),
        ClientError::Store(error) => return error.into(),
        ClientError::Unknown | ClientError::Document(_) => {
            "This client is not registered at this gateway. Register again and start a new sign-in."
        }
        ClientError::SwitchedOff => {
            "This gateway no longer accepts clients that introduce themselves in the way this one did. Ask its \
             administrator which it accepts."
        }
        ClientError::Blocked => "This client is blocked at this gateway. Ask its administrator.",
        ClientError::WrongSecret => {
            "The client secret is missing or wrong. Send the one from the registration."
        }
        ClientError::KeyMissing => KEY_MISSING,
        ClientError::NoKeys => {
            "This client has no keys to check its assertion with. Name private_key_jwt and jwks or jwks_uri \
             (https) in its metadata document, or send no assertion."
        }
        ClientError::Proof(error) => {
            return OAuthError::new(
                ErrorCode::InvalidClient,
                format!("The client assertion is not accepted: {error}."),
            )
            .into();
        }
    })
}

fn invalid_client(description: &'static str) -> TokenError {
    OAuthError::new(ErrorCode::InvalidClient, description).into()
}

/// Fails for a client that is kept out of the gateway.
pub(super) fn check_blocked(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    client_id: &str,
) -> Result<(), ClientError> {
    let denied = Denied::client(entry.gateway.id, &client::short_id(client_id));
    if app.directory.current()?.denies(denied) {
        note(context, client_id);
        return Err(ClientError::Blocked);
    }
    Ok(())
}

/// The pre-registered client of an id. Read from the store and not from the directory: only sign-ins and tokens need it,
/// a change of it then applies immediately on every replica, and the directory stays as small as what requests need.
async fn preregistered(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    id: ClientId,
) -> Result<PreregisteredClient, ClientError> {
    if !entry.gateway.settings.preregistered_clients {
        return Err(ClientError::SwitchedOff);
    }
    let (project, gateway) = (entry.gateway.project_id, entry.gateway.id);
    let found: Result<_, StoreError> = app
        .store
        .look(move |tx| Box::pin(preregistered_client::find(tx, project, gateway, id)))
        .await;
    let found = found?.ok_or(ClientError::Unknown)?;
    context.record().set_client(id.to_string());
    Ok(found)
}

fn open(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    context: &RequestContext,
    client_id: &str,
) -> Result<RegisteredClient, ClientError> {
    if !entry.gateway.settings.dynamic_registration {
        return Err(ClientError::SwitchedOff);
    }
    let client = RegisteredClient::open(&app.keyring, client_id)
        .filter(|client| client.gateway_id.is_none_or(|bound| bound == entry.gateway.id))
        .ok_or(ClientError::Unknown)?;
    note(context, client_id);
    Ok(client)
}

/// Has the log line of the request name a client.
pub(super) fn note(context: &RequestContext, client_id: &str) {
    context.record().set_client(client::short_id(client_id));
}
