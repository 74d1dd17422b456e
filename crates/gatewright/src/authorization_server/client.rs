//! Which client asks: one whose id is sealed by us, or one whose id is the URL of its metadata document.

use gatewright_domain::client::{self, RegisteredClient};
use gatewright_oauth::{
    Credential, ErrorCode, OAuthError,
    client_authentication::{ClientCredentials, Method},
    metadata_document::{check_url, is_url},
    redirect_uri::RedirectUri,
};

use super::metadata_document::FetchDocumentError;
use crate::{app::App, directory::GatewayEntry};

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
}

/// Why a client may not ask for authorization. The user sees a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClientError {
    /// Not issued here, or for another gateway.
    #[error("the app is not registered at this gateway")]
    Unknown,
    /// This gateway does not take clients of this kind.
    #[error("this gateway does not accept apps that register in this way")]
    SwitchedOff,
    /// Its document cannot be used.
    #[error("the app's description cannot be used: {0}")]
    Document(#[from] FetchDocumentError),
}

/// Finds the client of an authorization request.
pub(super) async fn find(app: &App, entry: &GatewayEntry, client_id: &str) -> Result<Client, ClientError> {
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
pub(super) fn authenticate(
    app: &App,
    entry: &GatewayEntry,
    credentials: &ClientCredentials,
) -> Result<AuthenticatedClient, OAuthError> {
    let id = &credentials.client_id;
    let unknown = || {
        OAuthError::new(
            ErrorCode::InvalidClient,
            "This client is not registered at this gateway. Register again and start a new sign-in.",
        )
    };
    if is_url(id) {
        // Its document need not be read again: the code or token presented is bound to this very URL.
        if !entry.gateway.settings.metadata_documents || check_url(id).is_err() {
            return Err(unknown());
        }
    } else {
        let registered = open(app, entry, id).map_err(|_| unknown())?;
        authenticate_registered(app, &registered, id, credentials.secret.as_ref())?;
    }
    Ok(AuthenticatedClient {
        short_id: client::short_id(id),
        id: id.clone(),
    })
}

/// Checks a registered client's secret, wherever it was sent: clients mix the two places up. A public client has none,
/// and what it sends as one proves nothing either way.
fn authenticate_registered(
    app: &App,
    registered: &RegisteredClient,
    id: &str,
    presented: Option<&Credential>,
) -> Result<(), OAuthError> {
    match registered.method {
        Method::None => Ok(()),
        Method::ClientSecretBasic | Method::ClientSecretPost => {
            let matches = |secret: &Credential| client::secret_matches(&app.keyring, id, secret.expose());
            if presented.is_some_and(matches) {
                Ok(())
            } else {
                Err(OAuthError::new(
                    ErrorCode::InvalidClient,
                    "The client secret is missing or wrong. Send the one from the registration.",
                ))
            }
        }
    }
}

fn open(app: &App, entry: &GatewayEntry, client_id: &str) -> Result<RegisteredClient, ClientError> {
    if !entry.gateway.settings.dynamic_registration {
        return Err(ClientError::SwitchedOff);
    }
    RegisteredClient::open(&app.keyring, client_id)
        .filter(|client| client.gateway_id.is_none_or(|bound| bound == entry.gateway.id))
        .ok_or(ClientError::Unknown)
}
