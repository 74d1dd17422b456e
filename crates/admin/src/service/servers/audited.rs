//! A server as the audit trail shows it.

use gatewright_domain::{
    audit::FieldChange,
    header_template,
    server::{CustomHeader, Server},
};

use crate::service::change::{Fields, field, secret_changed};

/// What can come before a reference to a secret and is shown with it: the schemes of HTTP authentication in use.
const SCHEMES: [&str; 3] = ["Bearer", "Basic", "Token"];

/// The fields of a server.
pub(super) fn audited(server: &Server) -> Fields {
    let mut fields = vec![
        field("slug", &server.slug),
        field("prefix", &server.prefix),
        field("name", &server.name),
        field("url", &server.url),
        field("timeout_ms", server.timeout_ms),
        field("retries", server.retries),
        field("identity", server.identity),
        field("protocol", server.protocol),
    ];
    for header in &server.headers {
        fields.push(field(&format!("headers.{}", header.name), shown(header)));
    }
    fields
}

/// A header as the audit trail shows it. Anything entered as plain text may be a credential, and even a digest would let
/// guesses at it be tried: only references to secrets are shown.
fn shown(header: &CustomHeader) -> &str {
    if is_reference(&header.value) {
        &header.value
    } else {
        "(not shown)"
    }
}

/// Whether a value is made of references to secrets alone, with at most a scheme of HTTP authentication before them.
pub fn is_reference(value: &str) -> bool {
    let rest = SCHEMES
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme)?.strip_prefix(' '))
        .unwrap_or(value);
    header_template::parse(rest).is_ok_and(|parts| {
        !parts.is_empty()
            && parts
                .iter()
                .all(|part| matches!(part, header_template::Part::Secret(_)))
    })
}

/// Headers whose value changed without showing it.
pub(super) fn hidden_changes<'a>(
    before: &'a Server,
    after: &'a Server,
) -> impl Iterator<Item = FieldChange> + 'a {
    after.headers.iter().filter_map(|header| {
        let old = before.headers.iter().find(|old| old.name == header.name)?;
        let hidden = old.value != header.value && shown(old) == shown(header);
        hidden.then(|| secret_changed(&format!("headers.{}", header.name)))
    })
}
