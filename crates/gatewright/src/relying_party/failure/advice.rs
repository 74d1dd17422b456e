//! What an administrator can do about a failed sign-in.

use http::StatusCode;

use super::Failure;
use crate::{
    authorization_server::TOO_MANY_ADVICE,
    fetch::FetchError,
    relying_party::{
        discovery::UnusableDocument,
        id_token::{IdTokenError, IssuerDifference},
        provider::{ProviderError, Resource},
        subject::SubjectError,
        token_request::{TokenError, Tried},
    },
};

impl Failure {
    /// What the administrator can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(_) => {
                "Nothing, unless it happens often: then look at what stands between provider and gateway."
            }
            Self::FormPost => {
                "Set the response mode of this client at the provider to `query`. `form_post` is not supported."
            }
            Self::Expired => {
                "The user signs in again. If people need more time at the provider, raise `sign_in.minutes_at_provider`."
            }
            Self::OtherCode | Self::Interrupted | Self::StillWorking => {
                "The user signs in again. If it happens often, the clocks or replicas may disagree."
            }
            Self::OtherRedirectUrl => {
                "Nothing, unless it happens often: then see that the provider has exactly the redirect URL that the User Source shows. If it does, one of the providers connected to this instance may have sent people to another one."
            }
            Self::CodeOfAnother => {
                "Look at who administers the providers connected to this instance: one of them may have passed on a code that was meant for another."
            }
            Self::NoCookie | Self::ForeignCookie => {
                "The user signs in again in one browser. If it happens to everyone, cookies do not reach the public URL: check its host name and TLS, whether a proxy cuts the `Cookie` header, and whether all replicas have the same master keys."
            }
            Self::IssuerParameter(
                IssuerDifference::ProviderHasSlash | IssuerDifference::ConfiguredHasSlash,
            )
            | Self::IdToken(IdTokenError::Issuer(
                IssuerDifference::ProviderHasSlash | IssuerDifference::ConfiguredHasSlash,
            )) => "Edit the issuer of the User Source: a slash at the end matters.",
            Self::IssuerParameter(IssuerDifference::Template)
            | Self::IdToken(IdTokenError::Issuer(IssuerDifference::Template)) => OWN_TENANT,
            Self::IssuerParameter(_)
            | Self::IssuerParameterMissing
            | Self::IdToken(IdTokenError::Issuer(_)) => {
                "Compare the issuer of the User Source with what the provider publishes. If they agree, an answer of another provider was sent here."
            }
            Self::ProviderAnswer(error) if is_passing(error) => PASSING,
            Self::ProviderAnswer(_) => {
                "Look the error up in the provider's log: often a scope that is not allowed, or a redirect URL that is not registered."
            }
            Self::TooMany => TOO_MANY_ADVICE,
            Self::GatewayGone | Self::SourceChanged | Self::ConsentUsedUp | Self::Overtaken => {
                "Nothing: the user signs in again."
            }
            Self::SourceGone => "Nothing: there is nothing left to test.",
            Self::TestOver => "Look at what came of it where you started it, or start another test.",
            Self::Unreadable | Self::Token(TokenError::SecretUnreadable) => {
                "Check that all replicas have the same master keys, and that none was removed too early."
            }
            Self::Discovery(error) | Self::Keys(error) | Self::Token(TokenError::Provider(error)) => {
                provider_advice(error)
            }
            Self::Token(TokenError::ClientRefused { tried, .. }) => match tried {
                Tried::Unproven => {
                    "Enter the client secret again in the User Source: the provider does not accept the stored one. Check the client id too, and that the provider allows the way in which the secret was sent."
                }
                Tried::Proven => {
                    "The secret was replaced or has expired at the provider. Enter the new one in the User Source; make one at the provider first, if there is none."
                }
                Tried::Both => {
                    "The provider no longer accepts the old secret, and not yet, or not at all, the one typed in last. Compare that one with the provider's, and enter it again."
                }
            },
            Self::Token(TokenError::CodeRefused) => {
                "Usually the code was redeemed twice or too late; the user signs in again. If it keeps happening, check that the redirect URL registered at the provider is exactly ours."
            }
            Self::Token(TokenError::Refused { error, .. }) if is_passing(error) => PASSING,
            Self::Token(TokenError::Refused { .. }) => {
                "Look the error up in the provider's log; the client there must allow the authorization code grant."
            }
            Self::Token(TokenError::NoIdToken) => {
                "The scope `openid` must be among the scopes, and the client at the provider must be an OpenID Connect client."
            }
            Self::IdToken(error) => id_token_advice(error),
            Self::Subject(error) => match error {
                SubjectError::UnverifiedEmail => {
                    "Have the address verified at the provider, or choose another subject claim (`sub` is best)."
                }
                SubjectError::Missing(_)
                | SubjectError::Kind { .. }
                | SubjectError::Empty(_)
                | SubjectError::TooLong(_)
                | SubjectError::ControlCharacter(_) => {
                    "Have the provider put the claim into the ID token as a string, or choose another subject claim (`sub` is always there)."
                }
            },
            Self::Blocked => "Unblock the user, if they should have access.",
            Self::Stale(_) | Self::Store(_) => "Check the database.",
            Self::Internal => "Look for an error with the same reference in the log, and report it.",
        }
    }
}

/// What to do about a provider that serves many tenants from one document.
const OWN_TENANT: &str = "The provider publishes one document for many tenants, with a placeholder in its issuer. Enter the issuer of your own tenant in the User Source: for Entra ID it is https://login.microsoftonline.com/{tenant id}/v2.0, with the Directory (tenant) ID.";

