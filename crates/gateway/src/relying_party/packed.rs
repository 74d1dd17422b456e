//! The short form in which a sign-in under way is sealed: a browser keeps ten of them, and proxies limit the head of a
//! request. Identifiers and random values are bytes, and nothing has a name. Another version of this program that packs
//! otherwise says so in the first byte.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::{
    Timestamp,
    authorization::ConsentedRequest,
    id::{AttemptId, ClientId, GatewayId, ProjectId, TestSignInId, UserSourceId},
    reference::Reference,
    user_source::Callback,
};

use super::pending::{Aim, Begun, PendingSignIn};

/// The form that is described here.
const VERSION: u8 = 1;

/// Packs a sign-in.
pub(super) fn pack(pending: &PendingSignIn) -> Vec<u8> {
    let mut packer = Packer(vec![VERSION]);
    match &pending.aim {
        Aim::Client(request) => {
            packer.number(0);
            packer.request(request);
        }
        Aim::Test(id) => {
            packer.number(1);
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
    packer.0
}

/// Reads what [`pack`] made; `None` for anything else.
pub(super) fn unpack(packed: &[u8]) -> Option<PendingSignIn> {
    let (version, rest) = packed.split_first()?;
    if *version != VERSION {
        return None;
    }
    let mut unpacker = Unpacker(rest);
    let pending = PendingSignIn {
        aim: match unpacker.number()? {
            0 => Aim::Client(unpacker.request()?),
            1 => Aim::Test(TestSignInId::of_number(unpacker.id()?)),
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
    unpacker.0.is_empty().then_some(pending)
}

struct Packer(Vec<u8>);

impl Packer {
    /// Seven bits a byte, the lowest first.
    fn number(&mut self, number: u64) {
        let mut rest = number;
        loop {
            let [low, ..] = (rest & 0x7f).to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    fn id(&mut self, number: u128) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn time(&mut self, at: Timestamp) {
        self.number(at.as_millis().cast_unsigned());
    }

    /// A text. Random values are base64url: their bytes are a quarter shorter, and give the same text back.
    fn text(&mut self, text: &str) {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let (kind, bytes) = match &bytes {
            Some(bytes) if URL_SAFE_NO_PAD.encode(bytes) == text => (1, bytes.as_slice()),
            _ => (0, text.as_bytes()),
        };
        self.number(bytes.len() as u64 * 2 + kind);
        self.0.extend_from_slice(bytes);
    }

    fn option<T>(&mut self, value: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            pack(self, value);
        }
    }

    fn request(&mut self, request: &ConsentedRequest) {
        self.id(request.gateway_id.number());
        let id = request.client_id.parse::<ClientId>().ok();
        let id = id.filter(|id| id.to_string() == request.client_id);
        self.option(id, |packer, id| packer.id(id.number()));
        if id.is_none() {
            self.text(&request.client_id);
        }
        self.text(&request.client_name);
        self.text(&request.redirect_uri);
        self.option(request.state.as_deref(), Self::text);
        self.text(&request.code_challenge);
        self.text(&request.scope);
        self.option(request.consent_id.as_deref(), Self::text);
    }
}

struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.bytes(1)? else { return None };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn id(&mut self) -> Option<u128> {
        let bytes = self.bytes(size_of::<u128>())?;
        Some(u128::from_be_bytes(bytes.try_into().ok()?))
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(self.number()?.cast_signed()))
    }

    fn text(&mut self) -> Option<String> {
        let head = self.number()?;
        let bytes = self.bytes(usize::try_from(head / 2).ok()?)?;
        if head % 2 == 1 {
            return Some(URL_SAFE_NO_PAD.encode(bytes));
        }
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// The outer `None` is a form that cannot be read.
    #[expect(clippy::option_option, reason = "one of them says that the form is broken")]
    fn option<T>(&mut self, unpack: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.number()? {
            0 => Some(None),
            1 => unpack(self).map(Some),
            _ => None,
        }
    }

    fn request(&mut self) -> Option<ConsentedRequest> {
        let gateway_id = GatewayId::of_number(self.id()?);
        let id = self.option(|unpacker| Some(ClientId::of_number(unpacker.id()?).to_string()))?;
        Some(ConsentedRequest {
            gateway_id,
            client_id: match id {
                Some(id) => id,
                None => self.text()?,
            },
            client_name: self.text()?,
            redirect_uri: self.text()?,
            state: self.option(Self::text)?,
            code_challenge: self.text()?,
            scope: self.text()?,
            consent_id: self.option(Self::text)?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sign-in as an app on somebody's machine begins it.
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
                // Neither is what base64url gives for its own bytes.
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
        for pending in [usual(), odd(), test] {
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
