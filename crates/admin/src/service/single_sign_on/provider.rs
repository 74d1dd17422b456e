//! The instance as a client of the administrators' identity provider. It goes through the same flow as the sign-ins of end
//! users, with its own registration: no User Source, no user, another callback. What is in progress is sealed in the
//! browser's own cookie.

use std::sync::Arc;

use gatewright_domain::{
    Timestamp,
    registration::{AuthenticationChoice, ClientAuthentication, SecretMethod},
    token_hash::TokenHash,
};
use gatewright_identity::{
    Binding, Budget, ClientSecrets, IdToken, IdTokenError, IssuerDifference, Malformed, Outcome,
    ProviderError, Redemption, Registration, Returned, TokenError, Tokens, VerifyError, Visit,
    cookie::{Kind, SignInCookies},
};
use gatewright_oauth::parameters::Parameters;
use gatewright_store::{StoreError, administrator_provider};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Admin,
    config::AdministratorProvider,
    jose::key_set::KeySet,
    relying_party::brought::{self, Brought},
    service::authority::before_sign_in,
};

/// The cookie of the one sign-in of an administrator that a browser has in progress.
const COOKIE: Kind = Kind {
    name: "gatewright-administrator-sign-in",
    context: "administrator-sign-in",
};
/// A name to show has at most this many characters.
const MAX_NAME: usize = 80;

/// Why the sign-in failed. Never holds a code, token or claim value.
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

impl From<Malformed> for AdministratorError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(match malformed {
            Malformed::Repeated(_) => "a parameter appears more than once",
            Malformed::Code => "its `code` has characters that no code may have",
            Malformed::Both => "it has both `code` and `error`",
            Malformed::Neither => "it has neither `code` nor `error`",
            Malformed::NoState => "it has no `state`",
        })
    }
}

impl From<VerifyError> for AdministratorError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => Self::IdToken(error),
            VerifyError::Keys(error) => Self::Provider(error),
        }
    }
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
    /// `email`, only with `email_verified: true`. A missing `email_verified` does not count as true here, because this
    /// address gives access to accounts.
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

/// Begins, after a click on a page of this instance. `next` is a path that was checked.
pub async fn begin(app: &Admin, next: &str) -> Result<AdministratorStart, AdministratorError> {
    let configured = configured(app)?;
    let budget = Budget::start(None);
    let provider = app.providers.provider(configured.issuer, budget).await?;
    let registration = registration(app, &configured).await?;
    let binding = app.providers.bind();
    let redirect = app
        .providers
        .visit(&registration, &provider, budget)
        .authorization_url(&binding)
        .await?;
    let Binding {
        state,
        nonce,
        verifier,
    } = binding;
    let under_way = UnderWay {
        state,
        nonce,
        verifier,
        next: next.to_owned(),
        expires_at: app.now().plus(app.config.sign_in.at_provider()),
    };
    let plain = serde_json::to_vec(&under_way).expect("it is plain data");
    let life = app.config.sign_in.at_provider().as_secs();
    Ok(AdministratorStart {
        redirect,
        set_cookie: cookies(app).bind_only(&plain, life),
    })
}

