//! The end of a sign-in that a callback has claimed: the provider's code becomes an ID token, the ID token a user, and
//! the user a code for the client. In a test, the ID token becomes a report and nothing else.

use std::sync::Arc;

use gatewright_domain::{
    authorization::ConsentedRequest,
    grant::Person,
    id::{GrantId, TestSignInId, UserId},
    sign_in_attempt::Step,
    token_hash::TokenHash,
    user::{User, UserKey, UserStatus},
    user_source::{Callback, UserSource},
};
use gatewright_identity::{
    Budget, Email, Profile, Provider, Redemption, TokenError, Tokens,
    subject::{self, SubjectError},
};
use gatewright_store::{StoreError, Urgency, project, test_sign_in as rows};
use serde_json::{Map, Value};

use super::{
    answer::{self, Answer, Hidden, Known},
    check::unnamed,
    ending::{Ending, Issuing, NotIssued, Opening, Who},
    failure::Failure,
    registration::{self, SecretNews},
    test_sign_in::{self, Report},
};
use crate::{
    Gateways, authorization_server::code, directory::GatewayEntry, jose::key_set::KeySet, user_session,
};

/// Everything a claimed sign-in needs to be completed, owned, because it continues if the browser disconnects.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) app: Arc<Gateways>,
    pub(super) goal: Goal,
    pub(super) source: Arc<UserSource>,
    pub(super) provider: Provider,
    pub(super) keys: Arc<KeySet>,
    pub(super) known: Known,
    /// The provider's code.
    pub(super) code: String,
    pub(super) budget: Budget,
}

/// The purpose of a sign-in.
#[derive(Debug)]
pub(super) enum Goal {
    /// A code for a client.
    Client {
        /// Its gateway.
        entry: Arc<GatewayEntry>,
        /// What it asked for.
        request: ConsentedRequest,
    },
    /// A report.
    Test(TestSignInId),
    /// A session on the connections page.
    Connections {
        /// Its gateway.
        entry: Arc<GatewayEntry>,
    },
}

/// A person whom the provider has vouched for.
#[derive(Debug)]
struct Vouched {
    claims: Map<String, Value>,
    subject: Result<String, SubjectError>,
    profile: Profile,
}

impl Claimed {
    /// Completes the sign-in and keeps its answer, whatever that is. `page` renders a failure. Only when the store
    /// fails is nothing kept.
    pub(super) async fn complete(self, page: impl FnOnce(&Failure) -> Answer) -> Result<Answer, Failure> {
        let (vouched, mut news) = self.vouch().await;
        let verdicts = self.app.providers.verdicts();
        if news != SecretNews::None && !verdicts.count(self.source.project_id) {
            news = SecretNews::None;
        }
        let done = match (vouched, &self.goal) {
            (Ok(vouched), Goal::Client { entry, request }) => {
                self.issue(entry, request, vouched, &news).await
            }
            (Ok(vouched), Goal::Connections { entry }) => self.open(entry, vouched, &news).await,
            (Ok(vouched), Goal::Test(id)) => self.report(*id, &vouched, &news).await,
            (Err(failure), _) => Err(failure),
        };
        let answer = match done {
            Ok(answer) => answer,
            Err(failure @ (Failure::Store(_) | Failure::Internal)) => return Err(failure),
            Err(failure) => {
                let answer = page(&failure);
                self.keep(&answer, &news).await?;
                answer
            }
        };
        if news != SecretNews::None
            && let Err(error) = self.app.refresh_directory().await
        {
            tracing::warn!(%error, "the directory could not be read again; the next poll will try");
        }
        Ok(answer)
    }

    /// All that happens between us and the provider.
    async fn vouch(&self) -> (Result<Vouched, Failure>, SecretNews) {
        let pending = &self.known.pending;
        let redemption = Redemption {
            code: &self.code,
            verifier: &pending.verifier,
        };
        self.known.trace.enter(Step::TokenRequest);
        let (tokens, news) = registration::redeem(
            &self.app,
            &self.source,
            &self.provider,
            pending.callback,
            &redemption,
            self.budget,
        )
        .await;
        if let Ok(tokens) = &tokens {
            self.known.trace.detail(tokens.secret_told());
        }
        let vouched = match tokens {
            Ok(tokens) => self.identify(&tokens).await,
            Err(error) => {
                if let TokenError::Provider(cause) = &error
                    && cause.is_of_provider()
                {
                    self.app.providers.forget(&self.source.issuer);
                }
                Err(error.into())
            }
        };
        (vouched, news)
    }

