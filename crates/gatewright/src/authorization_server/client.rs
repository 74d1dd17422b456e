//! Which client asks: one whose id is sealed by us, one whose id is the URL of its metadata document, or one that an
//! administrator registered beforehand.

use gatewright_domain::{
    client::{self, RegisteredClient},
    id::ClientId,
    preregistered_client::{ClientProof, PreregisteredClient},
};
use gatewright_oauth::{
    Credential, ErrorCode, OAuthError,
    client_authentication::{ClientCredentials, Method},
    metadata_document::{check_url, is_url},
    redirect_uri::RedirectUri,
};
use gatewright_store::{StoreError, preregistered_client, revocation::Denied};

use super::{metadata_document::FetchDocumentError, token::TokenError};
use crate::{
    app::App,
    directory::{GatewayEntry, Stale},
};

/// A client as it may ask for authorization.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Its id, in full.
    pub(super) id: String,
    /// What it calls itself, made harmless; may be empty.
    pub(super) name: String,
    /// Where it may be answered.
    pub(super) redirect_uris: Vec<RedirectUri>,
    /// How it is known.
    pub(super) kind: ClientKind,
}

/// How a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// It registered itself: anybody can do that under any name.
    Registered,
    /// Its document stands at a host that thereby vouches for it.
    Document,
    /// An administrator registered it.
    Preregistered,
}

/// Why a client may not ask for authorization. The user sees a page.
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
    /// An administrator keeps it out.
    #[error("the app is blocked at this gateway")]
    Blocked,
    /// Its document cannot be used.
    #[error("the app's description cannot be used: {0}")]
    Document(#[from] FetchDocumentError),
    /// Whether it is blocked cannot be told now.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed: not now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds the client of an authorization request.
pub(super) async fn find(app: &App, entry: &GatewayEntry, client_id: &str) -> Result<Client, ClientError> {
    check_blocked(app, entry, client_id)?;
    if let Ok(id) = client_id.parse::<ClientId>() {
        let found = preregistered(app, entry, id).await?;
        return Ok(Client {
            id: client_id.to_owned(),
            name: found.name,
            redirect_uris: found.redirect_uris,
            kind: ClientKind::Preregistered,
        });
    }
    if !is_url(client_id) {
        let registered = open(app, entry, client_id)?;
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
    let document = app.authorization_server.documents.find(app, client_id).await?;
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
}

/// Authenticates the client of a token or revocation request (RFC 6749 section 3.2.1). Any failure is
/// `invalid_client`, upon which clients register again.
pub(super) async fn authenticate(
    app: &App,
    entry: &GatewayEntry,
    credentials: &ClientCredentials,
) -> Result<AuthenticatedClient, TokenError> {
    prove(app, entry, credentials).await.map_err(refused)?;
    let id = &credentials.client_id;
    Ok(AuthenticatedClient {
        short_id: client::short_id(id),
        id: id.clone(),
    })
}

async fn prove(app: &App, entry: &GatewayEntry, credentials: &ClientCredentials) -> Result<(), ClientError> {
    let id = &credentials.client_id;
    let secret = credentials.secret.as_ref();
    check_blocked(app, entry, id)?;
    if is_url(id) {
        // Its document need not be read again: the code or token presented is bound to this very URL.
        if !entry.gateway.settings.metadata_documents {
            return Err(ClientError::SwitchedOff);
        }
        check_url(id).map_err(FetchDocumentError::from)?;
        return Ok(());
    }
    if let Ok(row) = id.parse::<ClientId>() {
        return match &preregistered(app, entry, row).await?.proof {
            ClientProof::Public => Ok(()),
            ClientProof::Secret { hashes, .. } => {
                check_secret(secret, |secret| hashes.accept(secret, app.now()))
            }
        };
    }
    match open(app, entry, id)?.method {
        // A public client has no secret, and what it sends as one proves nothing either way.
        Method::None => Ok(()),
        Method::ClientSecretBasic | Method::ClientSecretPost => {
            check_secret(secret, |secret| client::secret_matches(&app.keyring, id, secret))
        }
    }
}

/// Checks a secret, wherever it was sent: clients mix the two places up.
fn check_secret(presented: Option<&Credential>, matches: impl Fn(&str) -> bool) -> Result<(), ClientError> {
    if presented.is_some_and(|secret| matches(secret.expose())) {
        Ok(())
    } else {
        Err(ClientError::WrongSecret)
    }
}

/// What a program is told of a client that may not ask.
fn refused(error: ClientError) -> TokenError {
    let description = match error {
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
        ClientError::Stale(stale) => return TokenError::Gateway(stale.into()),
        ClientError::Store(error) => return error.into(),
    };
    OAuthError::new(ErrorCode::InvalidClient, description).into()
}

/// Fails for a client that is kept out of the gateway.
pub(super) fn check_blocked(app: &App, entry: &GatewayEntry, client_id: &str) -> Result<(), ClientError> {
    let denied = Denied::client(entry.gateway.id, &client::short_id(client_id));
    if app.directory.current()?.denies(denied) {
        return Err(ClientError::Blocked);
    }
    Ok(())
}

/// The pre-registered client of an id. Read from the store and not from the directory: only sign-ins and tokens need it,
/// a change of it then acts at once on every replica, and the directory stays as small as what requests need.
async fn preregistered(
    app: &App,
    entry: &GatewayEntry,
    id: ClientId,
) -> Result<PreregisteredClient, ClientError> {
    if !entry.gateway.settings.preregistered_clients {
        return Err(ClientError::SwitchedOff);
    }
    let mut tx = app.store.read().await?;
    let (project, gateway) = (entry.gateway.project_id, entry.gateway.id);
    preregistered_client::find(&mut tx, project, gateway, id)
        .await?
        .ok_or(ClientError::Unknown)
}

fn open(app: &App, entry: &GatewayEntry, client_id: &str) -> Result<RegisteredClient, ClientError> {
    if !entry.gateway.settings.dynamic_registration {
        return Err(ClientError::SwitchedOff);
    }
    RegisteredClient::open(&app.keyring, client_id)
        .filter(|client| client.gateway_id.is_none_or(|bound| bound == entry.gateway.id))
        .ok_or(ClientError::Unknown)
}