/// What to do about a provider that cannot answer now.
const PASSING: &str = "The provider says that it cannot answer at the moment. The user signs in again in a few minutes; if it goes on, look at the provider's status page.";

/// Whether an error code of a provider says that it passes by itself (RFC 6749 section 4.1.2.1).
fn is_passing(error: &str) -> bool {
    matches!(error, "temporarily_unavailable" | "server_error" | "slow_down")
}

fn provider_advice(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Pushed { error, .. } if is_passing(error) => PASSING,
        ProviderError::Pushed { is_client: true, .. } => {
            "Enter the client secret again in the User Source: the provider does not accept the stored one. Check the client id too."
        }
        ProviderError::Pushed { is_client: false, .. } => {
            "Look the error up in the provider's log: often a scope that is not allowed, or a redirect URL that is not registered."
        }
        ProviderError::SecretUnreadable => {
            "Check that all replicas have the same master keys, and that none was removed too early."
        }
        ProviderError::Document(UnusableDocument::Issuer(IssuerDifference::Template)) => OWN_TENANT,
        ProviderError::Status(Resource::Discovery, StatusCode::NOT_FOUND) => {
            "The provider publishes no discovery document at this issuer. Check the issuer; for Azure AD B2C, choose the issuer with `tfp` in the token compatibility settings of the user flow and enter that one."
        }
        ProviderError::Fetch(_, FetchError::Refused(_)) => {
            "The address is not allowed for outbound requests; `outbound.allow` in the configuration admits further networks."
        }
        ProviderError::Fetch(_, FetchError::Connect { .. }) => {
            "Check that the provider is up and reachable from this machine, and that its certificate is trusted (`outbound.extra_ca`)."
        }
        ProviderError::Fetch(_, FetchError::Coded { .. }) => {
            "The provider, or a proxy before it, compresses answers although the request declines that (`Accept-Encoding: identity`). Turn compression off there for these endpoints."
        }
        ProviderError::Fetch(_, FetchError::Limited(_)) => {
            "Usually nothing: more is asked of the provider at once than it is sent, and it passes within a minute. If it goes on, look at who begins sign-ins at this source."
        }
        ProviderError::Fetch(..) | ProviderError::Waited(_) => {
            "Check that the provider is up and reachable from this machine."
        }
        ProviderError::Status(Resource::Discovery, _) | ProviderError::NotJson(Resource::Discovery) => {
            "Check the issuer: its discovery document must answer with JSON and status 200."
        }
        ProviderError::Status(..) | ProviderError::NotJson(_) => {
            "The provider's endpoint does not answer as it should; look at its log or status page."
        }
        ProviderError::Document(_) => {
            "Compare the User Source with the provider's discovery document, and save it anew to run all checks."
        }
    }
}

fn id_token_advice(error: &IdTokenError) -> &'static str {
    match error {
        IdTokenError::Malformed(_) => {
            "Look at the provider: its token endpoint does not answer as OpenID Connect says."
        }
        IdTokenError::Encrypted => "Turn off ID token encryption for this client at the provider.",
        IdTokenError::Algorithm(_) => {
            "Set the ID token signature algorithm of this client at the provider to an asymmetric one; RS256 works everywhere."
        }
        IdTokenError::Kind(_) => {
            "The provider sends another kind of token as ID token. Look at the settings of the client there: the token endpoint must return an ID token as OpenID Connect says."
        }
        IdTokenError::CriticalHeader => "Turn off header extensions for ID tokens at the provider.",
        IdTokenError::UnknownKey(_) | IdTokenError::Signature => {
            "The provider signs with a key it does not publish at jwks_uri. If it has just rotated its keys, sign in again in a minute."
        }
        IdTokenError::UnreadKey { .. } => {
            "The provider publishes more than 200 keys at jwks_uri, and only the first 200 are read. Remove keys there that are no longer used, or put the current one first."
        }
        IdTokenError::Ambiguous => {
            "The provider publishes more than four keys that fit and names none in the ID token. Have it send `kid` in the header, as OpenID Connect requires beside several keys, or remove keys that are no longer used."
        }
        IdTokenError::Busy => {
            "The user signs in again. If it keeps happening, this machine has too little processor time."
        }
        IdTokenError::Issuer(_) => "Compare the issuer of the User Source with what the provider publishes.",
        IdTokenError::AuthorizedParty => {
            "The provider issued the ID token to another client (`azp`). Compare the client id of the User Source with the one at the provider."
        }
        IdTokenError::Audience => "Compare the client id of the User Source with the one at the provider.",
        IdTokenError::Time(_) => {
            "The provider's ID tokens lack `exp` or `iat`, which OpenID Connect requires."
        }
        IdTokenError::Expired(_) | IdTokenError::Future(_) | IdTokenError::Stale(_) => {
            "Check the clocks of this machine and of the provider; they may differ by two minutes at most. An ID token that is more than an hour old was kept by something in between."
        }
        IdTokenError::NonceMissing => {
            "The provider must return the nonce in the ID token, as OpenID Connect requires."
        }
        IdTokenError::NonceWrong => {
            "The ID token belongs to another sign-in. If it keeps happening, something between us and the provider caches answers."
        }
        IdTokenError::AccessTokenHash => "The provider's ID token and access token do not belong together.",
        IdTokenError::Sub(_) => "The provider's ID tokens must have a `sub` that is a string.",
    }
}
