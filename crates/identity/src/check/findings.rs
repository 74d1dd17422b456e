//! Findings in words: what was found, and what to do.

use url::Url;

use super::{Finding, report::finding};

/// Whether an issuer is one of Azure AD B2C.
pub(super) fn is_b2c(issuer: &str) -> bool {
    let host = Url::parse(issuer)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| host.ends_with(".b2clogin.com"))
}

/// The finding about an issuer of Azure AD B2C at which nothing is published: it is the default, and only another setting
/// makes an issuer of which the document can be found.
pub(super) fn without_document(published: &str) -> Finding {
    finding(
        "/issuer",
        format!("Azure AD B2C publishes no discovery document at its default issuer ({published})."),
        "In the user flow, open Properties, Token compatibility settings, choose the issuer claim that has `tfp` in it, and \
         enter that issuer: https://{tenant}.b2clogin.com/tfp/{tenant id}/{user flow}/v2.0/",
    )
}

/// The finding about a document of many tenants.
pub(super) fn of_many_tenants(published: &str) -> Finding {
    finding(
        "/issuer",
        format!("The provider serves many tenants there: its issuer is a template ({published})."),
        "Enter the issuer of your own tenant. For Entra ID it is https://login.microsoftonline.com/{tenant id}/v2.0, with the \
         Directory (tenant) ID and not `common`, `organizations` or a domain name.",
    )
}
