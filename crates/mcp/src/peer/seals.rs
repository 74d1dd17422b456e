//! What clients carry for us while a server waits for their answer: the ids of our requests to them, and the state of
//! requests that take several rounds (2026-07-28 basic/patterns/mrtr, "Server Requirements"). Both are sealed, so that any
//! replica can tell whether they are ours, for whom and for what.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{
    Clock, Entropy, Timestamp, entropy,
    id::{GatewayId, ServerId},
    sealed::{Keyring, Purpose},
    stored_secret::SealedText,
};
use serde::{Deserialize, Serialize};

use super::caller::CallerKey;
use crate::wire::json::json_string;

mod tasks;

pub(crate) use tasks::Task;

/// A state is accepted for this long: people have to find what a server asks for.
pub(super) const STATE_LIFE: Duration = Duration::from_hours(1);
/// The maximum length of our IDs.
const ID_MAX: usize = 256;

/// Identifies a replica of an instance; a process gets another one each time it starts.
pub(crate) type Replica = [u8; 8];
/// A session of a client.
pub(crate) type SessionId = [u8; 16];
/// Identifies a question, or a call that is held.
pub(crate) type Nonce = [u8; 16];

/// Seals and opens.
#[derive(Debug)]
pub(crate) struct Seals {
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// This process.
    pub(crate) replica: Replica,
}

/// What a state is bound to, besides its server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) gateway_id: GatewayId,
    pub(crate) caller: CallerKey,
    /// Of the method and the parameters of the request.
    pub(crate) digest: [u8; 32],
}

/// What a state says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The state of the server itself.
    Server(ServerId, String),
    /// The request continues as a call that a replica holds.
    Held(Replica, Nonce),
}

/// Why a state is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// It is not ours, or another user's, or that of another gateway.
    #[error(
        "`requestState` was not issued by this gateway to this user. Call again without `requestState` and `inputResponses`."
    )]
    Foreign,
    /// It belongs to a request that asked for something else.
    #[error(
        "`requestState` belongs to another request. Send it with the method, name and arguments of the request it was issued for."
    )]
    OtherRequest,
    /// It is too old.
    #[error("`requestState` has expired. Call again without `requestState` and `inputResponses`.")]
    Expired,
}

/// A state as it is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// When it expires, in seconds.
    e: i64,
    /// The digest.
    d: [u8; 32],
    /// The server and its own state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<(ServerId, String)>,
    /// The replica that holds the call, and the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<(Replica, Nonce)>,
}

