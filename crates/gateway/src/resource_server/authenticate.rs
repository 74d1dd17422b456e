//! Who makes a request: an access token of this gateway, or in Headers mode an API key and the user id beside it.
//! A token is verified once and then known by its hash; whether it is still good is looked up in memory every time.

use std::sync::Arc;

use gatewright_domain::{
    Timestamp,
    activity::{ActivityCaller, ActivityClient, header_user},
    api_key::{KeyRole, KeyScope},
    audit::ActorKind,
    gateway::Authentication,
    grant::{Grant, Person},
    id::{GatewayId, GrantId},
    principal::{Principal, Proof, TriedAs},
    token_hash::TokenHash,
    user_source::UserSourceStatus,
};
use gatewright_mcp::caller::CallerKey;
use gatewright_store::{StoreError, grant as grants, revocation::Denied};
use http::{HeaderMap, header::AUTHORIZATION};
use moka::sync::Cache;

use super::ResourceServer;
use super::{refusal::Refusal, user_id::user_id};
use crate::{
    directory::{Directory, GatewayEntry},
    keys::AccessClaims,
};
use gatewright_core::running::Counted;

/// Verified tokens kept; less than a kilobyte each. One that gave way is verified again.
const TOKENS_MAX: u64 = 20_000;
/// The name of the client of an administrator who tries a gateway out.
const TRIAL: &str = "Try";
/// Ours have about a thousand characters; nothing longer is hashed or decoded.
const TOKEN_MAX: usize = 8 * 1024;

/// Tokens verified on this replica, by their hash. Invalid ones are not kept.
#[derive(Debug)]
pub(super) struct TokenCache {
    verified: Cache<TokenHash, Arc<Authenticated>>,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self {
            verified: Cache::new(TOKENS_MAX),
        }
    }
}

impl TokenCache {
    pub(super) fn forget(&self) {
        self.verified.invalidate_all();
    }
}

/// A caller who is known.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) principal: Arc<Principal>,
    pub(super) key: CallerKey,
    /// Where the requests of this caller are counted.
    pub(super) counted: Counted,
    /// The same as rows of activity have it.
    pub(super) recorded: Arc<ActivityCaller>,
    pub(super) good: Good,
}

impl Authenticated {
    /// `client_name` is what the client calls itself, if that is known.
    pub(super) fn new(app: &ResourceServer, principal: Principal, client_name: &str, good: Good) -> Self {
        let key = CallerKey::of(&principal);
        Self {
            counted: app.running.counted(key, principal.project_id),
            recorded: Arc::new(recorded(&principal, client_name)),
            principal: Arc::new(principal),
            key,
            good,
        }
    }
}

/// A caller as rows of activity have them.
fn recorded(principal: &Principal, client_name: &str) -> ActivityCaller {
    let person = principal.person();
    let person = person.map_or_else(|| header_user(&principal.subject), ToString::to_string);
    let client = match &principal.proof {
        Proof::Grant { client_id, .. } => Some(ActivityClient::new(client_id, client_name)),
        Proof::Key(key) => Some(ActivityClient::new(&key.to_string(), "")),
        Proof::Trial(trial) => trial
            .actor
            .map(|actor| ActivityClient::new(&actor.to_string(), TRIAL)),
    };
    ActivityCaller {
        person: Some(person.into()),
        client,
    }
}

/// What must stay true for the caller to stay known.
#[derive(Debug)]
pub(super) enum Good {
    Token(TokenFacts),
    Key {
        hash: TokenHash,
    },
    /// An administrator tries the gateway out; the principal says as whom.
    Trial,
}

/// What a token says that is checked against memory on every request.
#[derive(Debug)]
pub(super) struct TokenFacts {
    gateway_id: GatewayId,
    /// `iss` and `aud`: after a change of the slug the URL is another.
    url: String,
    grant_id: GrantId,
    person: Person,
    expires_at: Timestamp,
    /// The client at this gateway, hashed once so that looking it up costs no more than the others.
    client: Denied,
}

