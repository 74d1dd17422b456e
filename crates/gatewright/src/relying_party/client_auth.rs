//! How we authenticate to a provider's token endpoint: `client_secret_basic` or `client_secret_post`
//! (OpenID Connect Core section 9, RFC 6749 section 2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatewright_domain::secret::Secret;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// A way to present the client secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuthentication {
    /// In the `Authorization` header, id and secret form-encoded first.
    Basic,
    /// In the body.
    Post,
}

impl ClientAuthentication {
    /// Chooses by `token_endpoint_auth_methods_supported`. Its default is `client_secret_basic` (OpenID Connect
    /// Discovery section 3), which is also what every provider that lists both handles best.
    pub(super) fn choose(supported: Option<&[String]>) -> Self {
        let lists = |method: &str| supported.is_some_and(|list| list.iter().any(|item| item == method));
        if lists("client_secret_post") && !lists("client_secret_basic") {
            Self::Post
        } else {
            Self::Basic
        }
    }
}

/// What changes its meaning when it is form-decoded or split at the first colon, and what a header cannot carry.
///
/// Servers differ: most form-decode id and secret as RFC 6749 section 2.3.1 says, some percent-decode, some compare what
/// was sent as it is. So nothing is encoded that all of them read alike, such as the `~` and `.` in secrets of Entra ID
/// or the `/` and `=` of base64, and a space becomes `%20`, which both decodings read.
const MISREAD: &AsciiSet = &CONTROLS.add(b'%').add(b'+').add(b':').add(b' ');

/// The `Authorization` header of `client_secret_basic`: id and secret, encoded as far as anybody could misread them, so
/// a colon in the id cannot move the boundary (RFC 6749 section 2.3.1). Marked sensitive.
pub(super) fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
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

    #[rstest]
    #[case(None, ClientAuthentication::Basic)]
    #[case(Some(&["client_secret_post"][..]), ClientAuthentication::Post)]
    #[case(Some(&["client_secret_post", "client_secret_basic"][..]), ClientAuthentication::Basic)]
    #[case(Some(&["client_secret_post", "private_key_jwt"][..]), ClientAuthentication::Post)]
    #[case(Some(&["private_key_jwt"][..]), ClientAuthentication::Basic)]
    #[case(Some(&[][..]), ClientAuthentication::Basic)]
    fn the_method_follows_what_the_provider_lists(
        #[case] supported: Option<&[&str]>,
        #[case] chosen: ClientAuthentication,
    ) {
        let supported: Option<Vec<String>> =
            supported.map(|list| list.iter().map(|item| (*item).to_owned()).collect());
        assert_eq!(ClientAuthentication::choose(supported.as_deref()), chosen);
    }

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
