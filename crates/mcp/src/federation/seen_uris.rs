//! URIs that answers of servers named, by user: links and embedded resources need not be in any list, and the server that
//! named one can read it (2026-07-28 server/tools, "Resource Links").

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gatewright_domain::id::ServerId;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::peer::caller::CallerKey;

/// Users whose URIs are remembered; about 10 kB each at most. The one longest without a request gives way.
const USERS_MAX: u64 = 5_000;
/// URIs remembered of one user; the one that was named longest ago gives way.
const OF_USER_MAX: usize = 256;
/// A user's are forgotten after so long without any.
const IDLE: Duration = Duration::from_hours(6);

/// Tells URIs apart: the beginning of their SHA-256.
type UriHash = [u8; 16];

/// What one user saw, the newest last.
type OfUser = Arc<Mutex<VecDeque<(UriHash, ServerId)>>>;

/// URIs that answers of servers named. A key is one user's at one gateway, so no other user or gateway is served from it.
#[derive(Debug)]
pub(super) struct SeenUris(Cache<CallerKey, OfUser>);

impl Default for SeenUris {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(USERS_MAX)
                .time_to_idle(IDLE)
                .build(),
        )
    }
}

impl SeenUris {
    /// An answer of a server to this user names a URI.
    pub(super) fn note(&self, caller: CallerKey, uri: &str, server: ServerId) {
        let of_user = self.0.get_with(caller, OfUser::default);
        let mut seen = of_user.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(uri);
        if seen.back() == Some(&(hash, server)) {
            return;
        }
        seen.retain(|(known, _)| *known != hash);
        if seen.len() >= OF_USER_MAX {
            seen.pop_front();
        }
        seen.push_back((hash, server));
    }

    /// The server whose answer named a URI to this user last.
    pub(super) fn server_of(&self, caller: CallerKey, uri: &str) -> Option<ServerId> {
        let of_user = self.0.get(&caller)?;
        let seen = of_user.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(uri);
        seen.iter()
            .find(|(known, _)| *known == hash)
            .map(|(_, server)| *server)
    }
}

fn hash(uri: &str) -> UriHash {
    let digest = Sha256::digest(uri);
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

    use super::*;

    #[test]
    fn the_server_that_named_a_uri_last_has_it_and_what_is_remembered_is_bounded() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let [one, two] = [(); 2].map(|()| ServerId::generate(&clock, &entropy));
        let seen = SeenUris::default();
        let me = CallerKey::NOBODY;
        assert_eq!(seen.server_of(me, "a://1"), None);
        seen.note(me, "a://1", one);
        seen.note(me, "a://1", two);
        assert_eq!(seen.server_of(me, "a://1"), Some(two));
        for number in 0..OF_USER_MAX {
            seen.note(me, &format!("b://{number}"), one);
        }
        assert_eq!(seen.server_of(me, "a://1"), None);
        assert_eq!(seen.server_of(me, "b://0"), Some(one));
        assert_eq!(seen.0.get(&me).unwrap().lock().unwrap().len(), OF_USER_MAX);
    }
}
