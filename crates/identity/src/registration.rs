//! What a provider knows us by: the client that is registered there.

use gatewright_domain::{
    registration::{ClientAuthentication, SecretMethod, SecretSlot},
    secret::Secret,
};

use crate::discovery::Provider;

/// A client as it is registered at a provider.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// The provider's issuer, compared byte for byte.
    pub issuer: &'a str,
    /// The client id.
    pub client_id: &'a str,
    /// How the client secret is sent.
    pub authentication: ClientAuthentication,
    /// The client secrets, one or two.
    pub secrets: ClientSecrets,
    /// The requested scopes, including `openid`.
    pub scopes: &'a [String],
    /// Where the provider sends people back to.
    pub redirect_url: String,
    /// The number under which requests that are sent to the provider beforehand are counted (RFC 9126); `None` where
    /// they are not limited.
    pub pushes_counted_as: Option<u128>,
}

/// The client secrets of a registration: while one is being replaced there are two.
#[derive(Debug, Clone)]
pub struct ClientSecrets {
    /// In the order in which they are tried; `None` for one that cannot be opened with the master key.
    pub in_turn: Vec<(SecretSlot, Option<Secret>)>,
    /// Whether the provider has accepted the newest before.
    pub is_proven: bool,
}

impl ClientSecrets {
    /// The one secret of a registration that never has two.
    pub fn one(secret: Secret) -> Self {
        Self {
            in_turn: vec![(SecretSlot::Current, Some(secret))],
            is_proven: false,
        }
    }

    /// The newest, if it can be opened.
    pub(crate) fn newest(&self) -> Option<&Secret> {
        let newest = self.in_turn.iter().find(|(slot, _)| *slot == SecretSlot::Current);
        newest.and_then(|(_, secret)| secret.as_ref())
    }
}

impl Registration<'_> {
    /// The ways to send a secret, in the order to try them.
    pub(crate) fn methods(&self, provider: &Provider) -> Vec<SecretMethod> {
        self.authentication
            .order(provider.client_authentication.as_deref())
    }

    /// The secrets that can be opened with the ways to send them, in the order to try them.
    pub(crate) fn credentials(&self, provider: &Provider) -> Vec<(&Secret, SecretMethod)> {
        let secrets = self.secrets.in_turn.iter();
        let secrets: Vec<&Secret> = secrets.filter_map(|(_, secret)| secret.as_ref()).collect();
        let with = |method| secrets.iter().map(move |secret| (*secret, method));
        self.methods(provider).into_iter().flat_map(with).collect()
    }
}