    async fn identify(&self, tokens: &Tokens) -> Result<Vouched, Failure> {
        let Known { pending, trace, .. } = &self.known;
        let registration = registration::of(&self.app, &self.source, pending.callback);
        let visit = self
            .app
            .providers
            .visit(&registration, &self.provider, self.budget);
        trace.enter(Step::IdToken);
        let reads_again = || trace.detail("no key fitted, so the provider's keys were read again");
        let (id_token, keys) = visit
            .verify(tokens, Arc::clone(&self.keys), &pending.nonce, reads_again)
            .await?;
        trace.enter(Step::Subject);
        let subject = subject::read(&id_token.claims, &self.source.subject_claim);
        if let (Goal::Client { .. } | Goal::Connections { .. }, Err(error)) = (&self.goal, &subject) {
            return Err(error.clone().into());
        }
        trace.enter(Step::Profile);
        let (profile, missed) = visit
            .profile(&id_token, tokens.access_token.as_ref(), &keys)
            .await;
        if let Some(error) = missed {
            tracing::info!(user_source = %self.source.id, %error, "continuing without userinfo");
        }
        trace.leave();
        Ok(Vouched {
            claims: id_token.claims,
            subject,
            profile,
        })
    }

    /// The transaction that makes it happen: user, code, answer, and what was learnt about the secret.
    async fn issue(
        &self,
        entry: &GatewayEntry,
        request: &ConsentedRequest,
        vouched: Vouched,
        news: &SecretNews,
    ) -> Result<Answer, Failure> {
        let app = &self.app;
        self.known.trace.enter(Step::Code);
        let who = self.who(vouched)?;
        let grant = match self.known.trace.attempt() {
            Some(attempt) => attempt.grant(),
            None => GrantId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        };
        let person = Person::User {
            user_id: who.user.id,
            user_source_id: self.source.id,
            identity_epoch: self.source.identity_epoch,
        };
        let code = code::prepare(&app.authorization_server, entry, request, person, grant)
            .ok_or(Failure::Overtaken)?;
        let answer = Answer::Redirect {
            location: code.location().to_owned(),
        };
        let issuing = Issuing {
            who,
            code,
            ending: self.ending(&answer, news),
        };
        let issued = app
            .store
            .transact(Urgency::Person, move |tx| Box::pin(issuing.write(tx)))
            .await;
        let user = self.signed_in(issued)?;
        self.known.trace.leave();
        tracing::info!(
            gateway = %entry.gateway.id,
            user_source = %self.source.id,
            user = %user,
            "a user signed in"
        );
        Ok(answer)
    }

    /// The transaction that opens the connections page: user, session, answer, and what was learnt about the secret.
    async fn open(
        &self,
        entry: &GatewayEntry,
        vouched: Vouched,
        news: &SecretNews,
    ) -> Result<Answer, Failure> {
        let app = &self.app;
        self.known.trace.enter(Step::Code);
        let who = self.who(vouched)?;
        let gateway = &entry.gateway;
        let (session, cookie) = user_session::prepare(app, gateway, &self.source, who.user.id, app.now());
        let answer = Answer::Connections {
            location: format!("/mcp/{}/connections", gateway.slug),
            cookie: Hidden(cookie.to_str().map_err(|_| Failure::Internal)?.to_owned()),
        };
        let opening = Opening {
            who,
            session,
            ending: self.ending(&answer, news),
        };
        let opened = app
            .store
            .transact(Urgency::Person, move |tx| Box::pin(opening.write(tx)))
            .await;
        let user = self.signed_in(opened)?;
        self.known.trace.succeed();
        tracing::info!(
            gateway = %gateway.id,
            user_source = %self.source.id,
            user = %user,
            "a user signed in to see their connections"
        );
        Ok(answer)
    }

