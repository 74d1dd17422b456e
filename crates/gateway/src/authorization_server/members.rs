//! Signing in as a member: in the mode *Project members* the person signs in with their account, on a page of the
//! dashboard, before the consent page is shown. **Allow* then issues the code immediately: the session proves who is at
//! the browser, and it is looked up again in the request that allows. Whether the account is still a member is seen once
//! more in the transaction that stores the code, and by every request with its tokens after that.

use std::time::Duration;

use axum::response::Response;
use gatewright_domain::{
    account::Account,
    authorization::ConsentedRequest,
    client::short_id,
    gateway::Authentication,
    grant::Person,
    id::{AccountId, AttemptId},
    reference::Reference,
    sign_in_attempt::{AttemptHead, Step},
};
use gatewright_store::{StoreError, Urgency, authorization_code::Insertion, member};
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::AuthorizationServer;
use super::{
    answer,
    authorize::unavailable_page,
    code::{self, NewCode},
    limits::TOO_MANY_ADVICE,
    often::{consent_used_up_page, too_many_page},
    opening::Refusal,
};
use crate::{
    account_sessions,
    directory::GatewayEntry,
    next,
    page::{self, ErrorPage},
    request::RequestContext,
    session_cookie as cookie,
    sign_in_trace::{BeforeAllow, before_allow::Sort},
};

/// Owners whom the page for strangers names.
const OWNERS_NAMED: u32 = 3;

/// Who is at the browser.
#[derive(Debug)]
pub(super) enum AtBrowser {
    /// A member of the gateway's project.
    Member(Account),
    /// Someone who is signed in and is not a member.
    Stranger(Account),
    /// The person is not signed in.
    NoOne,
}

