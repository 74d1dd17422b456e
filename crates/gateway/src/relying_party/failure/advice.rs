//! What an administrator can do about a failed sign-in.

use gatewright_identity::{
    IdTokenError, IssuerDifference, ProviderError, Resource, TokenError, Tried, UnusableDocument, is_passing,
    subject::SubjectError,
};
use http::StatusCode;

use super::Failure;
use crate::{authorization_server::TOO_MANY_ADVICE, fetch::FetchError};

impl Failure {
    /// What the administrator can do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(_) => {
                "Nothing, unless it happens often: then look for a proxy before this gateway that changes or cuts the query of its addresses."
            }
            Self::FormPost => {
                "Set the response mode of this client at the provider to `query`. `form_post` is not supported."
            }
            Self::Expired => {
                "The user signs in again. If people need more time at the provider, raise `sign_in.minutes_at_provider`."
            }
            Self::OtherCode => {
                "Nothing: the person went back at the provider and finished twice. They connect again from the app."
            }
            Self::Interrupted => {
                "The user signs in again. If it happens often, look in the log for restarts of this gateway, and compare the clocks of its replicas."
            }
            Self::StillWorking => {
                "The user reloads the page. If it happens often, the provider's token endpoint is slow: look at its status page."
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
            Self::IssuerParameter(difference) => issuer_advice(*difference),
            Self::IssuerParameterMissing => {
                "The provider's discovery document promises `iss` in its answers, and this one has none. See that no proxy cuts the query of addresses here; if none does, an answer of another provider was sent here."
            }
            Self::ProviderAnswer(error) if is_passing(error) => PASSING,
            Self::ProviderAnswer(error) if error == "access_denied" => {
                "The person said no at the provider, or may not use this client there. Look at the provider's log, and see that the person is assigned to the client."
            }
            Self::ProviderAnswer(_) => NOT_ALLOWED,
            Self::TooMany => TOO_MANY_ADVICE,
            Self::GatewayGone | Self::SourceChanged | Self::ConsentUsedUp | Self::Overtaken => {
                "Nothing: the user signs in again."
            }
            Self::SourceGone => "Nothing: there is nothing left to test.",
            Self::TestOver => "Look at its result where you started it, or start another test.",
            Self::Unreadable | Self::Token(TokenError::SecretUnreadable) => MASTER_KEYS,
            Self::Discovery(error) | Self::Keys(error) | Self::Token(TokenError::Provider(error)) => {
                provider_advice(error)
            }
            Self::Token(TokenError::ClientRefused { tried, .. }) => match tried {
                Tried::Unproven => {
                    "Enter the client secret again in the User Source: the provider does not accept the stored one. It may have expired, or be its id (Entra ID shows a Secret ID beside the Value). Check the client id too, and that the client at the provider is a confidential one that allows the way in which the secret was sent."
                }
                Tried::Proven => {
                    "The secret was replaced or has expired at the provider. Enter the new one in the User Source; create one at the provider first if there is none."
                }
                Tried::Both => {
                    "The provider no longer accepts the old secret, and does not, or not yet, accept the one entered last. Compare that one with the provider's, and enter it again."
                }
            },
            Self::Token(TokenError::CodeRefused) => {
                "Usually the code was redeemed twice or too late; the user signs in again. If it keeps happening, check that the redirect URL registered at the provider is exactly ours."
            }
            Self::Token(TokenError::Refused { status, error }) if *status == 429 || is_passing(error) => {
                PASSING
            }
            Self::Token(TokenError::Refused { .. }) => {
                "Look the error up in the provider's log. The client there must be a web application, not a single-page or native one, and allow the authorization code grant."
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
const PASSING: &str = "The provider says that it cannot answer at the moment. The user can sign in again in a few minutes. If it keeps happening, look at the provider's status page, and at the limits it has for this client.";

/// What to do about a secret or answer that does not open.
const MASTER_KEYS: &str =
    "Check that all replicas have the same master keys, and that none was removed too early.";

/// What to do about an authorization request that the provider refuses.
const NOT_ALLOWED: &str = "Look the error up in the provider's log: often it is a scope that is not allowed, a redirect URL that is not registered, or a flow that the client may not use.";

/// What to do about an issuer that is not the one in the User Source.
const fn issuer_advice(difference: IssuerDifference) -> &'static str {
    match difference {
        IssuerDifference::ProviderHasSlash | IssuerDifference::ConfiguredHasSlash => {
            "Edit the issuer of the User Source: a slash at the end matters."
        }
        IssuerDifference::Case => "Edit the issuer of the User Source: upper and lower case matter.",
        IssuerDifference::Template => OWN_TENANT,
        IssuerDifference::Missing => {
            "OpenID Connect requires that the provider names its issuer. Check that the issuer of the User Source is that of an OpenID Connect provider, and look at the settings of the client there."
        }
        IssuerDifference::Other => {
            "Compare the issuer of the User Source with what the provider publishes. If they agree, an answer of another provider was sent here."
        }
    }
}

fn provider_advice(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Pushed { status, error, .. } if *status == 429 || is_passing(error) => PASSING,
        ProviderError::Pushed { is_client: true, .. } => {
            "Enter the client secret again in the User Source: the provider does not accept the stored one. Check the client id too."
        }
        ProviderError::Pushed { is_client: false, .. } => NOT_ALLOWED,
        ProviderError::SecretUnreadable => MASTER_KEYS,
        ProviderError::Document(UnusableDocument::Issuer(difference)) => issuer_advice(*difference),
        ProviderError::Document(UnusableDocument::Endpoint { .. }) => {
            "Correct the discovery document at the provider, or check that the issuer of the User Source is that of an OpenID Connect provider. An endpoint must be an https URL."
        }
        ProviderError::Status(_, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => PASSING,
        ProviderError::Status(Resource::Discovery, StatusCode::NOT_FOUND) => {
            "The provider publishes no discovery document at this issuer. Check the issuer; for Azure AD B2C, choose the issuer with `tfp` in the token compatibility settings of the user flow and enter that one."
        }
        ProviderError::Fetch(_, FetchError::Refused(_)) => {
            "The address is not allowed for outbound requests. `outbound.allow` in the configuration admits private and loopback networks; link-local and cloud metadata addresses are never allowed, so look at what the provider's discovery document names."
        }
        ProviderError::Fetch(_, FetchError::Connect { .. }) => {
            "Check that the provider is up and reachable from this machine, and that its certificate is trusted (`outbound.extra_ca`)."
        }
        ProviderError::Fetch(_, FetchError::Coded { .. }) => {
            "The provider, or a proxy before it, compresses answers although the request declines that (`Accept-Encoding: identity`). Turn compression off there for these endpoints."
        }
        ProviderError::Fetch(_, FetchError::Limited(_)) => {
            "Usually nothing: more requests were waiting for the provider than can be sent to it at the same time, and this passes within a minute. If it keeps happening, find out who begins sign-ins at this source."
        }
        ProviderError::Fetch(Resource::Token, FetchError::TooLarge(_)) => {
            "The provider's answer is longer than any that is read. Have it put less into the ID token of this client: often it is a list of groups."
        }
        ProviderError::Fetch(..) | ProviderError::Waited(_) => {
            "Check that the provider is up and reachable from this machine, and that the host in its addresses is right."
        }
        ProviderError::Status(Resource::Discovery, _) | ProviderError::NotJson(Resource::Discovery) => {
            "Check the issuer: its discovery document must answer with JSON and status 200."
        }
        ProviderError::Status(..) | ProviderError::NotJson(_) => {
            "The provider's endpoint does not answer as it should; look at its log or status page."
        }
    }
}

fn id_token_advice(error: &IdTokenError) -> &'static str {
    match error {
        IdTokenError::Malformed(_) => {
            "The ID token must be a signed JWT. Look at the settings of the client at the provider: its token endpoint does not answer as OpenID Connect requires."
        }
        IdTokenError::Encrypted => "Turn off ID token encryption for this client at the provider.",
        IdTokenError::Algorithm(_) => {
            "Set the ID token signature algorithm of this client at the provider to an asymmetric one; RS256 works everywhere."
        }
        IdTokenError::Kind(_) => {
            "The provider sends another kind of token as ID token. Look at the settings of the client there: the token endpoint must return an ID token as OpenID Connect requires."
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
        IdTokenError::Issuer(difference) => issuer_advice(*difference),
        IdTokenError::AuthorizedParty => {
            "The provider issued the ID token to another client (`azp`). Compare the client id of the User Source with the one at the provider."
        }
        IdTokenError::Audience => "Compare the client id of the User Source with the one at the provider.",
        IdTokenError::Time(_) => {
            "The provider's ID tokens must have `exp` and `iat`, and both as numbers, as OpenID Connect requires. Look at the settings of the client there."
        }
        IdTokenError::Expired(_) | IdTokenError::Future(_) | IdTokenError::Stale(_) => {
            "Check the clocks of this machine and of the provider; they may differ by two minutes at most. An ID token that is more than an hour old was kept by something in between."
        }
        IdTokenError::NonceMissing => {
            "The provider must return the nonce in the ID token, as OpenID Connect requires. Look at the settings of the client there that change claims."
        }
        IdTokenError::NonceWrong => {
            "The ID token belongs to another sign-in. If it keeps happening, something between us and the provider caches answers."
        }
        IdTokenError::AccessTokenHash => {
            "The provider's ID token and access token do not belong together: something in between put two answers together, or the provider computes `at_hash` wrongly. Report it to the makers of the provider."
        }
        IdTokenError::Sub(_) => {
            "The provider's ID tokens must have a `sub` that is a string. Look at the settings of the client there that change claims."
        }
    }
}
