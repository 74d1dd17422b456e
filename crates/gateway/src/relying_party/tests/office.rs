//! A thousand people behind one address, at the same moment.

use serde_json::json;

use crate::relying_party::testing::{Client, SignIn, World};

const PEOPLE: usize = 1_000;

#[tokio::test]
async fn an_office_of_a_thousand_behind_one_address_signs_in() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    // All of them are at their provider at once before the first comes back.
    let mut away: Vec<SignIn> = Vec::with_capacity(PEOPLE);
    for _ in 0..PEOPLE {
        let (_, sealed) = client.ask().await;
        away.push(client.allow(&sealed).await);
    }
    for (person, sign_in) in away.iter().enumerate() {
        {
            let mut script = world.provider.script();
            script.nonce = sign_in.parameter("nonce");
            script.claims = json!({"sub": format!("person-{person}")});
        }
        world.come_back(sign_in).await.code();
    }
    assert_eq!(world.provider.asked("token"), u32::try_from(PEOPLE).unwrap());
}
