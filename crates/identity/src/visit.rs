//! What passes between us and a provider for one registration while a browser waits. Every kind of sign-in goes through the
//! same steps in this order: [`Visit::authorization_url`], [`Visit::keys`], [`Visit::redeem`], [`Visit::verify`], and then
//! [`Visit::profile`] or [`Visit::userinfo`], if name or address are wanted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::{
    budget::Budget,
    discovery::Provider,
    fetch::FetchError,
    jose::{key_cache::KeysWanted, key_set::KeySet},
    providers::{ProviderError, Providers},
    registration::Registration,
};

/// A registration at its provider, within the time that a browser waits.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    pub(crate) providers: &'a Providers,
    pub(crate) registration: &'a Registration<'a>,
    pub(crate) provider: &'a Provider,
    pub(crate) budget: Budget,
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
    /// The provider's keys: those in memory, or fetched if these are too old.
    pub async fn keys(&self) -> Result<Arc<KeySet>, ProviderError> {
        self.providers
            .keys(self.provider, KeysWanted::Any, self.budget)
            .await
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
