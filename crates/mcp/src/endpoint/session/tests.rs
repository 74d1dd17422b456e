//! Sessions of clients, opened and ended.

use gatewright_domain::{
    clock::FixedClock,
    entropy::SeededEntropy,
    principal::{Principal, Proof},
    sealed::MasterKey,
};

use super::*;

struct Fixture {
    clock: Arc<FixedClock>,
    sessions: Sessions,
    gateways: [GatewayId; 2],
    callers: [CallerKey; 2],
}

fn fixture() -> Fixture {
    let clock = Arc::new(FixedClock::at_seconds(1_000));
    let entropy = Arc::new(SeededEntropy::new(3));
    let keyring = Keyring::new(vec![MasterKey::generate(entropy.as_ref())]).unwrap();
    let gateways = [(); 2].map(|()| GatewayId::generate(clock.as_ref(), entropy.as_ref()));
    let project_id = gatewright_domain::id::ProjectId::generate(clock.as_ref(), entropy.as_ref());
    let key_id = gatewright_domain::id::ApiKeyId::generate(clock.as_ref(), entropy.as_ref());
    let callers = ["ada", "bob"].map(|subject| {
        CallerKey::of(&Principal {
            project_id,
            gateway_id: gateways[0],
            subject: subject.to_owned(),
            proof: Proof::Key(key_id),
            email: None,
            display_name: None,
        })
    });
    let sessions = Sessions::new(keyring, Arc::clone(&clock) as Arc<dyn Clock>, entropy);
    Fixture {
        clock,
        sessions,
        gateways,
        callers,
    }
}

fn begin(f: &Fixture) -> String {
    let id = f.sessions.begin(
        f.gateways[0],
        f.callers[0],
        ProtocolVersion::V2025_11_25,
        Some(r#"{"roots":{}}"#),
    );
    id.to_str().unwrap().to_owned()
}

#[test]
fn a_session_is_its_own_users_at_its_own_gateway_only() {
    let f = fixture();
    let id = begin(&f);
    let session = f.sessions.open(&id, f.gateways[0], f.callers[0]).unwrap();
    assert_eq!(session.version, ProtocolVersion::V2025_11_25);
    assert_eq!(&*session.capabilities, r#"{"roots":{}}"#);
    assert_eq!(
        f.sessions.open(&id, f.gateways[0], f.callers[1]).unwrap_err(),
        UnknownSession
    );
    assert_eq!(
        f.sessions.open(&id, f.gateways[1], f.callers[0]).unwrap_err(),
        UnknownSession
    );
    assert_eq!(
        f.sessions
            .open("v1.x.y", f.gateways[0], f.callers[0])
            .unwrap_err(),
        UnknownSession
    );
}

#[test]
fn an_ended_session_stays_unknown_and_its_calls_are_cancelled() {
    let f = fixture();
    let id = begin(&f);
    let session = f.sessions.open(&id, f.gateways[0], f.callers[0]).unwrap();
    let call = session.run(Bytes::from_static(b"1"));
    f.sessions.end(&session);
    assert!(call.token.is_cancelled());
    assert!(f.sessions.open(&id, f.gateways[0], f.callers[0]).is_err());
}

#[test]
fn a_session_ends_by_itself() {
    let f = fixture();
    let id = begin(&f);
    f.clock.advance(LIFE.saturating_sub(Duration::from_secs(1)));
    assert!(f.sessions.open(&id, f.gateways[0], f.callers[0]).is_ok());
    f.clock.advance(Duration::from_secs(1));
    assert!(f.sessions.open(&id, f.gateways[0], f.callers[0]).is_err());
}

#[test]
fn of_two_calls_with_one_id_the_later_stays_cancellable() {
    let f = fixture();
    let id = begin(&f);
    let session = f.sessions.open(&id, f.gateways[0], f.callers[0]).unwrap();
    let one = session.run(Bytes::from_static(b"1"));
    let other = session.run(Bytes::from_static(b"1"));
    drop(one);
    session.cancel(b"1");
    assert!(other.token.is_cancelled());
}

#[test]
fn only_the_named_call_is_cancelled() {
    let f = fixture();
    let id = begin(&f);
    let session = f.sessions.open(&id, f.gateways[0], f.callers[0]).unwrap();
    let (one, two) = (
        session.run(Bytes::from_static(b"1")),
        session.run(Bytes::from_static(b"\"1\"")),
    );
    session.cancel(b"\"1\"");
    session.cancel(b"99");
    assert!(!one.token.is_cancelled());
    assert!(two.token.is_cancelled());
}