    /// The person, as a user who signs in for the first time.
    fn who(&self, vouched: Vouched) -> Result<Who, Failure> {
        let (app, now) = (&self.app, self.app.now());
        let user = User {
            id: UserId::generate(app.clock.as_ref(), app.entropy.as_ref()),
            project_id: self.source.project_id,
            key: UserKey {
                user_source_id: self.source.id,
                issuer: self.source.issuer.clone(),
                claim: self.source.subject_claim.clone(),
                subject: vouched.subject?,
            },
            display_name: vouched.profile.name.clone(),
            email: vouched.profile.email.address().map(str::to_owned),
            status: UserStatus::Active,
            first_sign_in_at: now,
            last_sign_in_at: now,
        };
        Ok(Who {
            user,
            forgets_email: vouched.profile.email == Email::Unverified,
        })
    }

    /// The user of a sign-in that was written, with whom the trace goes on.
    fn signed_in(&self, written: Result<UserId, NotIssued>) -> Result<UserId, Failure> {
        match written {
            Ok(user) => {
                self.known.trace.is_of(user);
                self.app.telemetry.count_sign_in("completed");
                Ok(user)
            }
            Err(NotIssued::Blocked(user)) => {
                self.known.trace.is_of(user);
                Err(Failure::Blocked)
            }
            Err(NotIssued::Failed(failure)) => Err(failure),
        }
    }

    /// The transaction that ends a test: its report, and what was learnt about the secret.
    async fn report(
        &self,
        id: TestSignInId,
        vouched: &Vouched,
        news: &SecretNews,
    ) -> Result<Answer, Failure> {
        let now = self.app.now();
        let report = match &vouched.subject {
            Ok(subject) => Report::succeeded(&self.source, &vouched.claims, subject, &vouched.profile, now),
            Err(error) => {
                let failure = Failure::Subject(error.clone()).reported(None);
                Report::without_subject(&self.source, &vouched.claims, failure, &vouched.profile, now)
            }
        };
        let is_refused = match news {
            SecretNews::Refused(_) => true,
            SecretNews::Accepted(_) => false,
            SecretNews::None => self.source.client_secret.needs_attention(),
        };
        let mut report = if is_refused {
            report.with_refused_secret()
        } else {
            report
        };
        if !self.provider.sends_issuer && self.known.pending.callback == Callback::Shared {
            let several: Result<_, StoreError> =
                self.app.store.look(|tx| Box::pin(project::are_several(tx))).await;
            if several? {
                report.warnings.push(unnamed(true));
            }
        }
        let answer = Answer::Tested(Box::new(report.clone()));
        let ending = self.ending(&answer, news);
        let project = self.source.project_id;
        let progress = test_sign_in::progress(&self.app, id, &report);
        let kept = self
            .app
            .store
            .transact(Urgency::Person, move |tx| {
                Box::pin(async move {
                    ending.write(tx).await?;
                    if rows::note(tx, project, id, &progress, now).await? {
                        Ok(())
                    } else {
                        Err(Failure::TestOver)
                    }
                })
            })
            .await;
        kept?;
        tracing::info!(
            user_source = %self.source.id,
            test_sign_in = %id,
            succeeded = report.failure.is_none(),
            "a test sign-in ended"
        );
        Ok(answer)
    }

    /// Keeps the answer of a sign-in that failed, and of a test its report.
    async fn keep(&self, answer: &Answer, news: &SecretNews) -> Result<(), Failure> {
        let ending = self.ending(answer, news);
        let (project, now) = (self.source.project_id, self.app.now());
        let test = if let (Goal::Test(id), Answer::Tested(report)) = (&self.goal, answer) {
            Some((*id, test_sign_in::progress(&self.app, *id, report)))
        } else {
            None
        };
        self.app
            .store
            .transact(Urgency::Person, move |tx| {
                Box::pin(async move {
                    ending.write(tx).await?;
                    if let Some((id, progress)) = test {
                        rows::note(tx, project, id, &progress, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    fn ending(&self, answer: &Answer, news: &SecretNews) -> Ending {
        Ending {
            state: self.known.state,
            code: TokenHash::of(&self.code),
            answer: answer::seal(&self.app, self.known.state, answer),
            project: self.source.project_id,
            source: self.source.id,
            news: news.clone(),
            now: self.app.now(),
        }
    }
}