/// Why a member's sign-in cannot continue.
#[derive(Debug, thiserror::Error)]
pub(super) enum MemberError {
    /// The account is not a member.
    #[error("the account that is signed in is not a member of the project")]
    Stranger {
        /// The account's address.
        email: String,
        /// Names of owners, whom to ask.
        owners: Vec<String>,
    },
    /// The session ended, or another account has taken its place, since the page was shown.
    #[error("the account that was asked is not the one that is signed in now")]
    SomebodyElse,
    /// The request is too long to come back to after signing in.
    #[error("the address of the authorization request is too long to come back to after signing in")]
    TooLong,
    /// The member signed in too often within a minute.
    #[error("the member signed in too often within a minute")]
    TooMany(Duration),
    /// The consent page was used too often.
    #[error("the consent page was used too often")]
    ConsentUsedUp,
    /// Gateway or membership changed while the code was stored.
    #[error("gateway or membership changed while the sign-in was completed; no code was issued")]
    Overtaken,
    /// The session could not be looked up.
    #[error("the session could not be looked up: {0}")]
    Session(#[source] StoreError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MemberError {
    /// Its entry in the trace; `None` if [`allow`] has written it.
    pub(super) const fn traced(&self) -> Option<Refusal> {
        let advice = match self {
            Self::Stranger { .. } => "Invite the person to the project if they should use this gateway.",
            Self::SomebodyElse => "Nothing. The person connects again from the app.",
            Self::TooLong => {
                "The person signs in to the dashboard first and then connects again from the app."
            }
            Self::Session(_) => "Check the database.",
            Self::TooMany(_) | Self::ConsentUsedUp | Self::Overtaken | Self::Store(_) => return None,
        };
        let (step, sort) = (Step::Subject, Sort::Refused);
        Some(Refusal { step, sort, advice })
    }

    pub(super) fn into_response(self, context: &RequestContext, reference: Reference) -> Response {
        let page = |status, title: &str, explanation: String, advice: String| {
            page::error(&ErrorPage {
                status,
                title: title.to_owned(),
                explanation,
                advice,
                reference,
            })
        };
        match self {
            Self::Stranger { email, owners } => page(
                StatusCode::FORBIDDEN,
                "You are not a member of this project",
                format!("You are signed in as {email}. This gateway is for the members of its project, and this account is not one of them."),
                whom_to_ask(&owners),
            ),
            Self::SomebodyElse => page(
                StatusCode::FORBIDDEN,
                "You are not signed in as before",
                "Your session has ended, or another account has been signed in since the question was asked. No access was granted.".to_owned(),
                "Go back to the app and connect again.".to_owned(),
            ),
            Self::TooLong => page(
                StatusCode::BAD_REQUEST,
                "Please sign in first",
                "You are not signed in, and the app's request is too long to come back to afterwards.".to_owned(),
                "Sign in to the dashboard in another tab of this browser, then reload this page.".to_owned(),
            ),
            Self::TooMany(after) => too_many_page(after, reference),
            Self::ConsentUsedUp => consent_used_up_page(reference),
            Self::Overtaken => page(
                StatusCode::BAD_REQUEST,
                "This gateway has just been changed",
                "Its settings or your membership changed while you were signing in, so this sign-in cannot be finished.".to_owned(),
                "Go back to the app and connect again.".to_owned(),
            ),
            Self::Session(error) => {
                tracing::error!(request = %context.id, error = &error as &dyn std::error::Error, "a session could not be looked up");
                unavailable_page(reference)
            }
            Self::Store(error) => {
                tracing::error!(request = %context.id, error = &error as &dyn std::error::Error, "a member could not be signed in");
                unavailable_page(reference)
            }
        }
    }
}

fn whom_to_ask(owners: &[String]) -> String {
    let invite = "to invite you, or sign in with another account.";
    match owners {
        [] => format!("Ask the people who run the gateway {invite}"),
        [one] => format!("Ask {one}, who owns the project, {invite}"),
        [first @ .., last] => format!(
            "Ask {} or {last}, who own the project, {invite}",
            first.join(", ")
        ),
    }
}

/// Who is to be asked for consent.
#[derive(Debug)]
pub(super) enum Asked {
    /// The person at the browser: they sign in after *Allow*.
    Anybody,
    /// This member.
    Member(Account),
    /// Not signed in yet: the browser goes to the sign-in page, and comes back from there.
    SignInFirst(Response),
}

/// Who is to be asked at a gateway, for the authorization request with this `query`.
pub(super) async fn asked(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
    query: &str,
) -> Result<Asked, MemberError> {
    match entry.gateway.authentication {
        Authentication::ProjectMembers => {}
        Authentication::UserSource(_) | Authentication::Headers => return Ok(Asked::Anybody),
    }
    match at_browser(app, entry, headers).await? {
        AtBrowser::Member(account) => Ok(Asked::Member(account)),
        AtBrowser::Stranger(account) => Err(stranger(app, entry, &account).await?),
        AtBrowser::NoOne => {
            let path = format!("/mcp/{}/oauth2/authorize?{query}", entry.gateway.slug);
            if next::safe_path(Some(&path)) != path {
                return Err(MemberError::TooLong);
            }
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("next", &path)
                .finish();
            let redirect = answer::redirect(&format!("/sign-in?{query}"), Vec::new());
            Ok(Asked::SignInFirst(redirect))
        }
    }
}

/// Gives the code to the member who allowed it, `asked`, who must still be at the browser.
pub(super) async fn allow(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    request: ConsentedRequest,
    asked: AccountId,
    before: BeforeAllow,
    headers: &HeaderMap,
) -> Result<Response, MemberError> {
    match at_browser(app, entry, headers).await? {
        AtBrowser::Member(account) if account.id == asked => {}
        AtBrowser::Stranger(account) if account.id == asked => {
            return Err(stranger(app, entry, &account).await?);
        }
        AtBrowser::Member(_) | AtBrowser::Stranger(_) | AtBrowser::NoOne => {
            return Err(MemberError::SomebodyElse);
        }
    }
    let head = AttemptHead {
        id: AttemptId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: entry.gateway.project_id,
        gateway_id: entry.gateway.id,
        user_source_id: None,
        reference: Some(before.reference),
        client_id: short_id(&request.client_id),
        client_name: request.client_name.clone(),
        started_at: before.started_at,
    };
    let grant = head.id.grant();
    let trace = app.sign_in_trace.begin(head, before.steps);
    app.telemetry.count_sign_in("begun");
    trace.enter(Step::Subject);
    trace.detail(&format!("a member of the project, by their session: {asked}"));
    trace.enter(Step::Code);
    let code = code::prepare(app, entry, &request, Person::Member(asked), grant);
    match issue(app, code).await {
        Ok(location) => {
            trace.leave();
            app.telemetry.count_sign_in("completed");
            tracing::info!(gateway = %entry.gateway.id, account = %asked, "a member signed in");
            Ok(answer::redirect(&location, Vec::new()))
        }
        Err(error) => {
            let advice = match &error {
                MemberError::Store(_) => "Check the database.",
                MemberError::TooMany(_) => TOO_MANY_ADVICE,
                _ => "The person connects again from the app.",
            };
            trace.fail(Step::Code, &error.to_string(), advice);
            app.telemetry.count_sign_in("failed");
            Err(error)
        }
    }
}

/// Issues the code of a member; the redirect that takes it to the client.
async fn issue(app: &AuthorizationServer, code: Option<NewCode>) -> Result<String, MemberError> {
    let code = code.ok_or(MemberError::Overtaken)?;
    let location = code.location().to_owned();
    let issued: Result<_, StoreError> = app
        .store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move { code.issue(tx).await })
        })
        .await;
    match issued? {
        Insertion::Done => Ok(location),
        Insertion::TooMany { again_at } => Err(MemberError::TooMany(again_at.since(app.now()))),
        Insertion::ConsentUsedUp => Err(MemberError::ConsentUsedUp),
        Insertion::Refused => Err(MemberError::Overtaken),
    }
}

pub(super) async fn at_browser(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
) -> Result<AtBrowser, MemberError> {
    let Some(token) = cookie::read(headers, app.config.public_url()) else {
        return Ok(AtBrowser::NoOne);
    };
    let session = account_sessions::find(app, &token)
        .await
        .map_err(MemberError::Session)?;
    Ok(match session {
        None => AtBrowser::NoOne,
        Some(session) if session.role_in(entry.gateway.project_id).is_some() => {
            AtBrowser::Member(session.account)
        }
        Some(session) => AtBrowser::Stranger(session.account),
    })
}

pub(super) async fn stranger(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    account: &Account,
) -> Result<MemberError, MemberError> {
    let mut tx = app.store.read().await?;
    let owners = member::owner_names(&mut tx, entry.gateway.project_id, OWNERS_NAMED).await?;
    Ok(MemberError::Stranger {
        email: account.email.as_str().to_owned(),
        owners,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_learns_whom_to_ask() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(whom_to_ask(&[]).starts_with("Ask the people who run"));
        assert!(whom_to_ask(&names(&["Ada"])).starts_with("Ask Ada, who owns"));
        assert!(whom_to_ask(&names(&["Ada", "Bo", "Cy"])).starts_with("Ask Ada, Bo or Cy, who own"));
    }
}
