//! Access tokens: a token with anything changed in it is not valid.

#![no_main]

use std::sync::LazyLock;

use gatewright_core::keys::{AccessClaims, SigningKeys};
use gatewright_domain::{
    Timestamp,
    clock::FixedClock,
    entropy::SeededEntropy,
    grant::Person,
    id::{GatewayId, GrantId, UserId, UserSourceId},
};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_800_000_000;

struct World {
    keys: SigningKeys,
    token: String,
    assertion: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (clock, entropy) = (FixedClock::at_seconds(NOW), SeededEntropy::new(1));
    let keys = SigningKeys::ephemeral(&clock, &entropy).expect("keys can be made");
    let claims = AccessClaims {
        iss: "https://g.example/mcp/a".into(),
        aud: "https://g.example/mcp/a".into(),
        person: Person::User {
            user_id: UserId::generate(&clock, &entropy),
            user_source_id: UserSourceId::generate(&clock, &entropy),
            identity_epoch: 1,
        },
        client_id: "client".into(),
        iat: NOW,
        exp: NOW + 60,
        jti: "1".into(),
        scope: "mcp".into(),
        gateway: GatewayId::generate(&clock, &entropy),
        grant: GrantId::generate(&clock, &entropy),
        generation: Some(1),
    };
    World {
        token: keys.sign_access_token(&claims),
        assertion: keys.sign_assertion(&claims),
        keys,
    }
});

fuzz_target!(|data: &[u8]| {
    let (world, now) = (&*WORLD, Timestamp::from_seconds(NOW));
    assert!(world.keys.verify_access_token(&world.token, now).is_ok());
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(world.keys.verify_access_token(text, now).is_err());
        // Our own header, followed by anything.
        let header = world.token.split('.').next().unwrap_or_default();
        let forged = format!("{header}.{text}");
        assert!(forged == world.token || world.keys.verify_access_token(&forged, now).is_err());
    }
    // Two bytes of position, then the replacement.
    let [high, low, instead @ ..] = data else {
        return;
    };
    for original in [&world.token, &world.assertion] {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % original.len();
        let mut changed = original.clone().into_bytes();
        let end = (at + instead.len()).min(changed.len());
        changed.splice(at..end, instead.iter().copied());
        let Ok(changed) = String::from_utf8(changed) else {
            continue;
        };
        assert_eq!(
            world.keys.verify_access_token(&changed, now).is_ok(),
            changed == world.token,
            "{changed}"
        );
    }
});
