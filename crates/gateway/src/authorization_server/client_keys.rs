//! Clients that sign: their keys, inline or fetched as a stranger's URL, and the assertions they verify
//! (`private_key_jwt`, RFC 7523).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{Timestamp, client::short_id, id::ProjectId};
use gatewright_oauth::{
    Credential,
    client_assertion::{self, AssertionError, Expected},
    metadata_document::KeySource,
};
use gatewright_store::used_assertion::UsedAssertion;
use http::{Request, StatusCode, header::ACCEPT};
use http_body_util::Full;
use tokio::time::Instant;

use super::AuthorizationServer;
use super::{failed_proofs::FailedProofs, known_documents, limits::Limited, metadata_document::is_listed};
use crate::{
    directory::GatewayEntry,
    fetch::{Asker, FetchError, Limits, Standing},
    jose::{
        compact::{Jws, JwsError},
        key_cache::{KeyCache, KeysWanted},
        key_set::{self, KeySet, Owner, Verification},
        signatures::{self, Overloaded, Signatures},
    },
    request::RequestContext,
    single_flight::Missed,
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
    /// Whether fetching failed, so that they may be available in a moment. Programs learn no more: a stranger chose
    /// the URL, and could explore the network with the difference.
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
    /// It is not a JWT that we can check.
    #[error("{0}")]
    Jws(#[from] JwsError),
    /// Its claims are not meant for this gateway now.
    #[error("{0}")]
    Claims(#[from] AssertionError),
    /// No key of the client fits, or none of those that fit signed it.
    #[error("no published key of the client signed it")]
    Signature,
    /// Several keys fit, and the assertion names none of them.
    #[error(
        "several published keys of the client fit it; name the one that signed it as `kid` in its header"
    )]
    Ambiguous,
    /// The keys cannot be had.
    #[error("the client's keys (jwks_uri) cannot be used")]
    Keys(#[from] KeysError),
    /// Too many assertions of this client, or from this network, proved nothing.
    #[error("too many assertions proved nothing")]
    TooMany(Limited),
    /// Too many wait to be checked.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
}

impl ProofError {
    /// Whether the assertion may be valid nevertheless.
    const fn says_nothing_of_the_proof(&self) -> bool {
        match self {
            Self::Keys(error) => error.is_of_fetching(),
            Self::TooMany(_) | Self::Overloaded(_) => true,
            Self::Jws(_) | Self::Claims(_) | Self::Signature | Self::Ambiguous => false,
        }
    }
}

/// An assertion that a client presents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented<'a> {
    /// The project of the gateway it is for.
    pub(super) project: ProjectId,
    /// The client that it claims to be from.
    pub(super) client_id: &'a str,
    /// Where that client's keys are.
    pub(super) keys: &'a KeySource,
    /// The assertion.
    pub(super) assertion: &'a Credential,
    /// The network it came from.
    pub(super) from: &'a RequestContext,
}

/// The key sets of clients by their address, the pool that checks signatures with them, and how often that failed.
#[derive(Debug, Default)]
pub(super) struct ClientKeys {
    sets: KeyCache<KeysError>,
    signatures: Signatures,
    failed: FailedProofs,
}

impl ClientKeys {
    /// Checks an assertion of a client with its keys. What is cheap is checked first: nothing is fetched, and no
    /// signature checked, for an assertion that could not be accepted anyway.
    pub(super) async fn verify(
        &self,
        app: &AuthorizationServer,
        entry: &GatewayEntry,
        presented: Presented<'_>,
    ) -> Result<UsedAssertion, ProofError> {
        let client_id = presented.client_id;
        let jws = Jws::parse(presented.assertion.expose())?;
        let expected = Expected {
            client_id,
            issuer: &entry.url,
            now: app.now().as_seconds(),
        };
        let claims = client_assertion::check(jws.typ.as_deref(), &jws.claims, &expected)?;
        let attempt = self
            .failed
            .begin(client_id, &presented.from.address_prefix())
            .map_err(ProofError::TooMany)?;
        match self.check_signature(app, presented, &jws).await {
            Ok(()) => self.failed.proven(&attempt),
            Err(error) => {
                if error.says_nothing_of_the_proof() {
                    attempt.undecided();
                }
                return Err(error);
            }
        }
        Ok(UsedAssertion::new(
            entry.gateway.id,
            &short_id(client_id),
            &claims.jti,
            Timestamp::from_seconds(claims.refused_from),
        ))
    }

