//! Forgetting what has expired, batch by batch.

use std::time::Duration;

use gatewright_domain::{Timestamp, activity_rollup::Period};
use gatewright_store::{self as store, StoreError, Tx, Urgency};

use gatewright_admin::Admin;

/// How long one table is worked on per round. What is left waits for the next.
const PRUNE_BUDGET: Duration = Duration::from_secs(10);
/// Ended grants are kept this long, so that an admin sees what was.
const KEEP_ENDED_GRANTS: Duration = Duration::from_hours(30 * 24);
/// Codes are kept this long past their expiry, so that a replay is recognised.
const KEEP_CODES: Duration = Duration::from_hours(24);
/// Claimed sign-ins are kept this long past the expiry of their cookie: a replica whose clock is behind must not take one for
/// new.
const KEEP_CLAIMED: Duration = Duration::from_mins(10);
/// Codes of identity providers are remembered this long after they were brought back. RFC 6749 section 4.1.2 asks for ten
/// minutes of life at most; some providers let administrators choose hours.
const KEEP_BROUGHT_CODES: Duration = Duration::from_hours(24);
/// Documents of clients are kept this long after someone last signed in with the client.
const KEEP_CLIENT_DOCUMENTS: Duration = Duration::from_hours(90 * 24);
/// Invitations are kept this long past their time, so that an owner sees their state.
const KEEP_INVITATIONS: Duration = Duration::from_hours(30 * 24);
/// Incidents are listed for this long after their end.
const KEEP_INCIDENTS: Duration = Duration::from_hours(90 * 24);
/// API keys are listed this long after their end. The audit trail contains them for as long as it is kept itself.
const KEEP_ENDED_KEYS: Duration = Duration::from_hours(90 * 24);
/// The sign-in trace is kept this long after the last activity of an attempt.
const KEEP_ATTEMPTS: Duration = Duration::from_hours(30 * 24);

/// Seconds of a day.
const A_DAY: i64 = 24 * 60 * 60;

/// What expires, in the order in which it is deleted.
#[derive(Debug, Clone, Copy)]
enum Expiring {
    ClaimedSignIns,
    TestSignIns,
    BroughtCodes,
    Codes,
    Revocations,
    RefreshTokens,
    Grants,
    IdempotencyKeys,
    AccountSessions,
    AccountLinks,
    Invitations,
    Assertions,
    Attempts,
    SignInPlaces,
    SignInCounts,
    AuditEvents,
    EndedSessions,
    SessionNotes,
    ConnectionSessions,
    ReplicaMail,
    ClientDocuments,
    ApiKeys,
    Incidents,
}

/// Rows deleted in one transaction: as many as take some hundredths of a second, so that no request waits long for the one
/// writer of SQLite, and what thousands of clients leave behind is still deleted within the round.
#[derive(Debug)]
struct Pace(u32);

impl Pace {
    const LEAST: u32 = 100;
    const MOST: u32 = 5_000;

    /// A transaction took this long.
    fn follow(&mut self, took: Duration) {
        if took < Duration::from_millis(20) {
            self.0 = (self.0 * 2).min(Self::MOST);
        } else if took > Duration::from_millis(60) {
            self.0 = (self.0 / 2).max(Self::LEAST);
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self(200)
    }
}

impl Expiring {
    const ALL: [Self; 23] = [
        Self::ClaimedSignIns,
        Self::TestSignIns,
        Self::BroughtCodes,
        Self::Codes,
        Self::Revocations,
        Self::RefreshTokens,
        Self::Grants,
        Self::IdempotencyKeys,
        Self::AccountSessions,
        Self::AccountLinks,
        Self::Invitations,
        Self::Assertions,
        Self::Attempts,
        Self::SignInPlaces,
        Self::SignInCounts,
        Self::AuditEvents,
        Self::EndedSessions,
        Self::SessionNotes,
        Self::ConnectionSessions,
        Self::ReplicaMail,
        Self::ClientDocuments,
        Self::ApiKeys,
        Self::Incidents,
    ];

