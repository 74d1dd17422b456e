//! The text of a refresh token. It says, sealed, of which grant it is and the how-manieth, so that any older token of a live
//! grant is recognised when it comes back, although the store keeps rows of the latest only. It is as random as any other
//! token too, and valid only while the store has its hash.

use gatewright_domain::{
    entropy,
    id::{GatewayId, GrantId},
    sealed::Purpose,
    secret::Secret,
    stored_secret::SealedText,
};

use super::AuthorizationServer;
/// Random bytes that not even the master key reveals.
const RANDOM: usize = 16;

/// Ours have some 130 characters; nothing longer is opened.
const TOKEN_MAX: usize = 512;

/// Makes the token of a generation.
pub(super) fn mint(app: &AuthorizationServer, gateway: GatewayId, grant: GrantId, generation: i64) -> Secret {
    let entropy = app.entropy.as_ref();
    let mut plain = Vec::with_capacity(16 + 8 + RANDOM);
    plain.extend(grant.number().to_be_bytes());
    plain.extend(generation.to_be_bytes());
    plain.extend(entropy::bytes::<RANDOM>(entropy));
    let sealed = app
        .keyring
        .seal(entropy, Purpose::RefreshToken, &context(gateway), &plain);
    Secret::new(sealed.0)
}

/// Of which grant a token is, and the how-manieth; `None` for one that was not made here, that an older version made, or
/// whose master key was removed.
pub(super) fn read(app: &AuthorizationServer, gateway: GatewayId, token: &str) -> Option<(GrantId, i64)> {
    if token.len() > TOKEN_MAX {
        return None;
    }
    let sealed = SealedText(token.to_owned());
    let plain = app
        .keyring
        .open(Purpose::RefreshToken, &context(gateway), &sealed)
        .ok()?;
    let (grant, rest) = plain.split_first_chunk::<16>()?;
    let (generation, _) = rest.split_first_chunk::<8>()?;
    Some((
        GrantId::of_number(u128::from_be_bytes(*grant)),
        i64::from_be_bytes(*generation),
    ))
}

/// A token of one gateway is not one of another.
fn context(gateway: GatewayId) -> String {
    format!("refresh_tokens/{gateway}")
}

#[cfg(test)]
mod tests {
    use gatewright_domain::entropy::SystemEntropy;

    use super::*;
    use crate::testing::TestGateways;

    #[tokio::test]
    async fn a_token_reveals_what_it_is_only_to_its_own_gateway() {
        let test = TestGateways::new().await;
        let (app, clock) = (&test.app.authorization_server, test.clock.as_ref());
        let gateway = GatewayId::generate(clock, &SystemEntropy);
        let other = GatewayId::generate(clock, &SystemEntropy);
        let grant = GrantId::generate(clock, &SystemEntropy);
        let token = mint(app, gateway, grant, 7);
        assert_eq!(read(app, gateway, token.expose()), Some((grant, 7)));
        assert_eq!(read(app, other, token.expose()), None);
        assert!(token.expose().len() < 160, "{}", token.expose().len());
        assert!(!token.expose().contains(&grant.to_string()));
        assert_ne!(mint(app, gateway, grant, 7).expose(), token.expose());
        for broken in ["", "v1.x.y", &token.expose()[1..], &"x".repeat(10_000)] {
            assert_eq!(read(app, gateway, broken), None);
        }
    }
}
