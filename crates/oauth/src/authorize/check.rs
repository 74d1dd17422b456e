//! The checks of an authorization request, one by one: anything not in this table is not checked.

use crate::{
    error::{ErrorCode, OAuthError},
    parameters::Parameters,
    pkce::CodeChallenge,
    resource,
};

/// One check of an authorization request: what it refuses. The second argument is the issuer, which is the gateway.
pub(super) type Check = fn(&Parameters, &str) -> Result<(), OAuthError>;

/// Every check of an authorization request after its redirect is verified, in order.
pub(super) const CHECKS: &[Check] = &[
    not_repeated,
    no_request_object,
    response_type_is_code,
    response_mode_is_query,
    pkce_is_s256,
    resource_is_here,
];

/// No known parameter is repeated.
fn not_repeated(parameters: &Parameters, _: &str) -> Result<(), OAuthError> {
    const ONCE: &[&str] = &[
        "response_type",
        "response_mode",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "prompt",
    ];
    ONCE.iter().try_for_each(|name| parameters.one(name).map(drop))
}

fn no_request_object(parameters: &Parameters, _: &str) -> Result<(), OAuthError> {
    if parameters.all("request").next().is_some() {
        return Err(OAuthError::new(
            ErrorCode::RequestNotSupported,
            "Request objects are not supported. Send plain parameters.",
        ));
    }
    if parameters.all("request_uri").next().is_some() {
        return Err(OAuthError::new(
            ErrorCode::RequestUriNotSupported,
            "Request objects by reference are not supported. Send plain parameters.",
        ));
    }
    Ok(())
}

fn response_type_is_code(parameters: &Parameters, _: &str) -> Result<(), OAuthError> {
    match parameters.required("response_type")? {
        "code" => Ok(()),
        _ => Err(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "Only response_type=code is supported.",
        )),
    }
}

fn response_mode_is_query(parameters: &Parameters, _: &str) -> Result<(), OAuthError> {
    match parameters.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "Only response_mode=query is supported. Omit the parameter.",
        )),
    }
}

fn pkce_is_s256(parameters: &Parameters, _: &str) -> Result<(), OAuthError> {
    challenge(parameters).map(drop)
}

fn resource_is_here(parameters: &Parameters, issuer: &str) -> Result<(), OAuthError> {
    resource::check(parameters, issuer)
}

/// The PKCE challenge of a request.
pub(super) fn challenge(parameters: &Parameters) -> Result<CodeChallenge, OAuthError> {
    CodeChallenge::from_request(
        parameters.one("code_challenge")?,
        parameters.one("code_challenge_method")?,
    )
}
