//! Request parameters as OAuth reads them: form-encoded, empty means absent, unknown ones ignored, known ones at most once
//! (RFC 6749 sections 3.1 and 3.2).

use std::fmt;

use crate::error::{ErrorCode, OAuthError};

/// The maximum number of parameters; a usual request has a dozen. A request with more is refused: duplicates after
/// the last one read would go unnoticed.
const MAX_PARAMETERS: usize = 64;

/// The decoded parameters of one request, in order. Debug shows only names: values contain codes and secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    has_more: bool,
}

impl Parameters {
    /// Reads a query string or a form body. Never fails: malformed percent-encoding stays unchanged,
    /// and the checks that follow refuse its value.
    pub fn parse(encoded: &str) -> Self {
        let mut decoded = url::form_urlencoded::parse(encoded.as_bytes());
        let pairs = decoded
            .by_ref()
            .take(MAX_PARAMETERS)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self {
            pairs,
            has_more: decoded.next().is_some(),
        }
    }

    /// All values of a parameter that can be repeated, such as `resource` (RFC 8707 section 2).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that may appear at most once.
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, OAuthError> {
        if self.has_more {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                format!(
                    "There are more than {MAX_PARAMETERS} parameters. Send only those that are needed, each once."
                ),
            ));
        }
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(repeated(name));
        }
        Ok(first)
    }

    /// The value of a parameter that must appear exactly once.
    pub fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.one(name)?.ok_or_else(|| {
            OAuthError::new(
                ErrorCode::InvalidRequest,
                format!("The parameter {name} is missing. Send it once."),
            )
        })
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}

fn repeated(name: &'static str) -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidRequest,
        format!("The parameter {name} was sent more than once. Send it once."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_absent_and_twice_is_refused() {
        let parameters = Parameters::parse("a=1&b=&c=2&c=2&d=%C3%A9+x");
        assert_eq!(parameters.one("a"), Ok(Some("1")));
        assert_eq!(parameters.one("b"), Ok(None));
        assert_eq!(parameters.one("c").unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(parameters.one("d"), Ok(Some("é x")));
        assert!(parameters.required("b").is_err());
    }

    #[test]
    fn a_parameter_repeated_after_all_that_is_read_is_refused() {
        let padding = "x=1&".repeat(MAX_PARAMETERS - 1);
        let full = Parameters::parse(&format!("{padding}a=1"));
        assert_eq!(full.one("a"), Ok(Some("1")));
        for behind in ["a=2", "b=", "c"] {
            let more = Parameters::parse(&format!("a=1&{padding}{behind}"));
            assert_eq!(more.one("a").unwrap_err().code, ErrorCode::InvalidRequest);
            assert!(more.required("a").is_err());
        }
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", Parameters::parse("code=hush")), r#"["code"]"#);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,300}") {
            let parameters = Parameters::parse(&text);
            let _ = parameters.one("client_id");
        }

        #[test]
        fn what_was_encoded_is_read_back(value in ".{1,60}") {
            let encoded: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("state", &value)
                .finish();
            let parameters = Parameters::parse(&encoded);
            proptest::prop_assert_eq!(parameters.one("state"), Ok(Some(value.as_str())));
        }
    }
}
