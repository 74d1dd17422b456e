//! What is remembered of a sign-in between *Allow* and the return from the provider. It travels sealed in the cookie that
//! binds the browser, so that beginning a sign-in writes nothing and no flood displaces one.

use gatewright_domain::{
    Timestamp,
    authorization::ConsentedRequest,
    id::{AttemptId, GatewayId, ProjectId, TestSignInId, UserSourceId},
    reference::Reference,
    sign_in_attempt::AttemptHead,
    token_hash::TokenHash,
    user_source::Callback,
};
use gatewright_identity::cookie::{Kind, SignInCookies, Uncarried};
use http::{HeaderMap, HeaderValue};

use super::{failure::Failure, packed};
use crate::{Gateways, telemetry::RequestRecord};

/// The cookies of sign-ins, one for each.
const COOKIES: Kind = Kind {
    name: "gatewright-sign-in-",
    context: "pending-sign-in",
};

/// What a sign-in is for, in full. Each kind ends in what it began for: only a client's sign-in ends in a code.
#[derive(Debug, Clone)]
pub(super) enum Aim {
    /// A code for a client: its request.
    Client(ConsentedRequest),
    /// A report for an administrator.
    Test(TestSignInId),
    /// A session on the connections page of a gateway.
    Connections(GatewayId),
}

/// What the trace shows in the place of a client where the person signed in to their connections.
const CONNECTIONS_PAGE: &str = "Connections page";

/// What the trace needs to continue an attempt, in addition to the sign-in.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) id: AttemptId,
    pub(super) reference: Reference,
    pub(super) started_at: Timestamp,
}

/// A sign-in in progress.
#[derive(Debug, Clone)]
pub(super) struct PendingSignIn {
    /// What it is for.
    pub(super) aim: Aim,
    /// The project of the source.
    pub(super) project_id: ProjectId,
    /// The source that is asked.
    pub(super) user_source_id: UserSourceId,
    /// The redirect URL that was sent to its provider.
    pub(super) callback: Callback,
    /// Its identity epoch at the click.
    pub(super) identity_epoch: i64,
    /// The nonce sent to the provider.
    pub(super) nonce: String,
    /// The PKCE verifier.
    pub(super) verifier: String,
    /// What the trace of the sign-in begins with; a test has its report instead.
    pub(super) attempt: Option<Begun>,
    /// The deadline for the browser to come back.
    pub(super) expires_at: Timestamp,
}

impl PendingSignIn {
    /// The gateway that someone signs in to.
    pub(super) const fn gateway_id(&self) -> Option<GatewayId> {
        match &self.aim {
            Aim::Client(request) => Some(request.gateway_id),
            Aim::Connections(id) => Some(*id),
            Aim::Test(_) => None,
        }
    }

    /// Names the gateway and the client in the log line of a request.
    pub(super) fn name_in(&self, record: &RequestRecord) {
        if let Some(gateway) = self.gateway_id() {
            record.set_gateway(gateway);
        }
        if let Aim::Client(request) = &self.aim {
            // It is carried in the short form.
            record.set_client(request.client_id.clone());
        }
    }

    /// The test that it belongs to.
    pub(super) const fn test_id(&self) -> Option<TestSignInId> {
        match self.aim {
            Aim::Client(_) | Aim::Connections(_) => None,
            Aim::Test(id) => Some(id),
        }
    }

    /// The head of its trace.
    pub(super) fn attempt(&self) -> Option<AttemptHead> {
        let begun = self.attempt.as_ref()?;
        let (client_id, client_name) = match &self.aim {
            Aim::Client(request) => (request.client_id.as_str(), request.client_name.as_str()),
            Aim::Connections(_) => ("", CONNECTIONS_PAGE),
            Aim::Test(_) => return None,
        };
        Some(AttemptHead {
            id: begun.id,
            project_id: self.project_id,
            gateway_id: self.gateway_id()?,
            user_source_id: Some(self.user_source_id),
            reference: Some(begun.reference),
            client_id: client_id.to_owned(),
            client_name: client_name.to_owned(),
            started_at: begun.started_at,
        })
    }
}