/// Resolves the caller of a request.
pub(super) async fn authenticate(
    app: &ResourceServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Arc<Authenticated>, Refusal> {
    match entry.gateway.authentication {
        Authentication::Headers => by_key(app, entry, headers, now),
        Authentication::UserSource(_) | Authentication::ProjectMembers => {
            by_token(app, entry, headers, now).await
        }
    }
}

/// Whether a caller is still known: for streams that outlive their request.
pub(super) fn is_still_good(app: &ResourceServer, gateway_id: GatewayId, caller: &Authenticated) -> bool {
    let now = app.now();
    let Ok(directory) = app.directory.current() else {
        return false;
    };
    let Some(entry) = directory.gateway_by_id(gateway_id) else {
        return false;
    };
    match &caller.good {
        Good::Token(facts) => facts.hold(&directory, entry, now),
        Good::Key { hash } => {
            entry.gateway.authentication == Authentication::Headers
                && key_of(&directory, entry, hash, now).is_some()
        }
        Good::Trial => trial_holds(&directory, entry, &caller.principal),
    }
}

/// Whether a trial may go on: the one it is made for could still call, and the one who makes it is still there.
fn trial_holds(directory: &Directory, entry: &GatewayEntry, principal: &Principal) -> bool {
    let Proof::Trial(trial) = &principal.proof else {
        return false;
    };
    let is_member = |account| directory.is_member(entry.gateway.project_id, account);
    let who_is_good = match trial.who {
        // Accounts try gateways of every mode.
        TriedAs::Person(Person::Member(account)) => is_member(account),
        TriedAs::Person(person) => person_is_good(directory, entry, person),
        TriedAs::HeaderUser => entry.gateway.authentication == Authentication::Headers,
    };
    let actor_is_good = match trial.actor {
        Some(ActorKind::Account(account)) => is_member(account),
        Some(
            ActorKind::ApiKey(_)
            | ActorKind::User(_)
            | ActorKind::Anonymous
            | ActorKind::Operator
            | ActorKind::System,
        )
        | None => true,
    };
    who_is_good && actor_is_good
}

async fn by_token(
    app: &ResourceServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Arc<Authenticated>, Refusal> {
    let token = bearer(headers).map_err(|none| if none { Refusal::NoToken } else { Refusal::BadToken })?;
    let hash = TokenHash::of(token);
    let cache = &app.tokens.verified;
    if let Some(known) = cache.get(&hash) {
        // Anything that ends a token leaves it refused at least until it expires, so it need not be forgotten here.
        return check(app, entry, known, now);
    }
    let claims = app.signing.verify_access_token(token, now).map_err(|reason| {
        tracing::debug!(%reason, "an access token was refused");
        Refusal::BadToken
    })?;
    // Boxed because it is rare and large: without, every request would carry the room for it.
    let verified = Arc::new(Box::pin(first_sight(app, entry, claims, now)).await?);
    let verified = check(app, entry, verified, now)?;
    cache.insert(hash, Arc::clone(&verified));
    Ok(verified)
}

/// Checks what can change between two requests.
fn check(
    app: &ResourceServer,
    entry: &GatewayEntry,
    caller: Arc<Authenticated>,
    now: Timestamp,
) -> Result<Arc<Authenticated>, Refusal> {
    let directory = app.directory.current().map_err(|_| Refusal::Unchecked)?;
    match &caller.good {
        Good::Token(facts) if facts.hold(&directory, entry, now) => Ok(caller),
        Good::Token(_) | Good::Key { .. } | Good::Trial => Err(Refusal::BadToken),
    }
}

/// A token seen for the first time: its grant must live. This is the only query on the way, once per token and replica;
/// what ends later is in the directory.
async fn first_sight(
    app: &ResourceServer,
    entry: &GatewayEntry,
    claims: AccessClaims,
    now: Timestamp,
) -> Result<Authenticated, Refusal> {
    let facts = TokenFacts {
        gateway_id: claims.gateway,
        grant_id: claims.grant,
        person: claims.person,
        expires_at: Timestamp::from_seconds(claims.exp),
        client: Denied::client(claims.gateway, &claims.client_id),
        url: claims.aud,
    };
    let directory = app.directory.current().map_err(|_| Refusal::Unchecked)?;
    if claims.iss != facts.url || !facts.hold(&directory, entry, now) {
        return Err(Refusal::BadToken);
    }
    drop(directory);
    let (gateway, grant) = (facts.gateway_id, facts.grant_id);
    let found: Result<_, StoreError> = app
        .store
        .look(move |tx| Box::pin(grants::find_live(tx, gateway, grant, now)))
        .await;
    let found = found.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a grant could not be looked up"
        );
        Refusal::Unchecked
    })?;
    let is_of_token =
        |grant: &Grant| grant.person == facts.person && grant.project_id == entry.gateway.project_id;
    let Some((grant, named)) = found.filter(|(grant, _)| is_of_token(grant)) else {
        return Err(Refusal::BadToken);
    };
    // Here and not on each request: a token is seen for the first time once per process, after a query anyway, and the
    // grant that this query gave tells whether its sign-in may still wait for a first call.
    app.sign_in_trace.first_sight(&grant);
    app.seen_tokens.note(grant.id, claims.generation, now);
    let principal = Principal {
        project_id: grant.project_id,
        gateway_id: grant.gateway_id,
        subject: named.subject,
        proof: Proof::Grant {
            person: grant.person,
            grant_id: grant.id,
            client_id: grant.client_id.clone(),
        },
        email: named.email,
        display_name: named.display_name,
    };
    Ok(Authenticated::new(
        app,
        principal,
        &grant.client_name,
        Good::Token(facts),
    ))
}

