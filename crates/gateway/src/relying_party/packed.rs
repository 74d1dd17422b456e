//! The short form in which a sign-in in progress is sealed: a browser keeps ten of them, and proxies limit the head of a
//! request. The first byte shows if another version of this program packed it differently.

use gatewright_domain::{
    authorization::ConsentedRequest,
    id::{AttemptId, ClientId, GatewayId, ProjectId, TestSignInId, UserSourceId},
    reference::Reference,
    user_source::Callback,
};
use gatewright_identity::packed::{Packer, Unpacker};

use super::pending::{Aim, Begun, PendingSignIn};

/// The form that is described here.
const VERSION: u8 = 1;

/// Packs a sign-in.
pub(super) fn pack(pending: &PendingSignIn) -> Vec<u8> {
    let mut packer = Packer::new(VERSION);
    match &pending.aim {
        Aim::Client(request) => {
            packer.number(0);
            pack_request(&mut packer, request);
        }
        Aim::Test(id) => {
            packer.number(1);
            packer.id(id.number());
        }
        Aim::Connections(id) => {
            packer.number(2);
            packer.id(id.number());
        }
    }
    packer.id(pending.project_id.number());
    packer.id(pending.user_source_id.number());
    packer.number(match pending.callback {
        Callback::Shared => 0,
        Callback::Own => 1,
    });
    packer.number(pending.identity_epoch.cast_unsigned());
    packer.text(&pending.nonce);
    packer.text(&pending.verifier);
    packer.option(pending.attempt.as_ref(), |packer, begun| {
        packer.id(begun.id.number());
        packer.text(&begun.reference.to_string());
        packer.time(begun.started_at);
    });
    packer.time(pending.expires_at);
    packer.finish()
}

/// Reads what [`pack`] made; `None` for anything else.
pub(super) fn unpack(packed: &[u8]) -> Option<PendingSignIn> {
    let mut unpacker = Unpacker::new(packed, VERSION)?;
    let pending = PendingSignIn {
        aim: match unpacker.number()? {
            0 => Aim::Client(unpack_request(&mut unpacker)?),
            1 => Aim::Test(TestSignInId::of_number(unpacker.id()?)),
            2 => Aim::Connections(GatewayId::of_number(unpacker.id()?)),
            _ => return None,
        },
        project_id: ProjectId::of_number(unpacker.id()?),
        user_source_id: UserSourceId::of_number(unpacker.id()?),
        callback: match unpacker.number()? {
            0 => Callback::Shared,
            1 => Callback::Own,
            _ => return None,
        },
        identity_epoch: unpacker.number()?.cast_signed(),
        nonce: unpacker.text()?,
        verifier: unpacker.text()?,
        attempt: unpacker.option(|unpacker| {
            Some(Begun {
                id: AttemptId::of_number(unpacker.id()?),
                reference: Reference::parse(&unpacker.text()?)?,
                started_at: unpacker.time()?,
            })
        })?,
        expires_at: unpacker.time()?,
    };
    unpacker.is_finished().then_some(pending)
}

fn pack_request(packer: &mut Packer, request: &ConsentedRequest) {
    packer.id(request.gateway_id.number());
    let id = request.client_id.parse::<ClientId>().ok();
    let id = id.filter(|id| id.to_string() == request.client_id);
    packer.option(id, |packer, id| packer.id(id.number()));
    if id.is_none() {
        packer.text(&request.client_id);
    }
    packer.text(&request.client_name);
    packer.text(&request.redirect_uri);
    packer.option(request.state.as_deref(), Packer::text);
    packer.text(&request.code_challenge);
    packer.text(&request.scope);
    packer.option(request.consent_id.as_deref(), Packer::text);
}