/// `Set-Cookie` headers that store a sign-in in the browser that begins it, under its `state`, for this many seconds.
pub(super) fn bind(
    app: &Gateways,
    now: Timestamp,
    state: TokenHash,
    pending: &PendingSignIn,
    life_seconds: u64,
    headers: &HeaderMap,
) -> Vec<HeaderValue> {
    let plain = packed::pack(pending);
    SignInCookies::of(app, COOKIES).bind(now, state, &plain, life_seconds, headers)
}

/// The sign-in of `state`, if this browser began it. It may have expired.
pub(super) fn of_browser(
    app: &Gateways,
    headers: &HeaderMap,
    state: TokenHash,
) -> Result<PendingSignIn, Failure> {
    let plain = SignInCookies::of(app, COOKIES).read(headers, state);
    let plain = plain.map_err(|uncarried| match uncarried {
        Uncarried::Missing => Failure::NoCookie,
        Uncarried::Foreign => Failure::ForeignCookie,
    })?;
    packed::unpack(&plain).ok_or(Failure::ForeignCookie)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization_server::fits;
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy, sealed::MasterKey};

    /// Browsers keep a cookie of this length, name and attributes included (RFC 6265 section 6.1).
    const MAX_COOKIE_BYTES: usize = 4_096;

    fn request(state: usize) -> ConsentedRequest {
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        ConsentedRequest {
            gateway_id: GatewayId::generate(&clock, &entropy),
            client_id: format!("https://app.example/{}", "c".repeat(492)),
            client_name: "é".repeat(80),
            redirect_uri: format!("https://app.example/{}", "r".repeat(492)),
            state: Some("s".repeat(state)),
            code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            scope: "mcp offline_access".to_owned(),
            consent_id: Some("c".repeat(43)),
        }
    }

    #[test]
    fn the_longest_request_that_fits_makes_a_cookie_that_browsers_keep() {
        let longest = (0..4_096).rev().find(|state| fits(&request(*state))).unwrap();
        assert!(longest >= 512, "{longest}");
        let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(3));
        let token = || gatewright_domain::entropy::token(&entropy);
        let pending = PendingSignIn {
            aim: Aim::Client(request(longest)),
            project_id: ProjectId::generate(&clock, &entropy),
            user_source_id: UserSourceId::generate(&clock, &entropy),
            callback: Callback::Shared,
            identity_epoch: i64::MAX,
            nonce: token(),
            verifier: token(),
            attempt: Some(Begun {
                id: AttemptId::generate(&clock, &entropy),
                reference: Reference::of(u64::MAX),
                started_at: Timestamp::from_seconds(1_800_000_000),
            }),
            expires_at: Timestamp::from_seconds(1_800_000_000),
        };
        let plain = packed::pack(&pending);
        let keyring = gatewright_domain::sealed::Keyring::new(vec![MasterKey::generate(&entropy)]).unwrap();
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, COOKIES);
        let now = Timestamp::from_seconds(1_800_000_000);
        let cookies = style.bind(now, TokenHash::of("state"), &plain, 3_600, &HeaderMap::new());
        assert!(cookies[0].len() <= MAX_COOKIE_BYTES, "{}", cookies[0].len());
    }

    #[test]
    fn a_browser_keeps_ten_sign_ins_of_usual_apps() {
        let entropy = SeededEntropy::new(3);
        let keyring = gatewright_domain::sealed::Keyring::new(vec![MasterKey::generate(&entropy)]).unwrap();
        let plain = packed::pack(&packed::tests::usual());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, COOKIES);
        let now = Timestamp::from_seconds(1_800_000_000);
        let mut held: Vec<String> = Vec::new();
        for number in 0..10 {
            let mut headers = HeaderMap::new();
            let line = held.join("; ");
            headers.insert(http::header::COOKIE, HeaderValue::try_from(line).unwrap());
            let state = TokenHash::of(&number.to_string());
            let cookies = style.bind(now, state, &plain, 3_600, &headers);
            assert_eq!(cookies.len(), 1, "one gave way to number {number}");
            let pair = cookies[0].to_str().unwrap().split(';').next().unwrap();
            held.push(pair.to_owned());
        }
    }
}
