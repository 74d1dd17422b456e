//! OAuth 2.1 for MCP clients: only parsing, checking and rendering. There is no I/O, no
//! clock and no randomness: everything here is a function of its arguments, which makes it easy to test completely.

pub mod authorize;
pub mod challenge;
pub mod client_assertion;
pub mod client_authentication;
pub mod client_metadata;
pub mod credential;
pub mod error;
pub mod metadata;
pub mod metadata_document;
pub mod parameters;
pub mod pkce;
pub mod redirect_uri;
pub mod resource;
pub mod scope;
pub mod token;

pub use credential::Credential;
pub use error::{ErrorCode, OAuthError};
