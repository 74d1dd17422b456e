//! `authorization_code`: a code is redeemed once, in the transaction that begins the grant (RFC 6749 section 4.1.3).

use std::time::Duration;

use gatewright_domain::{
    Timestamp,
    audit::chain::Stamp,
    client::short_id,
    grant::{AuthorizationCode, Grant, RefreshToken},
    id::ClientId,
    secret::Secret,
    sign_in_attempt::Step,
    token_hash::TokenHash,
};
use gatewright_oauth::{Credential, pkce::CodeChallenge, redirect_uri::RedirectUri, token::TokenResponse};
use gatewright_store::{
    StoreError, Tx, Urgency,
    authorization_code::{self, Redemption},
    client_block, grant as grants, preregistered_client, refresh_token,
};

use super::AuthorizationServer;
use super::{
    client::AuthenticatedClient,
    refresh_text,
    reuse::Reused,
    token::{IssuedRefresh, TokenError, access_token_ends_at, announce_revocation, invalid_grant, respond},
};
use crate::{directory::GatewayEntry, sign_in_trace::Trace};

/// Some clients send the same code again when an answer was slow; within this time it is taken for that.
const RESEND_WINDOW: Duration = Duration::from_secs(10);

/// Said whatever is wrong with a code.
const REFUSED: &str =
    "The code is unknown, expired or used, or was issued to another client. Start a new sign-in.";

/// Redeems a code.
pub(super) async fn redeem(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    code: &Credential,
    redirect_uri: Option<&str>,
    verifier: &Credential,
) -> Result<TokenResponse, TokenError> {
    let now = app.now();
    let hash = TokenHash::of(code.expose());
    // Anyone can send a made-up code: it takes no turn from those who have something to write.
    let known: Result<_, StoreError> = app
        .store
        .look(move |tx| Box::pin(authorization_code::find(tx, hash)))
        .await;
    let known = known?.filter(|(code, _)| code.gateway_id == entry.gateway.id);
    let Some((code, _)) = known else {
        return Err(invalid_grant(REFUSED));
    };
    let trace = app.sign_in_trace.of_code(&code);
    trace.enter(Step::Token);
    let (text, turn) = prepare(app, entry, client, code, redirect_uri, verifier, now);
    let (expires_at, generation) = (turn.refresh_token.expires_at, turn.refresh_token.generation);
    let taken = app
        .store
        .transact(Urgency::Person, move |tx| Box::pin(turn.take(tx)))
        .await;
    match taken {
        Ok(Kept::Begun { grant, gave_way }) => {
            app.documents.remember(app, entry, &client.id).await;
            trace.succeed();
            if gave_way > 0 {
                tracing::info!(grant = %grant.id, gave_way, "grants of the same person gave way");
                announce_revocation(app, grant.id).await;
            }
            let refresh_token = IssuedRefresh {
                text: &text,
                ends_at: expires_at,
                generation,
            };
            Ok(respond(app, entry, &grant, &refresh_token, now))
        }
        Ok(Kept::Ended(reused)) => {
            reused.announce(app, &trace).await;
            Err(Why::Replayed.refuse(&trace))
        }
        Err(Undone::Refused(why)) => Err(why.refuse(&trace)),
        Err(Undone::Unwelcome) => Err(invalid_grant(REFUSED)),
        Err(Undone::Token(error)) => Err(*error),
    }
}

/// One turn at the store, as a whole: a redemption crosses to the thread of SQLite's connection once. What can be made
/// before is made before, because everyone who writes waits for it.
struct Turn {
    client: AuthenticatedClient,
    code: AuthorizationCode,
    /// Why the code is not this client's to redeem.
    foreign: Option<Why>,
    /// The grant that begins.
    grant: Box<Grant>,
    /// Its first refresh token.
    refresh_token: RefreshToken,
    access_token_ends_at: Timestamp,
    /// The audit event of a grant that ends.
    event: Stamp,
    now: Timestamp,
}

/// What a turn that is kept has led to.
enum Kept {
    Begun {
        grant: Box<Grant>,
        /// How many grants of the same person were ended for it.
        gave_way: u64,
    },
    /// The code came back long after it was used, so its grant has ended.
    Ended(Reused),
}

/// Why a turn is undone: the code stays as it was for whom it belongs to, and an assertion of the client is not used up.
enum Undone {
    Refused(Why),
    /// The client was blocked or deleted since it was authenticated.
    Unwelcome,
    Token(Box<TokenError>),
}

impl From<TokenError> for Undone {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        TokenError::from(error).into()
    }
}

impl Turn {
    async fn take(self, tx: &mut Tx) -> Result<Kept, Undone> {
        let now = self.now;
        self.client.use_up_assertion(tx, now).await?;
        match authorization_code::redeem(tx, self.code.gateway_id, self.code.hash, now).await? {
            Redemption::Redeemed(_) => self.begin(tx).await,
            Redemption::Replayed { redeemed_at, .. } => self.replayed(tx, redeemed_at).await,
            Redemption::Refused if self.code.expires_at <= now => Err(Undone::Refused(Why::Expired)),
            Redemption::Refused => Err(Undone::Refused(Why::Overtaken)),
        }
    }

    /// Begins the grant of a code that was redeemed in this transaction, with its first refresh token.
    async fn begin(self, tx: &mut Tx) -> Result<Kept, Undone> {
        if let Some(why) = self.foreign {
            return Err(Undone::Refused(why));
        }
        if !self.is_still_welcome(tx).await? {
            return Err(Undone::Unwelcome);
        }
        grants::insert(tx, &self.grant).await?;
        refresh_token::insert(tx, &self.refresh_token, self.access_token_ends_at).await?;
        let gave_way = grants::make_room(tx, &self.grant, self.now).await?;
        let grant = self.grant;
        Ok(Kept::Begun { grant, gave_way })
    }