    /// How long its rows are kept past their time; `None` if they never expire.
    fn kept(self, app: &Admin) -> Option<Duration> {
        match self {
            Self::ClaimedSignIns => Some(KEEP_CLAIMED),
            Self::BroughtCodes => Some(KEEP_BROUGHT_CODES),
            Self::Codes => Some(KEEP_CODES),
            Self::Grants => Some(KEEP_ENDED_GRANTS),
            Self::Invitations => Some(KEEP_INVITATIONS),
            Self::Attempts => Some(KEEP_ATTEMPTS),
            Self::ClientDocuments => Some(KEEP_CLIENT_DOCUMENTS),
            Self::ApiKeys => Some(KEEP_ENDED_KEYS),
            Self::Incidents => Some(KEEP_INCIDENTS),
            Self::SignInCounts => Some(Period::Day.kept()),
            Self::AuditEvents => match app.config.audit.retention_days {
                0 => None,
                days => Some(Duration::from_hours(24 * u64::from(days))),
            },
            Self::TestSignIns
            | Self::Revocations
            | Self::RefreshTokens
            | Self::IdempotencyKeys
            | Self::AccountSessions
            | Self::AccountLinks
            | Self::Assertions
            | Self::SignInPlaces
            | Self::EndedSessions
            | Self::SessionNotes
            | Self::ConnectionSessions
            | Self::ReplicaMail => Some(Duration::ZERO),
        }
    }

