//! What passes between us and a provider for one registration while a browser waits: everybody who signs in, as whatever,
//! goes through the same steps in the same order. [`Visit::authorization_url`], [`Visit::keys`], [`Visit::redeem`],
//! [`Visit::verify`], and where name or address are wanted [`Visit::profile`] or [`Visit::userinfo`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::secret::Secret;
use http::{Request, Response};
use http_body_util::Full;

use crate::{
    budget::Budget,
    discovery::Provider,
    fetch::FetchError,
    id_token::{Expected, IdToken, IdTokenError, UnverifiedToken},
    jose::{key_cache::KeysWanted, key_set::KeySet},
    providers::{ProviderError, Providers},
    registration::Registration,
    token_request::Tokens,
};

/// A registration at its provider, within the time that a browser waits.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    pub(crate) providers: &'a Providers,
    pub(crate) registration: &'a Registration<'a>,
    pub(crate) provider: &'a Provider,
    pub(crate) budget: Budget,
}

/// Why an ID token did not become a verified one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not acceptable.
    #[error(transparent)]
    Token(#[from] IdTokenError),
    /// The provider's keys could not be read again.
    #[error(transparent)]
    Keys(ProviderError),
}

impl Providers {
    /// A visit at a provider that [`Providers::provider`] described.
    pub fn visit<'a>(
        &'a self,
        registration: &'a Registration<'a>,
        provider: &'a Provider,
        budget: Budget,
    ) -> Visit<'a> {
        Visit {
            providers: self,
            registration,
            provider,
            budget,
        }
    }
}

impl Visit<'_> {
    /// The provider's keys as they are known, or fetched where that is too long ago.
    pub async fn keys(&self) -> Result<Arc<KeySet>, ProviderError> {
        self.providers
            .keys(self.provider, KeysWanted::Any, self.budget)
            .await
    }

    /// Checks the ID token, and returns the keys it was checked with. Where no key fits or the signature does not verify, the
    /// provider may have rotated its keys: they are fetched once more, which `reads_again` is told, unless that was done a
    /// moment ago.
    pub async fn verify(
        &self,
        tokens: &Tokens,
        mut keys: Arc<KeySet>,
        nonce: &str,
        reads_again: impl FnOnce(),
    ) -> Result<(IdToken, Arc<KeySet>), VerifyError> {
        let token = UnverifiedToken::parse(tokens.id_token.expose())?;
        let (pool, until) = (self.providers.signatures(), self.budget.until());
        let signed = match token.verify(pool, &keys, until).await {
            Err(error) if error.may_be_rotation() => {
                reads_again();
                let others = KeysWanted::OtherThan(&keys);
                let again = self.providers.keys(self.provider, others, self.budget).await;
                let again = again.map_err(VerifyError::Keys)?;
                if Arc::ptr_eq(&keys, &again) {
                    return Err(error.into());
                }
                keys = again;
                token.verify(pool, &keys, until).await?
            }
            outcome => outcome?,
        };
        let id_token = signed.check(&Expected {
            issuer: self.registration.issuer,
            client_id: self.registration.client_id,
            nonce,
            access_token: tokens.access_token.as_ref().map(Secret::expose),
            now: self.providers.now(),
        })?;
        Ok((id_token, keys))
    }

    /// Sends a request whose answer is for this browser alone.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        longest: Duration,
        body: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        self.budget
            .ask(self.providers.fetch(), request, longest, body)
            .await
    }
}
