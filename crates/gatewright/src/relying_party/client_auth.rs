//! How we authenticate to a provider's token endpoint: `client_secret_basic` or `client_secret_post`
//! (OpenID Connect Core section 9, RFC 6749 section 2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatewright_domain::secret::Secret;
use http::HeaderValue;
use url::form_urlencoded;

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

/// The `Authorization` header of `client_secret_basic`. Id and secret are form-encoded before they are joined
/// (RFC 6749 section 2.3.1), so a colon in the id cannot move the boundary. Marked sensitive.
pub(super) fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .expect("base64 is made of characters a header may hold");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn id_and_secret_are_form_encoded_before_they_are_joined() {
        let header = basic("client:1", &Secret::new("a b+c/%ü"));
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(pair, "client%3A1:a+b%2Bc%2F%25%C3%BC");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