impl Seals {
    pub(crate) fn new(keyring: Keyring, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            replica: entropy::bytes(entropy.as_ref()),
            keyring,
            clock,
            entropy,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn nonce(&self) -> Nonce {
        entropy::bytes(self.entropy.as_ref())
    }

    /// Our ID for a question to the client of a session, as JSON text; it can be answered until `expires`.
    pub(super) fn question_id(&self, session: SessionId, nonce: Nonce, expires: Timestamp) -> String {
        let expires = expires.as_seconds().to_be_bytes();
        let plain = [&self.replica[..], &nonce[..], &expires[..]].concat();
        let context = hex(&session);
        let sealed = self
            .keyring
            .seal(self.entropy.as_ref(), Purpose::Question, &context, &plain);
        json_string(&sealed.0)
    }

    /// Who waits for the answer with this ID, and until when, if it is one of ours for this session.
    pub(super) fn open_question(&self, session: SessionId, id: &str) -> Option<(Replica, Nonce, Timestamp)> {
        if id.len() > ID_MAX {
            return None;
        }
        let sealed = SealedText(id.to_owned());
        let plain = self
            .keyring
            .open(Purpose::Question, &hex(&session), &sealed)
            .ok()?;
        let (replica, rest) = plain.split_first_chunk()?;
        let (nonce, expires) = rest.split_first_chunk()?;
        let expires = i64::from_be_bytes(expires.try_into().ok()?);
        Some((*replica, *nonce, Timestamp::from_seconds(expires)))
    }

    /// Seals a state until `expires`.
    pub(super) fn seal_state(&self, bound: &Bound, state: &State, expires: Timestamp) -> String {
        let (s, h) = match state {
            State::Server(server, state) => (Some((*server, state.clone())), None),
            State::Held(replica, nonce) => (None, Some((*replica, *nonce))),
        };
        let sealed = Sealed {
            e: expires.as_seconds(),
            d: bound.digest,
            s,
            h,
        };
        let plain = serde_json::to_vec(&sealed).expect("numbers and texts serialize");
        let context = context(bound);
        let entropy = self.entropy.as_ref();
        self.keyring
            .seal(entropy, Purpose::RequestState, &context, &plain)
            .0
    }

    /// Opens a state that a client sends with a request.
    pub(crate) fn open_state(&self, bound: &Bound, text: &str) -> Result<State, StateError> {
        let sealed = SealedText(text.to_owned());
        let plain = self
            .keyring
            .open(Purpose::RequestState, &context(bound), &sealed)
            .map_err(|_| StateError::Foreign)?;
        let sealed: Sealed = serde_json::from_slice(&plain).map_err(|_| StateError::Foreign)?;
        if Timestamp::from_seconds(sealed.e) <= self.now() {
            return Err(StateError::Expired);
        }
        if sealed.d != bound.digest {
            return Err(StateError::OtherRequest);
        }
        match (sealed.s, sealed.h) {
            (Some((server, state)), None) => Ok(State::Server(server, state)),
            (None, Some((replica, nonce))) => Ok(State::Held(replica, nonce)),
            _ => Err(StateError::Foreign),
        }
    }
}

fn context(bound: &Bound) -> String {
    format!("{}/{}", bound.gateway_id, hex(bound.caller.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |text, byte| {
            format!("{text}{byte:02x}")
        })
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy, sealed::MasterKey};

    use super::*;

    struct Fixture {
        clock: Arc<FixedClock>,
        seals: Seals,
        bound: Bound,
        other_gateway: GatewayId,
        server: ServerId,
    }

    fn fixture() -> Fixture {
        let clock = Arc::new(FixedClock::at_seconds(1_000));
        let entropy = Arc::new(SeededEntropy::new(5));
        let keyring = Keyring::new(vec![MasterKey::generate(entropy.as_ref())]).unwrap();
        let [gateway_id, other_gateway] =
            [(); 2].map(|()| GatewayId::generate(clock.as_ref(), entropy.as_ref()));
        Fixture {
            server: ServerId::generate(clock.as_ref(), entropy.as_ref()),
            seals: Seals::new(keyring, Arc::clone(&clock) as Arc<dyn Clock>, entropy),
            clock,
            bound: Bound {
                gateway_id,
                caller: CallerKey::known(1),
                digest: [7; 32],
            },
            other_gateway,
        }
    }

    #[test]
    fn a_state_opens_for_its_own_user_gateway_and_request_only() {
        let f = fixture();
        let (bound, expires) = (f.bound, f.seals.now().plus(STATE_LIFE));
        for state in [
            State::Server(f.server, "{\"own\": \"words\"}".to_owned()),
            State::Held(f.seals.replica, [3; 16]),
        ] {
            let text = f.seals.seal_state(&bound, &state, expires);
            assert_eq!(f.seals.open_state(&bound, &text), Ok(state));
            let user = Bound {
                caller: CallerKey::known(2),
                ..bound
            };
            let gateway = Bound {
                gateway_id: f.other_gateway,
                ..bound
            };
            let request = Bound {
                digest: [8; 32],
                ..bound
            };
            assert_eq!(f.seals.open_state(&user, &text), Err(StateError::Foreign));
            assert_eq!(f.seals.open_state(&gateway, &text), Err(StateError::Foreign));
            assert_eq!(f.seals.open_state(&request, &text), Err(StateError::OtherRequest));
            let altered = text.replacen("v1.", "v1.x", 1);
            assert_eq!(f.seals.open_state(&bound, &altered), Err(StateError::Foreign));
        }
        assert_eq!(f.seals.open_state(&bound, "{}"), Err(StateError::Foreign));
    }

    #[test]
    fn a_state_expires() {
        let f = fixture();
        let state = State::Server(f.server, String::new());
        let text = f
            .seals
            .seal_state(&f.bound, &state, f.seals.now().plus(STATE_LIFE));
        f.clock.advance(STATE_LIFE.saturating_sub(Duration::from_secs(1)));
        assert_eq!(f.seals.open_state(&f.bound, &text), Ok(state));
        f.clock.advance(Duration::from_secs(1));
        assert_eq!(f.seals.open_state(&f.bound, &text), Err(StateError::Expired));
    }

    #[test]
    fn the_id_of_a_question_is_known_in_its_session_only() {
        let f = fixture();
        let expires = f.seals.now().plus(STATE_LIFE);
        let id = f.seals.question_id([1; 16], [9; 16], expires);
        let text: String = serde_json::from_str(&id).unwrap();
        assert!(text.len() <= ID_MAX);
        assert_eq!(
            f.seals.open_question([1; 16], &text),
            Some((f.seals.replica, [9; 16], expires))
        );
        assert_eq!(f.seals.open_question([2; 16], &text), None);
        assert_eq!(f.seals.open_question([1; 16], "1"), None);
        assert_ne!(id, f.seals.question_id([1; 16], [9; 16], expires));
    }
}
