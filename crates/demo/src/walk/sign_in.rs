//! What the browser does: consent, the identity provider, and back with a code.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Notes,
    browser::{Browser, parameter, redirect, set_cookies},
    discovery::{AuthorizationServer, Client, REDIRECT_URI},
    fingerprint,
    form::Form,
    problem::Mismatch,
};
use crate::random;

/// One sign-in: a browser, and what the client keeps to recognise the response.
pub(super) struct SignIn {
    browser: Browser,
    authorize: Url,
    issuer: String,
    state: String,
    verifier: String,
}

/// A page with a form, and its URL.
pub(super) struct Page {
    url: Url,
    form: Form,
}

impl SignIn {
    pub(super) fn new(gateway: &Url, server: &AuthorizationServer, client: &Client) -> Self {
        let state = random::token();
        let verifier = random::token();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut authorize = server.authorization_endpoint.clone();
        authorize
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("scope", "mcp")
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", gateway.as_str());
        Self {
            browser: Browser::default(),
            authorize,
            issuer: server.issuer.clone(),
            state,
            verifier,
        }
    }

    /// The PKCE verifier.
    pub(super) fn verifier(&self) -> &str {
        &self.verifier
    }

    /// Opens the consent page, which must not bind the browser yet.
    pub(super) async fn open(&mut self, notes: &mut Notes) -> Result<Page, Mismatch> {
        let answer = self.browser.open(&self.authorize).await?;
        if let Some(cookie) = set_cookies(&answer).next() {
            let came = format!("the cookie {} was set", name_of(cookie));
            let remedy = "This is a bug of the gateway: please report it.";
            return Err(Mismatch::new("no cookie before consent", came, remedy));
        }
        let html = String::from_utf8_lossy(answer.body()).into_owned();
        let form = Form::find(&html).filter(|_| answer.status() == StatusCode::OK);
        let form = form.ok_or_else(|| {
            let remedy = "Check that the gateway's User Source is active.";
            Mismatch::answer("a consent page", &answer, remedy)
        })?;
        notes.add("shown", "who asks, for what, and where the response goes");
        notes.add("sent to the provider", "nothing yet");
        Ok(Page {
            url: self.authorize.clone(),
            form,
        })
    }

    /// Presses *Allow*: the gateway binds the browser and sends it to the provider.
    pub(super) async fn allow(&mut self, consent: &Page, notes: &mut Notes) -> Result<Url, Mismatch> {
        let remedy =
            "Check that the gateway's User Source is active and that its identity provider responds.";
        let (target, body) = press(consent, "allow")?;
        let answer = self.browser.submit(&target, body).await?;
        let location = redirect(&answer, &target, remedy)?;
        let cookie = set_cookies(&answer).next().map(name_of).ok_or_else(|| {
            let remedy = "This is a bug of the gateway: please report it.";
            Mismatch::new("a cookie that binds this browser", "none was set", remedy)
        })?;
        notes.add("browser bound by", format!("the cookie {cookie}"));
        notes.add("sent to", location.origin().ascii_serialization());
        notes.add("asking for", parameter(&location, "scope").unwrap_or_default());
        Ok(location)
    }

    /// Signs in as Ada.
    pub(super) async fn at_provider(&mut self, authorize: &Url, notes: &mut Notes) -> Result<Url, Mismatch> {
        let remedy =
            "Check that the Client ID and redirect URL of the User Source match those of the demo provider.";
        let answer = self.browser.open(authorize).await?;
        let html = String::from_utf8_lossy(answer.body()).into_owned();
        let form = Form::find(&html).ok_or_else(|| Mismatch::answer("a sign-in page", &answer, remedy))?;
        let page = Page {
            url: authorize.clone(),
            form,
        };
        let (target, body) = press(&page, "ada")?;
        let answer = self.browser.submit(&target, body).await?;
        let location = redirect(&answer, &target, remedy)?;
        refused(&location, remedy)?;
        notes.add("signed in", "Ada Lovelace <ada@example.com>");
        notes.add("sent back to", before_query(&location));
        Ok(location)
    }

    /// Brings the provider's response to the gateway, which sends the client its own code.
    pub(super) async fn call_back(&mut self, callback: &Url, notes: &mut Notes) -> Result<String, Mismatch> {
        let remedy =
            "Check the gateway's log for the reason: the gateway verifies the provider's ID token here.";
        let answer = self.browser.open(callback).await?;
        let location = redirect(&answer, callback, remedy)?;
        if before_query(&location) != REDIRECT_URI {
            let came = format!("it was {}", before_query(&location));
            return Err(Mismatch::new("a redirect to the client", came, remedy));
        }
        refused(&location, remedy)?;
        for (name, expected) in [("state", &self.state), ("iss", &self.issuer)] {
            if parameter(&location, name).as_ref() != Some(expected) {
                let came = format!("{name} was another");
                let remedy = "This is a bug of the gateway: please report it.";
                return Err(Mismatch::new(
                    format!("{name} as the client knows it"),
                    came,
                    remedy,
                ));
            }
        }
        let code = parameter(&location, "code")
            .ok_or_else(|| Mismatch::new("a code", "the redirect had none", remedy))?;
        notes.add(
            "checked by the gateway",
            "state, cookie, and the provider's ID token",
        );
        notes.add("sent on to", REDIRECT_URI);
        notes.add("checked by the client", "state, and iss = the gateway");
        notes.add("code", fingerprint(&code));
        Ok(code)
    }
}

/// The target and body of a form when one of its buttons is pressed.
fn press(page: &Page, button: &str) -> Result<(Url, String), Mismatch> {
    let missing = |came: &str| {
        Mismatch::new(
            format!("a form with the button \"{button}\""),
            came,
            "The page may have changed: please report it.",
        )
    };
    let target = page
        .url
        .join(&page.form.action)
        .map_err(|_| missing("its action was not a URL"))?;
    let body = page
        .form
        .press(button)
        .ok_or_else(|| missing("it had no such button"))?;
    Ok((target, body))
}

/// Turns an OAuth error in a redirect into a mismatch (RFC 6749 section 4.1.2.1).
fn refused(location: &Url, remedy: &str) -> Result<(), Mismatch> {
    let Some(error) = parameter(location, "error") else {
        return Ok(());
    };
    let words = parameter(location, "error_description").unwrap_or_default();
    Err(Mismatch::new(
        "a code",
        format!("the error {error} came: {words}"),
        remedy,
    ))
}

fn before_query(url: &Url) -> &str {
    &url[..url::Position::AfterPath]
}

fn name_of(cookie: &str) -> String {
    cookie.split('=').next().unwrap_or_default().to_owned()
}
