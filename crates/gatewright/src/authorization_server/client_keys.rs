//! Clients that sign: their keys, inline or fetched as a stranger's URL, and the assertions they verify
//! (`private_key_jwt`, RFC 7523).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{Timestamp, client::short_id};
use gatewright_oauth::{
    Credential,
    client_assertion::{self, AssertionError, Expected},
    metadata_document::KeySource,
};
use gatewright_store::used_assertion::UsedAssertion;
use http::{Request, StatusCode, header::ACCEPT};
use http_body_util::Full;
use tokio::time::Instant;

use super::metadata_document::is_listed;
use crate::{
    app::App,
    directory::GatewayEntry,
    fetch::{FetchError, Limits, Policy},
    jose::{
        compact::{Jws, JwsError},
        key_cache::{KeyCache, KeysWanted},
        key_set::{KeySet, Verification},
        single_flight::Missed,
    },
};

/// A token request waits for the keys, so they must come soon; a set has a few kilobytes.
const FETCH_LIMITS: Limits = Limits {
    deadline: Duration::from_secs(5),
    body: 64 * 1024,
};

/// Why the keys at a URL cannot be had. Never contains what their host sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeysError {
    /// They could not be fetched.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// The host answered something else than 200.
    #[error("their host answered with status {0}")]
    Status(u16),
    /// It is not a JWK set.
    #[error("it is not a JWK set (RFC 7517)")]
    NotKeys,
    /// Another request was still fetching them when time was up.
    #[error("they did not arrive in time")]
    Waited,
}

impl KeysError {
    /// Whether it came of fetching, so that they may be there in a moment. Programs are told no more: a stranger chose
    /// the URL, and could learn from the difference what stands where.
    pub(super) const fn is_of_fetching(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Waited => true,
            Self::Status(status) => matches!(*status, 429 | 500..=599),
            Self::NotKeys => false,
        }
    }
}

/// Why an assertion proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProofError {
    /// It is no JWT of ours to check.
    #[error("{0}")]
    Jws(#[from] JwsError),
    /// Its claims are not meant for this gateway now.
    #[error("{0}")]
    Claims(#[from] AssertionError),
    /// No key of the client fits, or none of those that fit signed it.
    #[error("no published key of the client signed it")]
    Signature,
    /// The keys cannot be had.
    #[error("the client's keys (jwks_uri) cannot be used")]
    Keys(#[from] KeysError),
}

/// The key sets of clients, by their address.
#[derive(Debug, Default)]
pub(super) struct ClientKeys(KeyCache<KeysError>);

impl ClientKeys {
    /// Checks an assertion of a client with its keys. What is cheap is checked first: nothing is fetched for the sake of
    /// an assertion that could not be accepted anyway.
    pub(super) async fn verify(
        &self,
        app: &App,
        entry: &GatewayEntry,
        client_id: &str,
        source: &KeySource,
        assertion: &Credential,
    ) -> Result<UsedAssertion, ProofError> {
        let jws = Jws::parse(assertion.expose())?;
        let expected = Expected {
            client_id,
            issuer: &entry.url,
            now: app.now().as_seconds(),
        };
        let claims = client_assertion::check(jws.typ.as_deref(), &jws.claims, &expected)?;
        let verified = match source {
            KeySource::Inline(set) => {
                let keys = KeySet::parse(set.as_bytes()).ok_or(KeysError::NotKeys)?;
                jws.verify(&keys)
            }
            KeySource::At(url) => {
                let keys = self.get(app, client_id, url, KeysWanted::Any).await?;
                match jws.verify(&keys) {
                    Verification::Good => Verification::Good,
                    // The client may have rotated its keys.
                    Verification::NoKey | Verification::Bad => {
                        let wanted = KeysWanted::OtherThan(&keys);
                        jws.verify(&*self.get(app, client_id, url, wanted).await?)
                    }
                }
            }
        };
        if verified != Verification::Good {
            return Err(ProofError::Signature);
        }
        Ok(UsedAssertion::new(
            entry.gateway.id,
            &short_id(client_id),
            &claims.jti,
            Timestamp::from_seconds(claims.refused_from),
        ))
    }

    async fn get(
        &self,
        app: &App,
        client_id: &str,
        url: &url::Url,
        wanted: KeysWanted<'_>,
    ) -> Result<Arc<KeySet>, KeysError> {
        let deadline = Instant::now() + FETCH_LIMITS.deadline;
        let fetch = || fetch(app, client_id, url);
        let got = self.0.get(url.as_str(), app.now(), deadline, wanted, fetch).await;
        got.map_err(|missed| match missed {
            Missed::Failed(error) => error,
            Missed::Waited => KeysError::Waited,
        })
    }
}

async fn fetch(app: &App, client_id: &str, url: &url::Url) -> Result<KeySet, KeysError> {
    let request = Request::get(url.as_str())
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::new()))
        .map_err(|_| FetchError::Refused("the URL is not valid".to_owned()))?;
    let response = if is_listed(app, client_id) {
        app.fetch.listed(request, FETCH_LIMITS).await?
    } else {
        app.fetch
            .buffered(Policy::Stranger, request, FETCH_LIMITS)
            .await?
    };
    if response.status() != StatusCode::OK {
        return Err(KeysError::Status(response.status().as_u16()));
    }
    KeySet::parse(response.body()).ok_or(KeysError::NotKeys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::key_set::SignatureAlgorithm;

    #[test]
    fn what_the_metadata_says_is_what_is_accepted() {
        let named = |name: &&str| SignatureAlgorithm::named(name).is_some();
        assert!(client_assertion::SIGNING_ALGORITHMS.iter().all(named));
        let listed = client_assertion::SIGNING_ALGORITHMS.join(", ");
        assert_eq!(listed, crate::jose::key_set::accepted_names());
        for name in ["none", "HS256", "HS512"] {
            assert!(SignatureAlgorithm::named(name).is_none(), "{name}");
        }
    }
}
