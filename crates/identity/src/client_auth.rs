//! How we authenticate to the endpoints of a provider: `client_secret_basic` or `client_secret_post`
//! (OpenID Connect Core section 9, RFC 6749 section 2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gatewright_domain::{registration::SecretMethod, secret::Secret};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{Url, form_urlencoded};

/// A client as it presents itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented<'a> {
    /// The client id registered at the provider.
    pub(crate) id: &'a str,
    /// Its secret.
    pub(crate) secret: &'a Secret,
    /// How the secret is sent.
    pub(crate) method: SecretMethod,
}

/// A form for an endpoint that authenticates clients.
pub(crate) fn request(
    endpoint: &Url,
    client: Presented<'_>,
    parameters: &[(&str, &str)],
    accepted: &'static str,
) -> Request<Full<Bytes>> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters);
    let mut request = Request::post(endpoint.as_str())
        .header(header::ACCEPT, accepted)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match client.method {
        SecretMethod::Basic => {
            request = request.header(header::AUTHORIZATION, basic(client.id, client.secret));
        }
        SecretMethod::Post => {
            if !parameters.iter().any(|(name, _)| *name == "client_id") {
                form.append_pair("client_id", client.id);
            }
            form.append_pair("client_secret", client.secret.expose());
        }
    }
    request
        .body(Full::new(Bytes::from(form.finish())))
        .expect("a parsed URL and these headers make a request")
}

/// What changes its meaning when it is form-decoded or split at the first colon, and what a header cannot carry.
///
/// Servers differ: most form-decode id and secret as RFC 6749 section 2.3.1 says, some percent-decode, some compare what
/// was sent as it is. So what all of them read alike is not encoded, such as the `~` and `.` in secrets of Entra ID
/// or the `/` and `=` of base64, and a space becomes `%20`, which both decodings read.
const MISREAD: &AsciiSet = &CONTROLS.add(b'%').add(b'+').add(b':').add(b' ');

/// The `Authorization` header of `client_secret_basic`: id and secret, encoded as far as a server could misread them, so
/// a colon in the id cannot move the boundary (RFC 6749 section 2.3.1). Marked sensitive.
pub(crate) fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encode = |text| utf8_percent_encode(text, MISREAD).to_string();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .expect("base64 is made of characters a header may hold");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use rstest::rstest;

    use super::*;

    fn sent(id: &str, secret: &str) -> String {
        let header = basic(id, &Secret::new(secret));
        assert_eq!(format!("{header:?}"), "Sensitive");
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    #[rstest]
    #[case("abc-._~!*'()/?@$,;&=#[]{}|\\^`<>\"")]
    #[case("k8Q~vIjW.2uXyz_0-Lm~p")]
    #[case("c2VjcmV0/c2VjcmV0==")]
    fn a_server_that_compares_as_it_is_gets_the_secret_as_it_is(#[case] secret: &str) {
        assert_eq!(sent("client-1", secret), format!("client-1:{secret}"));
    }

    #[rstest]
    #[case("client:1", "a b+c/%ü~", "client%3A1:a%20b%2Bc/%25%C3%BC~")]
    #[case("client", "a:b%41\u{7f}", "client:a%3Ab%2541%7F")]
    #[case("client", "a=b&c", "client:a=b&c")]
    fn a_server_that_decodes_gets_the_same_text(#[case] id: &str, #[case] secret: &str, #[case] pair: &str) {
        let seen = sent(id, secret);
        assert_eq!(seen, pair);
        let parts = seen.split_once(':').unwrap();
        for (part, text) in [(parts.0, id), (parts.1, secret)] {
            let percent = percent_decode_str(part).decode_utf8().unwrap();
            assert_eq!(percent, text);
            let form = part.replace('+', " ");
            assert_eq!(percent_decode_str(&form).decode_utf8().unwrap(), text);
        }
    }
}