    async fn check_signature(
        &self,
        app: &AuthorizationServer,
        presented: Presented<'_>,
        jws: &Jws<'_>,
    ) -> Result<(), ProofError> {
        let deadline = Instant::now() + signatures::PATIENCE;
        let url = match presented.keys {
            KeySource::Inline(set) => {
                let (set, signed) = (set.clone(), jws.signed());
                let work = move || {
                    let keys = KeySet::parse(Owner::Client, set.as_bytes())?;
                    Some(signed.verify(&keys))
                };
                let verified = self.signatures.run(work, deadline).await?;
                return judge(verified.ok_or(KeysError::NotKeys)?);
            }
            KeySource::At(url) => url,
        };
        let keys = self.get(app, presented, url, KeysWanted::Any).await?;
        let verified = self.signatures.verify(jws, &keys, deadline).await?;
        if verified == Verification::Good {
            return Ok(());
        }
        // The client may have rotated its keys.
        let by_now = self
            .get(app, presented, url, KeysWanted::OtherThan(&keys))
            .await?;
        if Arc::ptr_eq(&keys, &by_now) {
            return judge(verified);
        }
        let deadline = Instant::now() + signatures::PATIENCE;
        judge(self.signatures.verify(jws, &by_now, deadline).await?)
    }

    /// Leaves no place in the pool until what is returned is dropped.
    #[cfg(test)]
    pub(super) async fn fill(&self) -> tokio::sync::OwnedSemaphorePermit {
        self.signatures.fill().await
    }

    async fn get(
        &self,
        app: &AuthorizationServer,
        presented: Presented<'_>,
        url: &url::Url,
        wanted: KeysWanted<'_>,
    ) -> Result<Arc<KeySet>, KeysError> {
        let deadline = Instant::now() + FETCH_LIMITS.deadline;
        let fetch = || fetch(app, presented, url);
        // Waiters share the result of one fetch, and one of another project may have to wait for its turn.
        let key = format!("{} {url}", presented.project);
        let got = self.sets.get(&key, app.now(), deadline, wanted, fetch).await;
        got.map_err(|missed| match missed {
            Missed::Failed(error) => error,
            Missed::Waited => KeysError::Waited,
        })
    }
}

fn judge(verified: Verification) -> Result<(), ProofError> {
    match verified {
        Verification::Good => Ok(()),
        Verification::NoKey | Verification::Bad => Err(ProofError::Signature),
        Verification::Ambiguous => Err(ProofError::Ambiguous),
    }
}

async fn fetch(
    app: &AuthorizationServer,
    presented: Presented<'_>,
    url: &url::Url,
) -> Result<KeySet, KeysError> {
    let request = Request::get(url.as_str())
        .header(ACCEPT, key_set::ACCEPTED_TYPES)
        .body(Full::new(Bytes::new()))
        .map_err(|_| FetchError::Refused("the URL is not valid".to_owned()))?;
    let asker = Asker::of(presented.from.address);
    let project = presented.project;
    let standing = if is_listed(app, project, presented.client_id) {
        Standing::Listed(project)
    } else if known_documents::is_known(app, project, presented.client_id).await {
        Standing::Known(project)
    } else {
        Standing::Unknown(&asker)
    };
    let response = app.fetch.for_stranger(standing, request, FETCH_LIMITS).await?;
    if response.status() != StatusCode::OK {
        return Err(KeysError::Status(response.status().as_u16()));
    }
    KeySet::parse(Owner::Client, response.body()).ok_or(KeysError::NotKeys)
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