impl TokenFacts {
    /// Whether the token is good at this gateway now.
    fn hold(&self, directory: &Directory, entry: &GatewayEntry, now: Timestamp) -> bool {
        person_is_good(directory, entry, self.person)
            && now < self.expires_at
            && self.gateway_id == entry.gateway.id
            && self.url == entry.url
            && !directory.denies(Denied::Grant(self.grant_id))
            && !directory.denies(self.client)
    }
}

/// Whether a person may use the gateway now.
fn person_is_good(directory: &Directory, entry: &GatewayEntry, person: Person) -> bool {
    match person {
        Person::User {
            user_id,
            user_source_id,
            identity_epoch,
        } => {
            entry.source.as_ref().is_some_and(|source| {
                source.id == user_source_id
                    && source.identity_epoch == identity_epoch
                    && source.status == UserSourceStatus::Active
            }) && !directory.denies(Denied::User(user_id))
        }
        Person::Member(account_id) => {
            entry.gateway.authentication == Authentication::ProjectMembers
                && directory.is_member(entry.gateway.project_id, account_id)
        }
    }
}

fn by_key(
    app: &ResourceServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Arc<Authenticated>, Refusal> {
    let text = bearer(headers).map_err(|none| if none { Refusal::NoKey } else { Refusal::BadKey })?;
    let hash = TokenHash::of(text);
    let directory = app.directory.current().map_err(|_| Refusal::Unchecked)?;
    let key_id = key_of(&directory, entry, &hash, now).ok_or(Refusal::BadKey)?;
    let principal = Principal {
        project_id: entry.gateway.project_id,
        gateway_id: entry.gateway.id,
        subject: user_id(headers)?.to_owned(),
        proof: Proof::Key(key_id),
        email: None,
        display_name: None,
    };
    app.last_used.note(key_id, now);
    Ok(Arc::new(Authenticated::new(
        app,
        principal,
        "",
        Good::Key { hash },
    )))
}

/// The key of a hash, when it opens this gateway now.
fn key_of(
    directory: &Directory,
    entry: &GatewayEntry,
    hash: &TokenHash,
    now: Timestamp,
) -> Option<gatewright_domain::id::ApiKeyId> {
    let key = directory.gateway_key(hash)?;
    let opens = match key.scope {
        KeyScope::Project {
            project_id,
            role: KeyRole::Gateway,
            gateway_id,
        } => project_id == entry.gateway.project_id && gateway_id.is_none_or(|id| id == entry.gateway.id),
        KeyScope::Project { .. } | KeyScope::Instance => false,
    };
    let live = key.revoked_at.is_none() && key.expires_at.is_none_or(|expires_at| now < expires_at);
    (opens && live).then_some(key.id)
}

/// The one bearer token of a request (RFC 6750 section 2.1). The error says whether there was nothing at all. Tokens in
/// the query are never looked at.
fn bearer(headers: &HeaderMap) -> Result<&str, bool> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(true)?;
    if values.next().is_some() {
        return Err(false);
    }
    let value = value.to_str().map_err(|_| false)?;
    let (scheme, token) = value.split_once(' ').ok_or(false)?;
    let token = token.trim_matches(' ');
    let good = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_MAX;
    if good { Ok(token) } else { Err(false) }
}
