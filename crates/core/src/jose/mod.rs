//! What others sign: compact JWS (RFC 7515), the key sets that verify them (RFC 7517), and the memory of key sets that
//! were fetched. Identity providers and clients alike are read by these rules.

pub mod compact;
pub mod key_cache;
pub mod key_set;
pub mod signatures;
#[cfg(any(test, feature = "testing"))]
pub mod signer;
