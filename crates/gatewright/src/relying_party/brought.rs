//! Codes that browsers bring back. Each is remembered before anything else is asked or done, so that neither the end of its
//! sign-in nor its deletion lets it open another one (RFC 9700 section 4.4).

use gatewright_domain::token_hash::TokenHash;
use gatewright_oauth::parameters::Parameters;
use gatewright_store::{StoreError, brought_code};

use crate::app::App;

/// Codes of one callback that are remembered at most. A provider sends one; with two a callback makes no sense.
const MAX_CODES: usize = 2;

/// Whose the codes of a callback are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// They came with this state, now or before; or there are none.
    Here,
    /// One of them came with another state before.
    Elsewhere,
}

/// Remembers the codes of a callback, whatever else it holds, in a transaction of its own.
pub(super) async fn bring(
    app: &App,
    parameters: &Parameters,
    state: TokenHash,
) -> Result<Brought, StoreError> {
    let mut codes = parameters.all("code").take(MAX_CODES).peekable();
    if codes.peek().is_none() {
        return Ok(Brought::Here);
    }
    let mut brought = Brought::Here;
    let mut tx = app.store.write().await?;
    for code in codes {
        if brought_code::bring(&mut tx, TokenHash::of(code), state, app.now()).await? != state {
            brought = Brought::Elsewhere;
        }
    }
    tx.commit().await?;
    Ok(brought)
}

/// The state of a callback, also where it stands twice or not at all.
pub(super) fn state(parameters: &Parameters) -> TokenHash {
    TokenHash::of(parameters.all("state").next().unwrap_or_default())
}
