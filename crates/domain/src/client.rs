//! OAuth clients as the product sees them. A dynamically registered client is not stored: everything about
//! it is sealed into its client ID, so registrations are not stored in the database.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_oauth::{client_authentication::Method, redirect_uri::RedirectUri};
use sha2::{Digest as _, Sha256};

use crate::{
    Entropy, Timestamp,
    id::{ClientId, GatewayId},
    sealed::{Keyring, Purpose},
    secret::Secret,
    stored_secret::SealedText,
};

/// The maximum length of a sealed client ID in characters: programs that start a browser cut URLs near 2 kB on some
/// systems, and the ID is one of several parameters.
const MAX_SEALED_CHARACTERS: usize = 1_024;

/// The context of a sealed client ID. The gateway it is bound to is inside, because the ID must be opened to find it.
const CONTEXT: &str = "client";

/// The layout of [`RegisteredClient::encode`]; each layout has its own number.
const LAYOUT: u8 = 1;

/// A dynamically registered client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredClient {
    /// Its redirect URIs.
    pub redirect_uris: Vec<RedirectUri>,
    /// Its name, made harmless; at most 80 characters.
    pub name: String,
    /// How it authenticates.
    pub method: Method,
    /// When it registered; whole seconds.
    pub issued_at: Timestamp,
    /// The gateway it registered at; `None` if it registered at the root, for use with any.
    pub gateway_id: Option<GatewayId>,
}

/// Name and redirect URIs together are too long to seal into an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the redirect URIs and the name are too long together; register fewer or shorter ones (about 600 characters in total)"
)]
pub struct TooLong;

impl RegisteredClient {
    /// The client ID that contains it.
    pub fn seal(&self, keyring: &Keyring, entropy: &dyn Entropy) -> Result<String, TooLong> {
        let sealed = keyring
            .seal(
                entropy,
                Purpose::ClientId,
                CONTEXT,
                &self.encode().ok_or(TooLong)?,
            )
            .0;
        if sealed.len() > MAX_SEALED_CHARACTERS {
            return Err(TooLong);
        }
        Ok(sealed)
    }

    /// The client in a client ID; `None` if this instance did not issue it.
    pub fn open(keyring: &Keyring, client_id: &str) -> Option<Self> {
        if client_id.len() > MAX_SEALED_CHARACTERS {
            return None;
        }
        let sealed = SealedText(client_id.to_owned());
        let bytes = keyring.open(Purpose::ClientId, CONTEXT, &sealed).ok()?;
        Self::decode(&bytes)
    }

    /// Layout, method, seconds, gateway, name, then each URI as the length of the prefix it shares with the previous one, and the rest:
    /// clients often register several that differ only in their port.
    fn encode(&self) -> Option<Vec<u8>> {
        let method = match self.method {
            Method::None => 0,
            Method::ClientSecretBasic => 1,
            Method::ClientSecretPost => 2,
            Method::PrivateKeyJwt => 3,
        };
        let mut bytes = vec![LAYOUT, method];
        bytes.extend(u32::try_from(self.issued_at.as_seconds()).ok()?.to_be_bytes());
        match self.gateway_id {
            None => bytes.push(0),
            Some(id) => {
                bytes.push(1);
                bytes.extend(id_bytes(id)?);
            }
        }
        // 80 characters may have more than 255 bytes.
        bytes.extend(u16::try_from(self.name.len()).ok()?.to_be_bytes());
        bytes.extend(self.name.as_bytes());
        let mut before = "";
        for uri in &self.redirect_uris {
            let text = uri.as_str();
            let shared = text
                .bytes()
                .zip(before.bytes())
                .take(255)
                .take_while(|(a, b)| a == b)
                .count();
            let rest = &text.as_bytes()[shared..];
            bytes.push(u8::try_from(shared).ok()?);
            bytes.extend(u16::try_from(rest.len()).ok()?.to_be_bytes());
            bytes.extend(rest);
            before = text;
        }
        Some(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [layout, method] = take::<2>(&mut rest)?;
        if layout != LAYOUT {
            return None;
        }
        let method = match method {
            0 => Method::None,
            1 => Method::ClientSecretBasic,
            2 => Method::ClientSecretPost,
            3 => Method::PrivateKeyJwt,
            _ => return None,
        };
        let issued_at = Timestamp::from_seconds(i64::from(u32::from_be_bytes(take(&mut rest)?)));
        let gateway_id = match take::<1>(&mut rest)? {
            [0] => None,
            [1] => Some(id_from_bytes(take(&mut rest)?)?),
            _ => return None,
        };
        let name = take_text(&mut rest)?;
        let mut redirect_uris: Vec<RedirectUri> = Vec::new();
        while !rest.is_empty() {
            let [shared] = take::<1>(&mut rest)?;
            let before = redirect_uris.last().map_or("", RedirectUri::as_str);
            let text = format!("{}{}", before.get(..usize::from(shared))?, take_text(&mut rest)?);
            // Checked again: today's rules decide where redirects may go.
            redirect_uris.push(RedirectUri::parse(&text).ok()?);
        }
        Some(Self {
            redirect_uris,
            name,
            method,
            issued_at,
            gateway_id,
        })
    }
}

/// The secret of a confidential client: an HMAC of its ID, so that it does not have to be stored either.
pub fn secret(keyring: &Keyring, client_id: &str) -> Option<Secret> {
    let mac = keyring.macs(Purpose::ClientSecret, client_id.as_bytes()).next()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(mac)))
}

