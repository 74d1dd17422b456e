//! What the tests of the relying party share: an instance that uses a provider which does as it is told.

mod client;
mod log;
mod test_sign_ins;
mod world;

use gatewright_domain::{
    Timestamp,
    clock::FixedClock,
    entropy::{SeededEntropy, SystemEntropy},
    id::{ProjectId, UserSourceId},
    registration::{ClientAuthentication, ClientSecretSlots},
    stored_secret::SealedText,
    user_source::{Callback, UserSource, UserSourceStatus},
};

pub use gatewright_identity::testing::{Fault, HostileProvider, SECRET, Script, TokenRule, literals};

pub use crate::jose::signer::{Signer, SignerKind, encode};
pub use client::{Client, VERIFIER};
pub use log::Log;
pub use test_sign_ins::Test;
pub use world::{Seen, SignIn, World};

/// A source of this issuer in a project, with a secret that no key opens.
pub fn user_source(project_id: ProjectId, at: Timestamp, issuer: &str) -> UserSource {
    UserSource {
        id: UserSourceId::generate(&FixedClock::at_seconds(at.as_seconds()), &SystemEntropy),
        project_id,
        name: "Provider".to_owned(),
        description: String::new(),
        issuer: issuer.to_owned(),
        client_id: "client-1".to_owned(),
        client_secret: ClientSecretSlots {
            current: SealedText("v1.none.none".to_owned()),
            previous: None,
            changed_at: at,
            confirmed_at: None,
            refused_at: None,
        },
        client_authentication: ClientAuthentication::default(),
        scopes: vec!["openid".to_owned()],
        subject_claim: "sub".to_owned(),
        callback: Callback::Shared,
        status: UserSourceStatus::Active,
        identity_epoch: 1,
        verified_at: None,
        last_test: None,
        created_at: at,
        updated_at: at,
    }
}

/// A source of this issuer that asks for a profile too, with the same ids each time.
pub fn source(issuer: &str) -> UserSource {
    let (clock, entropy) = (FixedClock::at_seconds(1_800_000_000), SeededEntropy::new(11));
    let id = UserSourceId::generate(&clock, &entropy);
    let project_id = ProjectId::generate(&clock, &entropy);
    UserSource {
        id,
        scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        ..user_source(project_id, Timestamp::from_seconds(1_800_000_000), issuer)
    }
}

/// The test of the connection of a world's source.
pub async fn tested(world: &World) -> super::connection::Tested {
    super::connection::test(&world.app, &world.stored_source().await).await
}
