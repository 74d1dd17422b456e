//! Authorization requests: an answer goes to a registered redirect URI only, and always carries state and issuer.

#![no_main]

use std::sync::LazyLock;

use gatewright_oauth::{
    authorize::UnverifiedRequest,
    error::{ErrorCode, OAuthError},
    redirect_uri::RedirectUri,
};
use libfuzzer_sys::fuzz_target;
use url::form_urlencoded;

const ISSUER: &str = "https://gw.example.com/mcp/acme";

static REGISTERED: LazyLock<Vec<RedirectUri>> = LazyLock::new(|| {
    [
        "https://app.example/cb",
        "http://127.0.0.1/cb",
        "com.example.app:/cb",
        "https://app.example/cb?a=b",
    ]
    .map(|uri| RedirectUri::parse(uri).expect("these are good"))
    .to_vec()
});

/// The query that a response adds to the redirect URI.
fn answer<'a>(location: &'a str, uri: &str) -> Vec<(String, String)> {
    let added: &'a str = location
        .strip_prefix(uri)
        .expect("the redirect URI is kept to the byte");
    form_urlencoded::parse(added.trim_start_matches(['?', '&']).as_bytes())
        .into_owned()
        .collect()
}

fuzz_target!(|query: &str| {
    let request = UnverifiedRequest::parse(query);
    let _ = request.client_id();
    for registered in [&REGISTERED[..], &REGISTERED[..1]] {
        let Ok(request) = request.clone().verify_redirect(registered, ISSUER) else {
            continue;
        };
        let (redirect, challenge) = match request.check() {
            Ok(good) => (good.redirect, Some(good.code_challenge)),
            Err(rejection) => (rejection.redirect, None),
        };
        let uri = RedirectUri::parse(redirect.uri()).expect("a verified redirect is a redirect");
        assert!(
            registered.iter().any(|known| uri.is_registered_as(known)),
            "{query}"
        );
        if let Some(challenge) = challenge {
            assert_eq!(challenge.as_str().len(), 43);
        }
        let refused = OAuthError::new(ErrorCode::AccessDenied, "No.\r\nSet-Cookie: a=b");
        for location in [redirect.with_code("c0de"), redirect.with_error(&refused)] {
            assert!(
                location.bytes().all(|byte| byte.is_ascii_graphic()),
                "it fits a header: {location}"
            );
            let told = answer(&location, redirect.uri());
            let all = |name: &str| -> Vec<&str> {
                told.iter()
                    .filter(|(key, _)| key == name)
                    .map(|(_, value)| value.as_str())
                    .collect()
            };
            assert_eq!(all("iss"), [ISSUER]);
            assert_eq!(all("state"), redirect.state().into_iter().collect::<Vec<_>>());
            assert_eq!(all("code").len() + all("error").len(), 1);
        }
    }
});