/// Whether `presented` is the secret of a client, under any key of the ring.
pub fn secret_matches(keyring: &Keyring, client_id: &str, presented: &str) -> bool {
    keyring
        .macs(Purpose::ClientSecret, client_id.as_bytes())
        .any(|mac| Secret::new(URL_SAFE_NO_PAD.encode(mac)).matches(presented))
}

/// The short form of a client in tokens, grants and logs: the URL of a metadata document unchanged, which identifies it to an
/// administrator, the ID of a pre-registered client unchanged, and `cli_` with 128 bits of SHA-256 for a sealed ID,
/// which is long and meaningless to people.
pub fn short_id(client_id: &str) -> String {
    // A short ID is useless as a client ID: it does not open as a sealed ID, and no row has it.
    if gatewright_oauth::metadata_document::is_url(client_id) || client_id.parse::<ClientId>().is_ok() {
        return client_id.to_owned();
    }
    let digest = Sha256::digest(client_id.as_bytes());
    digest[..16]
        .iter()
        .fold(ClientId::PREFIX.to_owned(), |text, byte| {
            format!("{text}{byte:02x}")
        })
}

fn id_bytes(id: GatewayId) -> Option<[u8; 16]> {
    let text = id.to_string();
    let hex = text.strip_prefix(GatewayId::PREFIX)?;
    Some(u128::from_str_radix(hex, 16).ok()?.to_be_bytes())
}

fn id_from_bytes(bytes: [u8; 16]) -> Option<GatewayId> {
    format!("{}{:032x}", GatewayId::PREFIX, u128::from_be_bytes(bytes))
        .parse()
        .ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy, sealed::MasterKey};
    use proptest::prelude::*;

    fn keyring(seed: u64) -> Keyring {
        Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(seed))]).unwrap()
    }

    fn client(uris: &[&str], name: &str) -> RegisteredClient {
        RegisteredClient {
            redirect_uris: uris.iter().map(|uri| RedirectUri::parse(uri).unwrap()).collect(),
            name: name.to_owned(),
            method: Method::ClientSecretPost,
            issued_at: Timestamp::from_seconds(1_700_000_000),
            gateway_id: Some(GatewayId::generate(
                &FixedClock::at_seconds(5),
                &SeededEntropy::new(5),
            )),
        }
    }

    #[test]
    fn an_id_opens_to_its_client_and_only_here() {
        let (ring, entropy) = (keyring(1), SeededEntropy::new(2));
        let client = client(
            &[
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
                "https://vscode.dev/redirect",
                "cursor://a/cb",
            ],
            "Visual Studio Code",
        );
        let id = client.seal(&ring, &entropy).unwrap();
        assert!(id.len() < 300, "{}", id.len());
        assert_eq!(RegisteredClient::open(&ring, &id), Some(client.clone()));
        assert_eq!(RegisteredClient::open(&keyring(9), &id), None);
        assert_eq!(RegisteredClient::open(&ring, &format!("{id}A")), None);
        let unbound = RegisteredClient {
            gateway_id: None,
            ..client
        };
        let id = unbound.seal(&ring, &entropy).unwrap();
        assert_eq!(RegisteredClient::open(&ring, &id), Some(unbound));
    }

    #[test]
    fn registrations_that_do_not_fit_are_refused() {
        let long: Vec<String> = (0..10)
            .map(|n| format!("https://{n}{}.example/callback", "x".repeat(60)))
            .collect();
        let uris: Vec<&str> = long.iter().map(String::as_str).collect();
        let (ring, entropy) = (keyring(1), SeededEntropy::new(2));
        assert_eq!(client(&uris, "a").seal(&ring, &entropy), Err(TooLong));
        assert!(client(&uris[..6], "a").seal(&ring, &entropy).unwrap().len() <= MAX_SEALED_CHARACTERS);
    }

    #[test]
    fn a_secret_belongs_to_one_client_and_survives_key_rotation() {
        let (old, new) = (
            MasterKey::generate(&SeededEntropy::new(1)),
            MasterKey::generate(&SeededEntropy::new(2)),
        );
        let before = Keyring::new(vec![old.clone()]).unwrap();
        let secret = secret(&before, "client-1").unwrap();
        let after = Keyring::new(vec![new, old]).unwrap();
        assert!(secret_matches(&after, "client-1", secret.expose()));
        assert!(!secret_matches(&after, "client-2", secret.expose()));
        assert!(!secret_matches(&after, "client-1", ""));
    }

    #[test]
    fn the_short_form_is_an_id_or_a_url() {
        let short = short_id("v1.abc.def");
        assert!(short.parse::<ClientId>().is_ok(), "{short}");
        assert_ne!(short, short_id("v1.abc.deg"));
        assert_eq!(
            short_id("https://app.example/c.json"),
            "https://app.example/c.json"
        );
        assert_eq!(short_id(&short), short);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes: Vec<u8>) {
            let _ = RegisteredClient::decode(&bytes);
        }

        #[test]
        fn what_was_encoded_is_decoded(name in ".{0,80}", ports in prop::collection::vec(1_u16.., 1..8), seconds: u32) {
            let uris: Vec<String> = ports.iter().map(|port| format!("http://localhost:{port}/cb")).collect();
            let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
            let mut client = client(&uris, &name);
            client.issued_at = Timestamp::from_seconds(i64::from(seconds));
            prop_assert_eq!(RegisteredClient::decode(&client.encode().unwrap()), Some(client));
        }
    }
}
