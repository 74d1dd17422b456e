//! Metadata documents: of the authorization server (RFC 8414, and the same with OpenID Connect Discovery's required
//! members) and of the protected resource (RFC 9728).

use serde::Serialize;

use crate::{client_assertion::SIGNING_ALGORITHMS, pkce, scope::Scopes};

/// Everything that metadata depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The gateway's URL: both issuer and resource, without a trailing slash.
    pub issuer: &'a str,
    /// The gateway's name, for people.
    pub name: &'a str,
    /// The instance's key set.
    pub jwks_uri: &'a str,
    /// Whether dynamic client registration is on (RFC 7591).
    pub dynamic_registration: bool,
    /// Whether Client ID Metadata Documents are accepted.
    pub metadata_documents: bool,
}

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    revocation_endpoint: String,
    jwks_uri: String,
    scopes_supported: &'static [&'static str],
    response_types_supported: &'static [&'static str],
    response_modes_supported: &'static [&'static str],
    grant_types_supported: &'static [&'static str],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    code_challenge_methods_supported: &'static [&'static str],
    /// RFC 9207 section 3.
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    /// RFC 9728 section 4.
    protected_resources: [String; 1],
}

/// How clients may authenticate at the token endpoint. `none` is required for clients that choose metadata documents.
const AUTH_METHODS: &[&str] = &[
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];

impl AuthorizationServerMetadata {
    /// The document of a gateway.
    pub fn new(facts: &Facts<'_>) -> Self {
        let endpoint = |name: &str| format!("{}/oauth2/{name}", facts.issuer);
        Self {
            issuer: facts.issuer.to_owned(),
            authorization_endpoint: endpoint("authorize"),
            token_endpoint: endpoint("token"),
            registration_endpoint: facts.dynamic_registration.then(|| endpoint("register")),
            revocation_endpoint: endpoint("revoke"),
            jwks_uri: facts.jwks_uri.to_owned(),
            scopes_supported: Scopes::all().names(),
            response_types_supported: &["code"],
            response_modes_supported: &["query"],
            grant_types_supported: &["authorization_code", "refresh_token"],
            token_endpoint_auth_methods_supported: AUTH_METHODS,
            token_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
            revocation_endpoint_auth_methods_supported: AUTH_METHODS,
            revocation_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
            code_challenge_methods_supported: &[pkce::METHOD],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: facts.metadata_documents,
            protected_resources: [facts.issuer.to_owned()],
        }
    }
}

/// The same with the members that OpenID Connect Discovery 1.0 section 3 requires. No ID token is ever issued: the members
/// are present because clients that look here parse the document strictly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIdConfiguration {
    #[serde(flatten)]
    metadata: AuthorizationServerMetadata,
    subject_types_supported: &'static [&'static str],
    id_token_signing_alg_values_supported: &'static [&'static str],
    claims_supported: &'static [&'static str],
    request_uri_parameter_supported: bool,
}

impl OpenIdConfiguration {
    /// The document of a gateway.
    pub fn new(facts: &Facts<'_>) -> Self {
        Self {
            metadata: AuthorizationServerMetadata::new(facts),
            subject_types_supported: &["public"],
            // "The algorithm RS256 MUST be included" (section 3), used or not.
            id_token_signing_alg_values_supported: &["RS256"],
            claims_supported: &["sub"],
            // Its absence would mean `true`.
            request_uri_parameter_supported: false,
        }
    }
}

/// Protected resource metadata (RFC 9728 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtectedResourceMetadata {
    resource: String,
    resource_name: String,
    authorization_servers: [String; 1],
    scopes_supported: &'static [&'static str],
    bearer_methods_supported: &'static [&'static str],
}

impl ProtectedResourceMetadata {
    /// The document of a gateway. `offline_access` is not a scope of the resource, so it is not listed here.
    pub fn new(facts: &Facts<'_>) -> Self {
        Self {
            resource: facts.issuer.to_owned(),
            resource_name: facts.name.to_owned(),
            authorization_servers: [facts.issuer.to_owned()],
            scopes_supported: Scopes::default().names(),
            bearer_methods_supported: &["header"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const FACTS: Facts<'static> = Facts {
        issuer: "https://gw.example/mcp/acme",
        name: "Acme",
        jwks_uri: "https://gw.example/.well-known/jwks.json",
        dynamic_registration: true,
        metadata_documents: true,
    };

    fn value(document: &impl Serialize) -> Value {
        serde_json::to_value(document).unwrap()
    }

    #[test]
    fn the_authorization_server_says_what_clients_look_for() {
        let document = value(&AuthorizationServerMetadata::new(&FACTS));
        assert_eq!(document["issuer"], "https://gw.example/mcp/acme");
        assert_eq!(
            document["authorization_endpoint"],
            "https://gw.example/mcp/acme/oauth2/authorize"
        );
        assert_eq!(
            document["registration_endpoint"],
            "https://gw.example/mcp/acme/oauth2/register"
        );
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["client_id_metadata_document_supported"], true);
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        assert!(
            document["token_endpoint_auth_methods_supported"]
                .as_array()
                .unwrap()
                .contains(&json!("none"))
        );
        let methods = document["token_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap();
        let signing = &document["token_endpoint_auth_signing_alg_values_supported"];
        assert!(methods.contains(&json!("private_key_jwt")) && signing[0] == "RS256");
        assert!(
            document["grant_types_supported"]
                .as_array()
                .unwrap()
                .contains(&json!("refresh_token"))
        );
    }

    #[test]
    fn a_disabled_registration_is_not_advertised() {
        let facts = Facts {
            dynamic_registration: false,
            metadata_documents: false,
            ..FACTS
        };
        let document = value(&AuthorizationServerMetadata::new(&facts));
        assert!(document.get("registration_endpoint").is_none());
        assert_eq!(document["client_id_metadata_document_supported"], false);
    }

    #[test]
    fn the_openid_form_has_the_members_that_form_requires() {
        let document = value(&OpenIdConfiguration::new(&FACTS));
        for member in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ] {
            assert!(document.get(member).is_some(), "{member}");
        }
    }

    #[test]
    fn resource_issuer_and_server_are_one_string() {
        let document = value(&ProtectedResourceMetadata::new(&FACTS));
        assert_eq!(document["resource"], FACTS.issuer);
        assert_eq!(document["authorization_servers"], json!([FACTS.issuer]));
        assert_eq!(document["scopes_supported"], json!(["mcp"]));
    }
}
