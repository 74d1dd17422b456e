//! Custom headers towards upstream servers and the secrets they reference.

use gatewright_domain::{
    header_template::{self, Part},
    secret::Secret,
    server::Server,
};
use http::{HeaderName, HeaderValue};

/// Fills in `${secret:NAME}`. `find` returns a secret's value and the origins it can be sent to.
/// The error says, without any value, which header cannot be sent and what to do.
///
/// Everything was checked when it was saved; it is checked again here because what is stored may be older than the
/// rules, and a secret must not leave for an origin it was not entered for, whatever the store says.
pub fn resolve(
    server: &Server,
    find: impl Fn(&str) -> Option<(Secret, Vec<String>)>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let origin = server.origin().ok_or_else(|| {
        format!(
            "The URL of the server `{}` cannot be read: enter it again.",
            server.slug
        )
    })?;
    server
        .headers
        .iter()
        .map(|header| {
            header_template::check_header_name(&header.name)?;
            let name = HeaderName::from_bytes(header.name.as_bytes())
                .map_err(|_| format!("`{}` is not a header name: correct it.", header.name))?;
            let mut text = String::new();
            for part in header_template::parse(&header.value)? {
                match part {
                    Part::Text(plain) => text.push_str(plain),
                    Part::Secret(secret) => text.push_str(value_of(secret, &origin, &header.name, &find)?.expose()),
                }
            }
            let value = HeaderValue::from_str(&text).ok().filter(|_| !text.is_empty());
            let mut value = value.ok_or_else(|| {
                format!(
                    "The value of the header `{name}` has a character that no header may contain: enter it, or the secret \
                     in it, again."
                )
            })?;
            value.set_sensitive(true);
            Ok((name, value))
        })
        .collect()
}

fn value_of(
    secret: &str,
    origin: &str,
    header: &str,
    find: impl Fn(&str) -> Option<(Secret, Vec<String>)>,
) -> Result<Secret, String> {
    let (value, origins) = find(secret).ok_or_else(|| {
        format!(
            "The header `{header}` names the secret `{secret}`, which does not exist or cannot be opened: create it, or \
             enter its value again."
        )
    })?;
    if origins.iter().any(|allowed| allowed == origin) {
        Ok(value)
    } else {
        Err(format!(
            "The header `{header}` names the secret `{secret}`, which may not be sent to `{origin}`: add that origin to \
             the secret, entering its value again."
        ))
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{
        Timestamp,
        clock::FixedClock,
        entropy::SeededEntropy,
        id::{ProjectId, ServerId},
        server::CustomHeader,
    };

    use super::*;

    fn server(name: &str, value: &str) -> Server {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let project = ProjectId::generate(&clock, &entropy);
        Server {
            url: "https://mcp.example.com/mcp".to_owned(),
            headers: vec![CustomHeader {
                name: name.to_owned(),
                value: value.to_owned(),
            }],
            ..Server::blank(
                ServerId::generate(&clock, &entropy),
                project,
                Timestamp::default(),
            )
        }
    }

    fn find(name: &str) -> Option<(Secret, Vec<String>)> {
        let (value, origin) = match name {
            "TOKEN" => ("hush-hush", "https://mcp.example.com"),
            "ELSEWHERE" => ("hush-hush", "https://other.example.com"),
            "BROKEN" => ("hush\r\nHost: evil", "https://mcp.example.com"),
            _ => return None,
        };
        Some((Secret::new(value), vec![origin.to_owned()]))
    }

    #[test]
    fn secrets_are_filled_in_and_values_are_sensitive() {
        let headers = resolve(&server("Authorization", "Bearer ${secret:TOKEN}"), find).unwrap();
        assert_eq!(headers[0].0, "authorization");
        assert_eq!(headers[0].1, "Bearer hush-hush");
        assert!(headers[0].1.is_sensitive());
    }

    #[test]
    fn what_cannot_be_sent_is_reported_without_its_value() {
        for (name, value) in [
            ("Authorization", "${secret:ELSEWHERE}"),
            ("Authorization", "${secret:MISSING}"),
            ("Authorization", "${secret:BROKEN}"),
            ("Authorization", "${env:HOME}"),
            ("Gatewright-Assertion", "${secret:TOKEN}"),
            ("Connection", "x"),
            ("bad name", "x"),
        ] {
            let told = resolve(&server(name, value), find).unwrap_err();
            assert!(!told.contains("hush") && !told.contains("evil"), "{told}");
        }
    }
}