/// Finishes what [`begin`] began: the provider's answer becomes a verified person. A code works once, at the provider;
/// the response removes the cookie, see [`forget`].
pub async fn finish(
    app: &Admin,
    query: &str,
    headers: &HeaderMap,
) -> Result<VerifiedAdministrator, AdministratorError> {
    let configured = configured(app)?;
    let parameters = Parameters::parse(query);
    let brought = brought::bring(app, &parameters, brought::state(&parameters)).await?;
    let under_way = under_way(app, headers)?;
    let returned = Returned::read(&parameters)?;
    let code = code(&returned, &under_way)?;
    if brought == Brought::Elsewhere {
        return Err(AdministratorError::CodeOfAnother);
    }
    let budget = Budget::start(None);
    if let Some(difference) = returned.issuer_difference(configured.issuer) {
        return Err(AdministratorError::Issuer(difference));
    }
    let provider = app.providers.provider(configured.issuer, budget).await?;
    if returned.lacks_issuer(&provider) {
        return Err(AdministratorError::IssuerMissing);
    }
    let registration = registration(app, &configured).await?;
    let visit = app.providers.visit(&registration, &provider, budget);
    let keys = visit.keys().await?;
    let redemption = Redemption {
        code: &code,
        verifier: &under_way.verifier,
    };
    let redeemed = visit.redeem(&redemption).await;
    let tokens = redeemed.tokens?;
    if let Some(method) = redeemed.other_method {
        remember(app, &configured, method).await;
    }
    let (id_token, keys) = visit.verify(&tokens, keys, &under_way.nonce, || {}).await?;
    let claims = claims(visit, &tokens, &id_token, &keys).await;
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

/// Why a response that the provider made the browser post is refused. The code in it still counts as brought back.
pub async fn posted(app: &Admin, form: &str) -> AdministratorError {
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
pub fn carried(app: &Admin, headers: &HeaderMap) -> Option<TokenHash> {
    let under_way = under_way(app, headers).ok()?;
    Some(TokenHash::of(&under_way.state))
}

/// `Set-Cookie` that ends what was in progress.
pub fn forget(app: &Admin) -> HeaderValue {
    cookies(app).remove_only()
}

/// The registration of the instance at the administrators' provider. It has one secret, and how that was last accepted is
/// remembered.
async fn registration<'a>(
    app: &Admin,
    configured: &AdministratorProvider<'a>,
) -> Result<Registration<'a>, StoreError> {
    let (issuer, client_id) = (configured.issuer, configured.client_id);
    let mut tx = app.store.read(before_sign_in()).await?;
    let worked = administrator_provider::find_method(&mut tx, issuer, client_id).await?;
    Ok(Registration {
        issuer,
        client_id,
        authentication: ClientAuthentication {
            choice: AuthenticationChoice::Automatic,
            worked,
        },
        secrets: ClientSecrets::one(configured.client_secret.clone()),
        scopes: configured.scopes,
        redirect_url: app.config.administrator_callback_url(),
        pushes_counted_as: None,
    })
}

/// Notes how the provider takes the secret, which is not the way that was tried first. A sign-in does not fail for it.
async fn remember(app: &Admin, configured: &AdministratorProvider<'_>, method: SecretMethod) {
    let noted = async {
        let mut tx = app.store.write(before_sign_in()).await?;
        let (issuer, client_id) = (configured.issuer, configured.client_id);
        administrator_provider::note_method(&mut tx, issuer, client_id, method).await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "how the provider of the administrators takes the client secret was not noted");
    }
}

/// The claims of the ID token, or those of userinfo where only that has the address. Address and its verification are never
/// mixed from two answers.
async fn claims(
    visit: Visit<'_>,
    tokens: &Tokens,
    id_token: &IdToken,
    keys: &Arc<KeySet>,
) -> Map<String, Value> {
    if id_token.claims.contains_key("email") {
        return id_token.claims.clone();
    }
    let asked = visit.userinfo(id_token, tokens.access_token.as_ref(), keys).await;
    match asked {
        Some(Ok(claims)) => claims,
        Some(Err(error)) => {
            tracing::info!(%error, "an administrator signs in without userinfo");
            id_token.claims.clone()
        }
        None => id_token.claims.clone(),
    }
}

fn configured(app: &Admin) -> Result<AdministratorProvider<'_>, AdministratorError> {
    app.config
        .administrators
        .provider()
        .ok_or(AdministratorError::NotConfigured)
}

fn under_way(app: &Admin, headers: &HeaderMap) -> Result<UnderWay, AdministratorError> {
    let plain = cookies(app).read_only(headers);
    let plain = plain.map_err(|_| AdministratorError::NotBegun)?;
    let under_way: UnderWay = serde_json::from_slice(&plain).map_err(|_| AdministratorError::NotBegun)?;
    if under_way.expires_at <= app.now() {
        return Err(AdministratorError::NotBegun);
    }
    Ok(under_way)
}

/// The code of the callback, once its state is the one that was sent.
fn code(returned: &Returned, under_way: &UnderWay) -> Result<String, AdministratorError> {
    let state = returned.state.as_deref().ok_or(Malformed::NoState)?;
    if !TokenHash::of(&under_way.state).matches(state) {
        return Err(AdministratorError::ForeignState);
    }
    match returned.outcome()? {
        Outcome::Code(code) => Ok(code),
        Outcome::Error(error) => Err(AdministratorError::Refused(error)),
    }
}

fn cookies(app: &Admin) -> SignInCookies<'_> {
    SignInCookies::of(app, COOKIE)
}
