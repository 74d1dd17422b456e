//! Signing in as an administrator at the identity provider of the instance. It shares the protocol with the sign-ins of
//! end users (discovery, PKCE, nonce, the checks of the ID token) and nothing else: no User Source, no user, another
//! callback. What is under way is sealed in the browser's own cookie.

use std::sync::Arc;

use axum_extra::extract::CookieJar;
use gatewright_domain::{
    Timestamp, entropy, sealed::Purpose, secret::Secret, stored_secret::SealedText, token_hash::TokenHash,
};
use gatewright_oauth::parameters::Parameters;
use gatewright_store::StoreError;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    authorization_request::{self, AuthorizationRequest},
    brought::{self, Brought},
    budget::Budget,
    client_auth::Presented,
    discovery::Provider,
    excerpt::excerpt,
    id_token::{Expected, IdToken, IdTokenError, IssuerDifference, UnverifiedToken},
    jwks::KeySet,
    provider::ProviderError,
    secret_methods,
    token_request::{self, Client, Redemption, TokenError, Tokens},
    userinfo,
};
use crate::{Gateways, config::AdministratorProvider, jose::key_cache::KeysWanted};

const COOKIE: &str = "gatewright-administrator-sign-in";
const CONTEXT: &str = "administrator-sign-in";
/// A name to show has at most this many characters.
const MAX_NAME: usize = 80;

/// Why nobody was signed in. Never holds a code, token or claim value.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// No provider for administrators is configured.
    #[error("no identity provider for administrators is configured")]
    NotConfigured,
    /// The browser that came back did not begin a sign-in here, or took too long.
    #[error("the browser that came back has no sign-in of an administrator under way")]
    NotBegun,
    /// The state is not the one that was sent.
    #[error("the state is not the one that was sent")]
    ForeignState,
    /// The code was brought back for another sign-in before.
    #[error(
        "this code was brought back before, for another sign-in; a provider connected here may have handed it on"
    )]
    CodeOfAnother,
    /// The parameters of the callback cannot be read.
    #[error("the callback is malformed: {0}")]
    Malformed(&'static str),
    /// The provider had the browser post its answer (OAuth 2.0 Form Post Response Mode), which was not asked for.
    #[error(
        "the provider sent its answer as a posted form, which is not read; set the response mode of this client there to `query`"
    )]
    FormPost,
    /// The provider said no.
    #[error("the provider answered with the error {0}")]
    Refused(String),
    /// The answer names another issuer (RFC 9207).
    #[error("`iss` of the callback is not the configured issuer: {0}")]
    Issuer(IssuerDifference),
    /// `iss` is missing although the provider says that it sends it.
    #[error("the callback has no `iss`, which the provider says it sends")]
    IssuerMissing,
    /// The provider's documents cannot be used now.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// No tokens came of the code.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The ID token is not accepted.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A sign-in that began: where to send the browser, and the cookie that binds it.
#[derive(Debug)]
pub struct AdministratorStart {
    /// The provider's authorization endpoint with our parameters.
    pub redirect: String,
    /// `Set-Cookie`.
    pub set_cookie: HeaderValue,
}

/// A person whom the provider has vouched for.
#[derive(Debug)]
pub struct VerifiedAdministrator {
    /// The configured issuer.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `email`, only with `email_verified: true`. A missing `email_verified` is no yes here: this address opens accounts.
    pub verified_email: Option<String>,
    /// What to call the person.
    pub name: Option<String>,
    /// The path they wanted to go to.
    pub next: String,
}

/// What the cookie holds, sealed.
#[derive(Debug, Serialize, Deserialize)]
struct UnderWay {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    expires_at: Timestamp,
}

/// Begins, after a click on a page of ours. `next` is a path that was found safe.
pub async fn begin(app: &Gateways, next: &str) -> Result<AdministratorStart, AdministratorError> {
    let configured = configured(app)?;
    let budget = Budget::start(None);
    let provider = app.providers.provider(configured.issuer, budget).await?;
    let [state, nonce, verifier] = [(); 3].map(|()| entropy::token(app.entropy.as_ref()));
    let methods = secret_methods::of_administrators(app, &configured, &provider).await?;
    let redirect = authorization_request::redirect(
        app,
        &provider,
        &AuthorizationRequest {
            client_id: configured.client_id,
            redirect_uri: &app.config.administrator_callback_url(),
            scopes: configured.scopes,
            state: &state,
            nonce: &nonce,
            verifier: &verifier,
        },
        || {
            let secret = configured.client_secret;
            let with = |method| (secret.clone(), method);
            methods.into_iter().map(with).collect()
        },
        budget,
    )
    .await?;
    let under_way = UnderWay {
        state,
        nonce,
        verifier,
        next: next.to_owned(),
        expires_at: app.now().plus(app.config.sign_in.at_provider()),
    };
    let plain = serde_json::to_vec(&under_way).expect("it is plain data");
    let sealed = app
        .keyring
        .seal(app.entropy.as_ref(), Purpose::SignIn, CONTEXT, &plain);
    Ok(AdministratorStart {
        redirect,
        set_cookie: cookie(app, &sealed.0, app.config.sign_in.at_provider().as_secs()),
    })
}