fn unpack_request(unpacker: &mut Unpacker<'_>) -> Option<ConsentedRequest> {
    let gateway_id = GatewayId::of_number(unpacker.id()?);
    let id = unpacker.option(|unpacker| Some(ClientId::of_number(unpacker.id()?).to_string()))?;
    Some(ConsentedRequest {
        gateway_id,
        client_id: match id {
            Some(id) => id,
            None => unpacker.text()?,
        },
        client_name: unpacker.text()?,
        redirect_uri: unpacker.text()?,
        state: unpacker.option(Unpacker::text)?,
        code_challenge: unpacker.text()?,
        scope: unpacker.text()?,
        consent_id: unpacker.option(Unpacker::text)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use gatewright_domain::Timestamp;

    use super::*;

    /// A sign-in as an app on someone's machine begins it.
    pub(in crate::relying_party) fn usual() -> PendingSignIn {
        PendingSignIn {
            aim: Aim::Client(ConsentedRequest {
                gateway_id: GatewayId::of_number(u128::MAX / 3),
                client_id: ClientId::of_number(u128::MAX / 5).to_string(),
                client_name: "Example Assistant".to_owned(),
                redirect_uri: "http://127.0.0.1:33418/oauth/callback".to_owned(),
                state: Some(URL_SAFE_NO_PAD.encode([7; 32])),
                code_challenge: URL_SAFE_NO_PAD.encode([8; 32]),
                scope: "mcp".to_owned(),
                consent_id: Some(URL_SAFE_NO_PAD.encode([9; 32])),
            }),
            project_id: ProjectId::of_number(u128::MAX / 7),
            user_source_id: UserSourceId::of_number(u128::MAX / 9),
            callback: Callback::Shared,
            identity_epoch: 1,
            nonce: URL_SAFE_NO_PAD.encode([10; 32]),
            verifier: URL_SAFE_NO_PAD.encode([11; 32]),
            attempt: Some(Begun {
                id: AttemptId::of_number(u128::MAX / 11),
                reference: Reference::of(u64::MAX / 3),
                started_at: Timestamp::from_millis(1_800_000_000_123),
            }),
            expires_at: Timestamp::from_millis(1_800_000_600_456),
        }
    }

    fn odd() -> PendingSignIn {
        PendingSignIn {
            aim: Aim::Client(ConsentedRequest {
                gateway_id: GatewayId::of_number(0),
                client_id: "https://app.example/client.json".to_owned(),
                client_name: String::new(),
                redirect_uri: "com.example.app:/é\u{0}".to_owned(),
                // Neither is what base64url returns for its own bytes.
                state: Some("ab==".to_owned()),
                code_challenge: "QR".to_owned(),
                scope: "x".repeat(300),
                consent_id: None,
            }),
            callback: Callback::Own,
            identity_epoch: i64::MIN,
            nonce: "a".to_owned(),
            verifier: "abcd".to_owned(),
            attempt: None,
            expires_at: Timestamp::from_millis(-1),
            ..usual()
        }
    }

    #[test]
    fn what_is_packed_is_read_back_as_it_was() {
        let test = PendingSignIn {
            aim: Aim::Test(TestSignInId::of_number(5)),
            attempt: None,
            ..usual()
        };
        let connections = PendingSignIn {
            aim: Aim::Connections(GatewayId::of_number(7)),
            ..usual()
        };
        for pending in [usual(), odd(), test, connections] {
            let back = unpack(&pack(&pending)).unwrap();
            assert_eq!(format!("{back:?}"), format!("{pending:?}"));
        }
    }

    #[test]
    fn what_is_cut_off_or_longer_is_not_read() {
        for pending in [usual(), odd()] {
            let packed = pack(&pending);
            for length in 0..packed.len() {
                assert!(unpack(&packed[..length]).is_none(), "{length}");
            }
            assert!(unpack(&[packed.as_slice(), &[0]].concat()).is_none());
        }
        assert!(unpack(br#"{"a":{}}"#).is_none());
        assert!(
            unpack(&[
                VERSION, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ])
            .is_none()
        );
    }
}
