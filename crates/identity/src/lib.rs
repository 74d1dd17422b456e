//! OAuth and OpenID Connect as a client, of any identity provider: its documents and keys, what is sent to it, and what its
//! responses prove. A caller has a [`Registration`] and gets a verified person. Who that is here, and what they may do, is for
//! the crates above. [`Providers`] is all the state, and a [`Visit`] the only way through the steps.

mod authorization_request;
mod budget;
pub mod check;
mod client_auth;
pub mod cookie;
pub mod credential_probe;
mod discovery;
mod endpoint_error;
mod excerpt;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod id_token;
pub mod packed;
mod providers;
mod pushed_request;
mod pushes;
mod registration;
mod returned;
pub mod subject;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;
mod token_request;
mod userinfo;
mod verdicts;
mod verify;
mod visit;

pub use authorization_request::Binding;
pub use budget::Budget;
pub use discovery::{Provider, Unusable, UnusableDocument};
pub use endpoint_error::is_passing;
pub use id_token::{IdToken, IdTokenError, IssuerDifference};
pub use providers::{ProviderError, Providers, Resource};
pub use registration::{ClientSecrets, Registration};
pub use returned::{Malformed, Outcome, Returned};
pub use token_request::{Redeemed, Redemption, Sent, TokenError, Tokens, Tried};
pub use userinfo::{Email, Profile};
pub use verify::VerifyError;
pub use visit::Visit;

pub(crate) use gatewright_core::{fetch, jose};