/// Finishes what [`begin`] began: the provider's answer becomes a verified person. A code is good once, at the provider;
/// the cookie goes with the answer, see [`forget`].
pub async fn finish(
    app: &Gateways,
    query: &str,
    headers: &HeaderMap,
) -> Result<VerifiedAdministrator, AdministratorError> {
    let configured = configured(app)?;
    let parameters = Parameters::parse(query);
    let brought = brought::bring(app, &parameters, brought::state(&parameters)).await?;
    let under_way = under_way(app, headers)?;
    let (code, issuer) = returned(&parameters, &under_way)?;
    if brought == Brought::Elsewhere {
        return Err(AdministratorError::CodeOfAnother);
    }
    let budget = Budget::start(None);
    if let Some(difference) = issuer
        .as_deref()
        .and_then(|issuer| IssuerDifference::between(configured.issuer, Some(issuer)))
    {
        return Err(AdministratorError::Issuer(difference));
    }
    let provider = app.providers.provider(configured.issuer, budget).await?;
    if issuer.is_none() && provider.sends_issuer {
        return Err(AdministratorError::IssuerMissing);
    }
    let keys = app.providers.keys(&provider, KeysWanted::Any, budget).await?;
    let callback = app.config.administrator_callback_url();
    let methods = secret_methods::of_administrators(app, &configured, &provider).await?;
    let client = Client {
        presented: Presented {
            id: configured.client_id,
            secret: configured.client_secret,
            method: methods[0],
        },
        redirect_uri: &callback,
    };
    let redemption = Redemption {
        code: &code,
        verifier: &under_way.verifier,
        redirect_uri: &callback,
    };
    let tokens = token_request::exchange_by(app, client, &methods, &provider, &redemption, budget).await?;
    secret_methods::remember_of_administrators(app, &configured, &methods, tokens.method()).await;
    let signing_in = SigningIn {
        app,
        configured,
        provider: &provider,
        nonce: &under_way.nonce,
        budget,
    };
    let (id_token, keys) = signing_in.verify(&tokens, keys).await?;
    let claims = signing_in.claims(&tokens, &id_token, &keys).await;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::trim);
    Ok(VerifiedAdministrator {
        issuer: configured.issuer.to_owned(),
        subject: id_token.sub,
        verified_email: text("email")
            .filter(|_| claims.get("email_verified") == Some(&Value::Bool(true)))
            .map(str::to_owned),
        name: ["name", "preferred_username"]
            .into_iter()
            .find_map(text)
            .map(|name| {
                name.chars()
                    .filter(|c| !c.is_control())
                    .take(MAX_NAME)
                    .collect::<String>()
            })
            .filter(|name| !name.trim().is_empty()),
        next: under_way.next,
    })
}

/// Why an answer that the provider had the browser post signs nobody in. The code in it has been brought back all the same.
pub async fn posted(app: &Gateways, form: &str) -> AdministratorError {
    if let Err(error) = configured(app) {
        return error;
    }
    let parameters = Parameters::parse(form);
    match brought::bring(app, &parameters, brought::state(&parameters)).await {
        Ok(_) => AdministratorError::FormPost,
        Err(error) => error.into(),
    }
}

/// The state of the sign-in that this browser carries and may still finish.
pub fn carried(app: &Gateways, headers: &HeaderMap) -> Option<TokenHash> {
    let under_way = under_way(app, headers).ok()?;
    Some(TokenHash::of(&under_way.state))
}

/// `Set-Cookie` that ends what was under way.
pub fn forget(app: &Gateways) -> HeaderValue {
    cookie(app, "", 0)
}

struct SigningIn<'a> {
    app: &'a Gateways,
    configured: AdministratorProvider<'a>,
    provider: &'a Provider,
    nonce: &'a str,
    budget: Budget,
}

