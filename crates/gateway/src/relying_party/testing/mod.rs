//! What the tests of the relying party share: an instance that uses a provider which the test controls.

mod client;
mod log;
mod test_sign_ins;
mod world;

use gatewright_domain::{
    Timestamp,
    clock::FixedClock,
    entropy::SeededEntropy,
    id::{ProjectId, UserSourceId},
    user_source::UserSource,
};

pub use gatewright_domain::testing::user_source;
pub use gatewright_identity::testing::{Fault, HostileProvider, SECRET, Script, TokenRule, literals};

pub use crate::jose::signer::{Signer, SignerKind, encode};
pub use client::{Client, VERIFIER};
pub use log::Log;
pub use test_sign_ins::Test;
pub use world::{Seen, SignIn, World};

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
