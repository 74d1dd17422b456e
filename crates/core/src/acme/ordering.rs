//! An order, from the account to the certificate (RFC 8555 section 7).

use std::time::Duration;

use gatewright_domain::{Timestamp, sealed::Purpose, stored_secret::SealedText};
use gatewright_store::{
    StoreError,
    acme::{self, AcmeAccount, AcmeCertificate, AcmeChallenge},
};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error as LibraryError,
    ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use tokio::time::{Instant, sleep, timeout};

use super::{FOLLOW_EVERY, answers, http::Asking, id_of, schedule};
use crate::{
    Core,
    config::{AcmeConfig, acme::decoded},
    tls::{Pair, Wrong},
};

/// An order takes some seconds. After this, it ends.
const DEADLINE: Duration = Duration::from_mins(5);
/// For so long it is tried to write how the order ended, with pauses: a certificate that was issued must not be lost because the
/// database is busy at that moment.
const WRITING: Duration = Duration::from_mins(1);
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// After this, another replica may try.
const CLAIM: Duration = Duration::from_mins(7);
/// How long challenges stay open if no one closes them.
const CHALLENGES_OPEN: Duration = Duration::from_mins(10);
/// How the authority is asked whether it has finished.
const POLLING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .timeout(Duration::from_mins(2));
/// How long a certificate that has expired is kept, for a configuration that has changed.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// The type of an error (RFC 8555 section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("{0}")]
    Authority(#[from] LibraryError),
    #[error("the challenge for {domain} failed: {detail}")]
    Challenge { domain: String, detail: String },
    #[error("the authority does not offer {kind:?} for {domain}")]
    NotOffered { domain: String, kind: ChallengeType },
    #[error("the order is {0:?}")]
    Status(OrderStatus),
    #[error("the certificate that was issued cannot be used: {0}")]
    Certificate(#[from] Wrong),
    #[error("the certificate that was issued is not valid now. Check the clock of this machine")]
    NotNow,
    #[error("the account in the database cannot be read with this master key")]
    Account,
    #[error("it took longer than five minutes")]
    Late,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Orders a certificate if that is due and no other replica does it. What the authority refuses is noted, and no error.
pub async fn order_if_due(core: &Core) -> Result<(), StoreError> {
    let id = id_of(&core.config.acme);
    let mut tx = core.store.read().await?;
    let standing = acme::standing(&mut tx, &id).await?;
    let now = core.now();
    if now < standing.attempt_at {
        return Ok(());
    }
    let current = acme::find(&mut tx, &id).await?;
    drop(tx);
    let expires_at = current.map(|certificate| certificate.expires_at);
    let life = |now: Timestamp| expires_at.filter(|at| *at > now).map(|at| at.since(now));
    let mut tx = core.store.write().await?;
    // On SQLite there is no other replica, and a process that is started again only waits for the pause.
    let term = if core.config.is_postgres() {
        CLAIM
    } else {
        Duration::ZERO
    };
    // Until the order ends, it counts as failed: a process that is killed again and again does not order each time.
    let pause = schedule::pause(standing.failures, Duration::ZERO, life(now), &*core.entropy);
    let is_ours = acme::claim(&mut tx, &id, now, now.plus(term), now.plus(pause)).await?;
    tx.commit().await?;
    if !is_ours {
        return Ok(());
    }
    let asking = Asking::new(&core.fetch);
    tracing::info!(
        directory = core.config.acme.directory,
        domains = core.config.acme.domains.join(","),
        "a TLS certificate is ordered"
    );
    let mut open = Vec::new();
    let ordering = obtain(core, &asking, standing.failures, &mut open);
    let outcome = timeout(DEADLINE, ordering).await.unwrap_or(Err(OrderError::Late));
    answers::present(core, &[]);
    let now = core.now();
    let ending = match outcome {
        Ok((chain, key, pair)) => {
            let context = acme::key_context(&id);
            let certificate = AcmeCertificate {
                chain,
                private_key: seal(core, &context, key.as_bytes()),
                expires_at: pair.validity.not_after,
            };
            let next = schedule::renewal(pair.validity, &*core.entropy);
            Ending::Issued { certificate, next }
        }
        Err(error) => {
            let asked = asking.retry_after();
            let pause = schedule::pause(standing.failures, asked, life(now), &*core.entropy);
            Ending::Failed {
                error: acme::printable(&error.to_string()),
                next: now.plus(pause),
            }
        }
    };
    conclude(core, &id, &open, &ending).await
}

/// How an order ended, and when the next is due.
enum Ending {
    Issued {
        certificate: AcmeCertificate,
        next: Timestamp,
    },
    Failed {
        error: String,
        next: Timestamp,
    },
}

/// Writes how an order ended, and says so. If the database does not take it, it is tried again for a while.
async fn conclude(core: &Core, id: &str, open: &[AcmeChallenge], ending: &Ending) -> Result<(), StoreError> {
    let until = Instant::now() + WRITING;
    let mut is_first = true;
    while let Err(error) = write(core, id, open, ending).await {
        if Instant::now() >= until {
            return Err(error);
        }
        if is_first {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how the order of a TLS certificate ended cannot be written; it is tried again"
            );
        }
        is_first = false;
        sleep(WRITE_AGAIN).await;
    }
    match ending {
        Ending::Issued { certificate, next } => tracing::info!(
            expires = certificate.expires_at.to_rfc3339(),
            renewed = next.to_rfc3339(),
            "a TLS certificate was issued"
        ),
        Ending::Failed { error, next } => tracing::error!(
            error,
            next = next.to_rfc3339(),
            "no TLS certificate could be ordered; it is tried again"
        ),
    }
    Ok(())
}

/// Closes the challenges of an order and writes how it ended, or neither.
async fn write(core: &Core, id: &str, open: &[AcmeChallenge], ending: &Ending) -> Result<(), StoreError> {
    let now = core.now();
    let mut tx = core.store.write().await?;
    acme::close_challenges(&mut tx, open, now).await?;
    match ending {
        Ending::Issued { certificate, next } => {
            acme::issue(&mut tx, id, certificate, *next, now.minus(KEPT)).await?;
        }
        Ending::Failed { error, next } => acme::fail(&mut tx, id, error, *next).await?,
    }
    tx.commit().await
}

fn seal(core: &Core, context: &str, plain: &[u8]) -> SealedText {
    core.keyring
        .seal(&*core.entropy, Purpose::StoredSecret, context, plain)
}

/// The certificate with its chain, its key and both together. `open` gets the challenges that were opened.
async fn obtain(
    core: &Core,
    asking: &Asking,
    failures: u32,
    open: &mut Vec<AcmeChallenge>,
) -> Result<(String, String, Pair), OrderError> {
    let config = &core.config.acme;
    let account = account(core, asking).await?;
    let domains = config.domains.iter().cloned();
    let identifiers: Vec<Identifier> = domains.map(Identifier::Dns).collect();
    let new = NewOrder::new(&identifiers);
    let mut order = unless_unknown(core, account.new_order(&new).await).await?;
    let kind = kind(core, failures);
    *open = challenges(core, &mut order, &kind).await?;
    let mut tx = core.store.write().await?;
    acme::open_challenges(&mut tx, open).await?;
    tx.commit().await?;
    answers::present(core, open);
    if core.config.is_postgres() {
        // The authority may ask any replica.
        sleep(FOLLOW_EVERY * 2).await;
    }
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Pending
            && let Some(mut challenge) = authorization.challenge(kind.clone())
        {
            challenge.set_ready().await?;
        }
    }
    let status = order.poll_ready(&POLLING).await;
    if !matches!(status, Ok(OrderStatus::Ready)) {
        return Err(why(&mut order).await.unwrap_or(match status {
            Ok(status) => OrderError::Status(status),
            Err(error) => error.into(),
        }));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&POLLING).await?;
    let pair = Pair::parse(chain.as_bytes(), key.as_bytes())?;
    if pair.validity.not_after <= core.now() {
        return Err(OrderError::NotNow);
    }
    Ok((chain, key, pair))
}