impl SigningIn<'_> {
    /// Checks the ID token; where no key fits, the provider may have rotated its keys, which are fetched once more.
    async fn verify(
        &self,
        tokens: &Tokens,
        mut keys: Arc<KeySet>,
    ) -> Result<(IdToken, Arc<KeySet>), AdministratorError> {
        let token = UnverifiedToken::parse(tokens.id_token.expose())?;
        let pool = self.app.providers.signatures();
        let signed = match token.verify(pool, &keys, self.budget.until()).await {
            Err(error) if error.may_be_rotation() => {
                let others = KeysWanted::OtherThan(&keys);
                let again = self
                    .app
                    .providers
                    .keys(self.provider, others, self.budget)
                    .await?;
                if Arc::ptr_eq(&keys, &again) {
                    return Err(error.into());
                }
                keys = again;
                token.verify(pool, &keys, self.budget.until()).await?
            }
            outcome => outcome?,
        };
        let id_token = signed.check(&Expected {
            issuer: self.configured.issuer,
            client_id: self.configured.client_id,
            nonce: self.nonce,
            access_token: tokens.access_token.as_ref().map(Secret::expose),
            now: self.app.now(),
        })?;
        Ok((id_token, keys))
    }

    /// The claims of the ID token, or those of userinfo where only that has the address. Address and its verification are
    /// never mixed from two answers.
    async fn claims(&self, tokens: &Tokens, id_token: &IdToken, keys: &Arc<KeySet>) -> Map<String, Value> {
        let (Some(endpoint), Some(token)) = (&self.provider.userinfo_endpoint, &tokens.access_token) else {
            return id_token.claims.clone();
        };
        if id_token.claims.contains_key("email") {
            return id_token.claims.clone();
        }
        let about = userinfo::About {
            issuer: self.configured.issuer,
            client_id: self.configured.client_id,
            sub: &id_token.sub,
        };
        match userinfo::claims(self.app, endpoint.as_str(), token, keys, &about, self.budget).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::info!(%error, "an administrator signs in without userinfo");
                id_token.claims.clone()
            }
        }
    }
}

fn configured(app: &Gateways) -> Result<AdministratorProvider<'_>, AdministratorError> {
    app.config
        .administrators
        .provider()
        .ok_or(AdministratorError::NotConfigured)
}

fn under_way(app: &Gateways, headers: &HeaderMap) -> Result<UnderWay, AdministratorError> {
    let jar = CookieJar::from_headers(headers);
    let cookie = jar.get(&cookie_name(app)).ok_or(AdministratorError::NotBegun)?;
    let sealed = SealedText(cookie.value().to_owned());
    let plain = app.keyring.open(Purpose::SignIn, CONTEXT, &sealed);
    let plain = plain.map_err(|_| AdministratorError::NotBegun)?;
    let under_way: UnderWay = serde_json::from_slice(&plain).map_err(|_| AdministratorError::NotBegun)?;
    if under_way.expires_at <= app.now() {
        return Err(AdministratorError::NotBegun);
    }
    Ok(under_way)
}

/// The code and the issuer of the callback, once its state is the one that was sent.
fn returned(
    parameters: &Parameters,
    under_way: &UnderWay,
) -> Result<(String, Option<String>), AdministratorError> {
    let one = |name| {
        let value = parameters.one(name).map(|value| value.map(str::to_owned));
        value.map_err(|_| AdministratorError::Malformed("a parameter stands there more than once"))
    };
    let (state, code, error, issuer) = (one("state")?, one("code")?, one("error")?, one("iss")?);
    let state = state.ok_or(AdministratorError::Malformed("it has no `state`"))?;
    if !TokenHash::of(&under_way.state).matches(&state) {
        return Err(AdministratorError::ForeignState);
    }
    match (code, error) {
        (Some(code), None) if brought::is_code(&code) => Ok((code, issuer)),
        (Some(_), None) => Err(AdministratorError::Malformed(
            "its `code` has characters that no code may have",
        )),
        (None, Some(error)) => Err(AdministratorError::Refused(excerpt(&error, 60))),
        (Some(_), Some(_)) => Err(AdministratorError::Malformed("it has both `code` and `error`")),
        (None, None) => Err(AdministratorError::Malformed("it has neither `code` nor `error`")),
    }
}

fn is_secure(app: &Gateways) -> bool {
    !app.config.public_url().starts_with("http://")
}

fn cookie_name(app: &Gateways) -> String {
    format!("{}{COOKIE}", if is_secure(app) { "__Host-" } else { "" })
}

/// `Lax`, because the provider sends the browser back by a link from its own site.
fn cookie(app: &Gateways, value: &str, max_age: u64) -> HeaderValue {
    let (name, secure) = (cookie_name(app), if is_secure(app) { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
    let mut header = HeaderValue::try_from(text).expect("names and sealed values are base64url, `.` and `-`");
    header.set_sensitive(true);
    header
}
