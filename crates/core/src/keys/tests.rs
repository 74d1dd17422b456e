use gatewright_domain::{
    clock::FixedClock,
    entropy::SeededEntropy,
    grant::Person,
    id::{GatewayId, GrantId, UserId, UserSourceId},
    sealed::MasterKey,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};

use super::*;

const NOW: i64 = 1_800_000_000;

struct Fixture {
    keys: SigningKeys,
    clock: FixedClock,
    entropy: SeededEntropy,
}

fn fixture() -> Fixture {
    let (clock, entropy) = (FixedClock::at_seconds(NOW), SeededEntropy::new(1));
    let keys = SigningKeys::ephemeral(&clock, &entropy).unwrap();
    Fixture { keys, clock, entropy }
}

impl Fixture {
    fn claims(&self) -> AccessClaims {
        AccessClaims {
            iss: "https://g.example/mcp/a".into(),
            aud: "https://g.example/mcp/a".into(),
            person: Person::User {
                user_id: UserId::generate(&self.clock, &self.entropy),
                user_source_id: UserSourceId::generate(&self.clock, &self.entropy),
                identity_epoch: 1,
            },
            client_id: "client".into(),
            iat: NOW,
            exp: NOW + 60,
            jti: "1".into(),
            scope: "mcp".into(),
            gateway: GatewayId::generate(&self.clock, &self.entropy),
            grant: GrantId::generate(&self.clock, &self.entropy),
            generation: None,
        }
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        self.keys.verify_access_token(token, self.clock.now())
    }
}

#[test]
fn a_token_verifies_until_it_expires() {
    let f = fixture();
    let claims = f.claims();
    let token = f.keys.sign_access_token(&claims);
    assert_eq!(f.verify(&token), Ok(claims));
    f.clock.advance(std::time::Duration::from_secs(59));
    assert!(f.verify(&token).is_ok());
    f.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(f.verify(&token), Err(TokenError::Expired));
}

#[test]
fn another_library_verifies_both_kinds_against_the_published_keys() {
    let f = fixture();
    let set: JwkSet = serde_json::from_slice(&f.keys.jwks()).unwrap();
    assert_eq!(set.keys.len(), 3);
    let assertion = f.keys.sign_assertion(&serde_json::json!({ "sub": "usr_1" }));
    for (token, typ) in [
        (f.keys.sign_access_token(&f.claims()), ACCESS_TOKEN_TYPE),
        (assertion, ASSERTION_TYPE),
    ] {
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some(typ));
        let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_jwk(jwk).unwrap();
        assert!(jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).is_ok());
    }
}

#[test]
fn an_assertion_is_not_an_access_token() {
    let f = fixture();
    let token = f.keys.sign_assertion(&f.claims());
    assert_eq!(f.verify(&token), Err(TokenError::Foreign));
}

#[test]
fn an_anchor_of_the_audit_trail_is_not_an_access_token_and_verifies_forever() {
    let f = fixture();
    let claims = f.claims();
    let token = f.keys.sign_anchor(&claims);
    assert_eq!(f.verify(&token), Err(TokenError::Foreign));
    f.clock.advance(std::time::Duration::from_hours(100_000));
    let access = f.keys.sign_access_token(&claims);
    assert_eq!(f.keys.verify_anchor::<AccessClaims>(&token), Ok(claims));
    let (another, changed) = (fixture(), format!("{token}A"));
    for refused in [&access, &another.keys.sign_anchor(&f.claims()), &changed] {
        assert!(f.keys.verify_anchor::<AccessClaims>(refused).is_err());
    }
}

#[test]
fn tokens_of_another_instance_are_foreign() {
    let (ours, theirs) = (fixture(), fixture());
    // The keys of both fixtures have the same IDs, so only the signature differs.
    let token = theirs.keys.sign_access_token(&theirs.claims());
    assert_eq!(ours.verify(&token), Err(TokenError::Signature));
    assert!(theirs.verify(&token).is_ok());
}

#[test]
fn changed_tokens_are_refused() {
    let f = fixture();
    let token = f.keys.sign_access_token(&f.claims());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut claims = f.claims();
    claims.exp += 1_000_000;
    let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).unwrap());
    let encode = |header: &str| URL_SAFE_NO_PAD.encode(header);
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let none = encode("{\"alg\":\"none\",\"typ\":\"at+jwt\"}");
    let hmac = encode(&format!(
        "{{\"alg\":\"HS256\",\"kid\":\"{kid}\",\"typ\":\"at+jwt\"}}"
    ));
    let refused = [
        (format!("{header}.{forged}.{signature}"), TokenError::Signature),
        (format!("{header}.{payload}."), TokenError::Signature),
        (format!("{header}.{payload}.{signature}AA"), TokenError::Signature),
        (
            format!("{header}.{payload}.{}", "A".repeat(86)),
            TokenError::Signature,
        ),
        (format!("{none}.{payload}."), TokenError::Foreign),
        (format!("{hmac}.{payload}.{signature}"), TokenError::Foreign),
        (format!("{header}.{payload}"), TokenError::Foreign),
        (format!("{token}.{signature}"), TokenError::Signature),
        (String::new(), TokenError::Foreign),
        ("..".into(), TokenError::Foreign),
        (
            format!("{header}.{}.{signature}", "A".repeat(10_000_000)),
            TokenError::Foreign,
        ),
    ];
    for (changed, error) in refused {
        assert_eq!(
            f.verify(&changed),
            Err(error),
            "{}",
            &changed[..changed.len().min(400)]
        );
    }
    assert!(f.verify(&token).is_ok());
}

#[test]
fn a_private_key_opens_for_its_own_id_only() {
    let (clock, entropy) = (FixedClock::at_seconds(NOW), SeededEntropy::new(3));
    let keyring = Keyring::new(vec![MasterKey::generate(&entropy)]).unwrap();
    let one = generate(SigningPurpose::AccessToken, &keyring, &clock, &entropy).unwrap();
    let mut moved = generate(SigningPurpose::AccessToken, &keyring, &clock, &entropy).unwrap();
    assert!(SigningKey::open(&one, &keyring).is_ok());
    moved.private = one.private;
    assert!(SigningKey::open(&moved, &keyring).is_err());
}