/// The account at the authority: that in the database, or a new one.
async fn account(core: &Core, asking: &Asking) -> Result<Account, OrderError> {
    let config = &core.config.acme;
    let directory = config.directory.clone();
    let builder = Account::builder_with_http(Box::new(asking.clone()));
    let contact = config.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let context = acme::account_context(&directory);
    let mut tx = core.store.read().await?;
    let stored = acme::find_account(&mut tx, &directory).await?;
    drop(tx);
    let (account, credentials) = if let Some(stored) = stored {
        let opened = core
            .keyring
            .open(Purpose::StoredSecret, &context, &stored.credentials);
        let opened = opened.map_err(|_| OrderError::Account)?;
        let credentials: AccountCredentials =
            serde_json::from_slice(&opened).map_err(|_| OrderError::Account)?;
        let account = builder.from_credentials(credentials).await?;
        if stored.email == config.email {
            return Ok(account);
        }
        unless_unknown(core, account.update_contacts(&contact).await).await?;
        (account, stored.credentials)
    } else {
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: config.accept_terms,
            only_return_existing: false,
        };
        let binding = binding(config);
        let (account, credentials) = builder.create(&new, directory.clone(), binding.as_ref()).await?;
        let plain = serde_json::to_vec(&credentials).map_err(|_| OrderError::Account)?;
        (account, seal(core, &context, &plain))
    };
    let stored = AcmeAccount {
        credentials,
        email: config.email.clone(),
    };
    let mut tx = core.store.write().await?;
    acme::put_account(&mut tx, &directory, &stored, core.now()).await?;
    tx.commit().await?;
    Ok(account)
}