    /// Whether the client was neither blocked nor deleted since it was authenticated. Redeeming holds the gateway, so that
    /// who does either waits for this transaction and finds its grant.
    async fn is_still_welcome(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let (project, gateway) = (self.code.project_id, self.code.gateway_id);
        if client_block::is_blocked(tx, project, gateway, &self.client.short_id).await? {
            return Ok(false);
        }
        match self.client.id.parse::<ClientId>() {
            Ok(id) => preregistered_client::hold(tx, project, gateway, id).await,
            Err(_) => Ok(true),
        }
    }

    /// Ends the grant of a code that was used before, unless its client just sent it again.
    async fn replayed(self, tx: &mut Tx, redeemed_at: Timestamp) -> Result<Kept, Undone> {
        // A code alone, read in a log, does not end a grant: the sender must be the client that it was issued to.
        if short_id(&self.code.client_id) != self.client.short_id {
            return Err(Undone::Refused(Why::Client));
        }
        if self.now.since(redeemed_at) <= RESEND_WINDOW {
            return Err(Undone::Refused(Why::Resent));
        }
        let reused = Reused::of_code(&self.code);
        if reused.end_grant(tx, self.event, self.now).await? {
            Ok(Kept::Ended(reused))
        } else {
            Err(Undone::Refused(Why::Replayed))
        }
    }
}

/// Why a code that was issued here did not lead to tokens. The client does not learn which it was; the trace does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Client,
    RedirectUri,
    Verifier,
    Replayed,
    Resent,
    Expired,
    Overtaken,
}

impl Why {
    /// Writes it into the trace; returns what the client receives.
    fn refuse(self, trace: &Trace) -> TokenError {
        trace.fail(Step::Token, self.reason(), self.advice());
        invalid_grant(REFUSED)
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Client => "another client than the one that asked presented the code",
            Self::RedirectUri => {
                "`redirect_uri` of the token request is not the one of the authorization request"
            }
            Self::Verifier => {
                "`code_verifier` does not belong to the `code_challenge` of the authorization request"
            }
            Self::Replayed => "the code was presented again long after it was used",
            Self::Resent => "the code was presented again right after it was used",
            Self::Expired => "the app presented the code later than a minute after it was issued",
            Self::Overtaken => "gateway, User Source or user changed before the app presented the code",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Client | Self::Replayed => {
                "Someone may have intercepted the code. The user signs in again; if it repeats, look at where the app's redirects go."
            }
            Self::RedirectUri | Self::Verifier => {
                "This is a fault of the app; report the reason to its developers."
            }
            Self::Resent => {
                "Nothing: some apps ask twice when a response is slow. The first response is valid."
            }
            Self::Expired => {
                "The user signs in again. If it happens to everyone with this app, look at how long it takes to come back."
            }
            Self::Overtaken => "Nothing: the user signs in again.",
        }
    }
}

/// Why a code is not this client's to redeem, for this redirect URI, as the holder of this verifier; `None` if it is.
fn foreign(
    code: &AuthorizationCode,
    client: &AuthenticatedClient,
    redirect_uri: Option<&str>,
    verifier: &Credential,
) -> Option<Why> {
    let challenge = CodeChallenge::parse(&code.code_challenge);
    if short_id(&code.client_id) != client.short_id {
        Some(Why::Client)
    } else if redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
        Some(Why::RedirectUri)
    } else if !challenge.is_some_and(|challenge| challenge.is_met_by(verifier.expose())) {
        Some(Why::Verifier)
    } else {
        None
    }
}

/// All that a redemption needs, with the text of the refresh token it may lead to.
fn prepare(
    app: &AuthorizationServer,
    entry: &GatewayEntry,
    client: &AuthenticatedClient,
    code: AuthorizationCode,
    redirect_uri: Option<&str>,
    verifier: &Credential,
    now: Timestamp,
) -> (Secret, Turn) {
    let settings = &entry.gateway.settings;
    let grant = Grant {
        id: code.grant_id,
        project_id: code.project_id,
        gateway_id: code.gateway_id,
        person: code.person,
        client_id: client.short_id.clone(),
        client_name: code.client_name.clone(),
        scope: code.scope.clone(),
        destination: RedirectUri::parse(&code.redirect_uri)
            .ok()
            .map(|uri| uri.destination()),
        begun_with_key: client.assertion.is_some(),
        created_at: now,
        ends_at: now.plus(Duration::from_secs(settings.grant_max_seconds.into())),
        last_used_at: now,
        revoked: None,
    };
    let text = refresh_text::mint(app, code.gateway_id, grant.id, 1);
    let refresh_token = RefreshToken {
        hash: TokenHash::of(text.expose()),
        grant_id: grant.id,
        generation: Some(1),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(settings.grant_idle_seconds.into())),
        used_at: None,
        successor: None,
    };
    let turn = Turn {
        foreign: foreign(&code, client, redirect_uri, verifier),
        client: client.clone(),
        code,
        grant: Box::new(grant),
        refresh_token,
        access_token_ends_at: access_token_ends_at(entry, now),
        event: Stamp::generate(app.clock.as_ref(), app.entropy.as_ref()),
        now,
    };
    (text, turn)
}
