//! Unpredictable random values.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// 256 random bits in base64url without padding: 43 characters.
pub(crate) fn token() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system always has random bytes once it has started");
    URL_SAFE_NO_PAD.encode(bytes)
}