    /// Deletes rows that expired before `before`, at most `limit`; returns how many.
    async fn prune(self, app: &Admin, tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        match self {
            Self::ClaimedSignIns => store::claimed_sign_in::prune(tx, before, limit).await,
            Self::TestSignIns => store::test_sign_in::prune(tx, before, limit).await,
            Self::BroughtCodes => store::brought_code::prune(tx, before, limit).await,
            Self::Codes => store::authorization_code::prune(tx, before, limit).await,
            Self::Revocations => store::revocation::prune(tx, before, limit).await,
            Self::RefreshTokens => store::refresh_token::prune(tx, before, limit).await,
            Self::Grants => store::grant::prune(tx, before, limit).await,
            Self::IdempotencyKeys => store::idempotency::prune(tx, before, limit).await,
            Self::AccountSessions => store::account_session::prune(tx, before, limit).await,
            Self::AccountLinks => store::account_link::prune(tx, before, limit).await,
            Self::Invitations => store::invitation::prune(tx, before, limit).await,
            Self::Assertions => store::used_assertion::prune(tx, before, limit).await,
            Self::Attempts => store::sign_in_attempt::prune(tx, before, limit).await,
            Self::SignInPlaces => store::sign_in_place::prune(tx, before, limit).await,
            Self::SignInCounts => store::sign_in_count::prune(tx, before, limit).await,
            Self::AuditEvents => {
                // Whole days, because each deletion writes an event.
                let day = before.as_seconds().div_euclid(A_DAY) * A_DAY;
                let random = (app.clock.as_ref(), app.entropy.as_ref());
                store::audit::prune(tx, Timestamp::from_seconds(day), limit, random).await
            }
            Self::EndedSessions => store::ended_session::prune(tx, before, limit).await,
            Self::SessionNotes => store::session_note::prune(tx, before, limit).await,
            Self::ConnectionSessions => store::connection_session::prune(tx, before, limit).await,
            Self::ReplicaMail => store::replica_mail::prune(tx, before, limit).await,
            Self::ClientDocuments => store::client_document::prune(tx, before, limit).await,
            Self::ApiKeys => store::api_key::prune(tx, before, limit).await,
            Self::Incidents => store::incident::prune(tx, before, limit).await,
        }
    }
}

/// Deletes expired rows, batch by batch.
pub(super) async fn prune_once(app: &Admin, now: Timestamp) -> Result<(), StoreError> {
    for table in Expiring::ALL {
        let Some(kept) = table.kept(app) else {
            continue;
        };
        let before = now.minus(kept);
        let since = app.clock.monotonic();
        let mut pace = Pace::default();
        loop {
            let (began, limit) = (app.clock.monotonic(), pace.0);
            let mut tx = app.core().store.write_for(Urgency::Program).await?;
            let gone = table.prune(app, &mut tx, before, limit).await?;
            tx.commit().await?;
            let now_at = app.clock.monotonic();
            if gone < u64::from(limit) || now_at.saturating_sub(since) > PRUNE_BUDGET {
                break;
            }
            pace.follow(now_at.saturating_sub(began));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{audit::Origin, entropy::SystemEntropy, id::GatewayId};
    use gatewright_store::{
        PageRequest,
        audit::AuditFilter,
        used_assertion::{self, MAX_PER_CLIENT, UsedAssertion},
    };

    use super::*;
    use gatewright_admin::testing::TestAdmin;

    use crate::{
        config::{AuditConfig, Config},
        operator::{
            Authority, IfMatch,
            api_keys::{self, NewInstanceKey},
            projects::{self, NewProject},
        },
    };

    const DAY: Duration = Duration::from_hours(24);

    /// How many events the trail of the instance has.
    async fn events(app: &Admin) -> usize {
        let mut tx = app.core().store.read().await.unwrap();
        let page = PageRequest::first(200);
        let filter = AuditFilter::default();
        let read = gatewright_store::audit::list(&mut tx, None, &filter, &page).await;
        read.unwrap().items.len()
    }

    async fn create(app: &Admin, name: String) {
        let operator = Authority::operator(Origin::Cli);
        projects::create(app, &operator, NewProject { name })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn the_audit_trail_is_kept_for_its_time_and_for_ever_where_that_is_asked_for() {
        // After the deletion, an event records it.
        for (retention_days, left) in [(30, 2), (0, 4)] {
            let test =
                TestAdmin::with(|config: &mut Config| config.audit = AuditConfig { retention_days }).await;
            let app = &test.app;
            for number in 0..3 {
                create(app, format!("Project {number}")).await;
            }
            test.clock.advance(DAY * 29);
            create(app, "The last one".to_owned()).await;
            prune_once(app, app.now()).await.unwrap();
            assert_eq!(events(app).await, 4, "nothing is old enough");
            test.clock.advance(DAY * 2);
            prune_once(app, app.now()).await.unwrap();
            assert_eq!(events(app).await, left);
        }
    }

    #[tokio::test]
    async fn a_key_is_listed_for_three_months_after_its_end() {
        let test = TestAdmin::new().await;
        let app = &test.app;
        let operator = Authority::operator(Origin::Cli);
        let new = NewInstanceKey {
            name: "Old".to_owned(),
            expires_at: None,
        };
        let made = api_keys::create_for_instance(app, &operator, new).await.unwrap();
        let page = PageRequest::first(200);
        let listed = async || {
            let listed = api_keys::list(app, &operator, None, &page).await.unwrap();
            listed.items.iter().any(|key| key.id == made.key.id)
        };
        prune_once(app, app.now().plus(DAY * 365)).await.unwrap();
        assert!(listed().await, "it works");
        api_keys::revoke(app, &operator, None, made.key.id, &IfMatch::Any)
            .await
            .unwrap();
        prune_once(app, app.now().plus(DAY * 89)).await.unwrap();
        assert!(listed().await);
        prune_once(app, app.now().plus(DAY * 91)).await.unwrap();
        assert!(!listed().await);
    }

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            pace.follow(Duration::from_millis(5));
        }
        assert_eq!(pace.0, Pace::MOST);
        pace.follow(Duration::from_millis(40));
        assert_eq!(pace.0, Pace::MOST);
        for _ in 0..10 {
            pace.follow(Duration::from_millis(100));
        }
        assert_eq!(pace.0, Pace::LEAST);
    }

    #[tokio::test]
    async fn ten_thousand_expired_rows_are_deleted_after_one_round() {
        let test = TestAdmin::new().await;
        let (app, now) = (&test.app, test.app.now());
        let gateway = GatewayId::generate(test.clock.as_ref(), &SystemEntropy);
        let mut tx = app.core().store.write().await.unwrap();
        for number in 0..10_000 {
            let client = format!("client {}", number / 100);
            let used = UsedAssertion::new(gateway, &client, &number.to_string(), now);
            used_assertion::use_up(&mut tx, &used, MAX_PER_CLIENT, now)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        let later = now.plus(Duration::from_hours(1));
        prune_once(app, later).await.unwrap();
        let mut tx = app.core().store.write().await.unwrap();
        assert_eq!(used_assertion::prune(&mut tx, later, 10).await.unwrap(), 0);
    }
}