/// Forgets the account if the authority answers that it does not know it: the next order creates another one.
async fn unless_unknown<T>(core: &Core, answer: Result<T, LibraryError>) -> Result<T, OrderError> {
    let error = match answer {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    if matches!(&error, LibraryError::Api(problem) if problem.r#type.as_deref() == Some(NO_ACCOUNT)) {
        let mut tx = core.store.write().await?;
        acme::delete_account(&mut tx, &core.config.acme.directory).await?;
        tx.commit().await?;
    }
    Err(error.into())
}

/// The key of the authority for new accounts (RFC 8555 section 7.3.4).
fn binding(config: &AcmeConfig) -> Option<ExternalAccountKey> {
    let key = decoded(config.eab_hmac_key.as_ref()?)?;
    Some(ExternalAccountKey::new(config.eab_key_id.clone()?, &key))
}

/// How domains are proved: over HTTP if there is a second address, and over TLS otherwise. After a failure, the other way is tried.
fn kind(core: &Core, failures: u32) -> ChallengeType {
    if core.config.tls.http_listen.is_some() && failures.is_multiple_of(2) {
        ChallengeType::Http01
    } else {
        ChallengeType::TlsAlpn01
    }
}

/// The challenges of an order that are to be answered.
async fn challenges(
    core: &Core,
    order: &mut Order,
    kind: &ChallengeType,
) -> Result<Vec<AcmeChallenge>, OrderError> {
    let expires_at = core.now().plus(CHALLENGES_OPEN);
    let mut found = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let Some(challenge) = authorization.challenge(kind.clone()) else {
            return Err(OrderError::NotOffered {
                domain,
                kind: kind.clone(),
            });
        };
        found.push(AcmeChallenge {
            token: challenge.token.clone(),
            key_authorization: challenge.key_authorization().as_str().to_owned(),
            domain,
            expires_at,
        });
    }
    Ok(found)
}

/// What the authority says about the first challenge that failed.
async fn why(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let domain = authorization.identifier().to_string();
        let state = authorization.refresh().await.ok()?;
        let mut errors = state
            .challenges
            .iter()
            .filter_map(|challenge| challenge.error.as_ref());
        if let Some(error) = errors.next() {
            let detail = error.detail.clone().unwrap_or_else(|| error.to_string());
            return Some(OrderError::Challenge { domain, detail });
        }
    }
    None
}
