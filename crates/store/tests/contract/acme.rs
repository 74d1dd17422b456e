//! Certificates that are ordered: one process at a time orders, all see what it got, and keys are encrypted again with the others.

use std::time::Duration;

use gatewright_domain::stored_secret::SealedText;
use gatewright_store::{
    acme::{self, AcmeAccount, AcmeCertificate, AcmeChallenge, AcmeStanding},
    keys,
};

use crate::world::{World, commit, contract, look};

contract!(
    one_process_at_a_time_has_an_order_and_only_when_it_is_due,
    a_failure_is_counted_until_a_certificate_is_issued,
    a_process_that_is_killed_leaves_a_pause,
    challenges_are_open_for_all_until_they_are_closed_or_expire,
    a_new_challenge_takes_the_place_of_an_earlier_one_for_its_domain,
    the_keys_of_account_and_certificate_are_encrypted_again,
);

const ID: &str = "id";
const DIRECTORY: &str = "https://ca.example.com/directory";
const TERM: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_mins(1);

fn certificate(world: &World, days: u64) -> AcmeCertificate {
    AcmeCertificate {
        chain: "chain".to_owned(),
        private_key: SealedText("v1.a.key".to_owned()),
        expires_at: world.now().plus(Duration::from_hours(24 * days)),
    }
}

async fn claim(world: &World) -> bool {
    let now = world.now();
    commit!(world, tx => acme::claim(tx, ID, now, now.plus(TERM), now.plus(PAUSE)))
}

async fn standing(world: &World) -> AcmeStanding {
    look!(world, tx => acme::standing(tx, ID))
}

async fn one_process_at_a_time_has_an_order_and_only_when_it_is_due(world: World) {
    assert!(claim(&world).await);
    assert!(!claim(&world).await);
    world.clock.advance(TERM);
    assert!(claim(&world).await, "who had it is gone");
    let (next, old) = (world.now().plus(Duration::from_hours(24)), world.now());
    let issued = certificate(&world, 90);
    commit!(world, tx => acme::issue(tx, ID, &issued, next, old));
    assert!(!claim(&world).await);
    world.clock.advance(Duration::from_hours(24));
    assert!(claim(&world).await);
    assert_eq!(look!(world, tx => acme::find(tx, ID)), Some(issued));
}

async fn a_process_that_is_killed_leaves_a_pause(world: World) {
    // On SQLite, who has an order does not keep others from it.
    let claim = async || {
        let now = world.now();
        commit!(world, tx => acme::claim(tx, ID, now, now, now.plus(PAUSE)))
    };
    assert!(claim().await);
    assert_eq!(standing(&world).await.attempt_at, world.now().plus(PAUSE));
    assert!(!claim().await);
    world.clock.advance(PAUSE);
    assert!(claim().await);
}

async fn a_failure_is_counted_until_a_certificate_is_issued(world: World) {
    assert_eq!(standing(&world).await, AcmeStanding::default());
    let mut next = world.now();
    for failures in 1..=2 {
        next = next.plus(Duration::from_mins(1));
        assert!(claim(&world).await);
        let error = format!("a\n\u{1b}[31m\u{202e}{}", "é".repeat(600));
        commit!(world, tx => acme::fail(tx, ID, &error, next));
        let standing = standing(&world).await;
        assert_eq!(
            (standing.failures, standing.attempt_at, standing.generation),
            (failures, next, 0)
        );
        assert_eq!(
            standing.last_error,
            Some(format!("a??[31m?{}", "é".repeat(500 - 8)))
        );
        assert!(!claim(&world).await);
        world.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(look!(world, tx => acme::find(tx, ID)), None);
    // One of other domains that has long expired is forgotten.
    let short = certificate(&world, 1);
    let now = world.now();
    assert!(commit!(world, tx => acme::claim(tx, "other", now, now, now)));
    commit!(world, tx => acme::issue(tx, "other", &short, next, world.now()));
    world.clock.advance(Duration::from_hours(72));
    assert!(claim(&world).await);
    let (issued, now) = (certificate(&world, 90), world.now());
    commit!(world, tx => acme::issue(tx, ID, &issued, next, now));
    let standing = standing(&world).await;
    assert_eq!(
        (standing.failures, standing.generation, standing.last_error),
        (0, 1, None)
    );
    assert_eq!(look!(world, tx => acme::find(tx, "other")), None);
}

async fn challenges_are_open_for_all_until_they_are_closed_or_expire(world: World) {
    let challenge = |token: &str, minutes| AcmeChallenge {
        token: token.to_owned(),
        domain: format!("{token}.example.com"),
        key_authorization: format!("{token}.thumbprint"),
        expires_at: world.now().plus(Duration::from_mins(minutes)),
    };
    let all = [challenge("a", 1), challenge("b", 10), challenge("c", 10)];
    commit!(world, tx => acme::open_challenges(tx, &all));
    assert_eq!(look!(world, tx => acme::list_challenges(tx, world.now())), all);
    world.clock.advance(Duration::from_mins(1));
    let now = world.now();
    assert_eq!(look!(world, tx => acme::list_challenges(tx, now)), all[1..]);
    commit!(world, tx => acme::close_challenges(tx, &all[1..2], now));
    let before = now.minus(Duration::from_hours(1));
    assert_eq!(look!(world, tx => acme::list_challenges(tx, before)), all[2..]);
}

async fn a_new_challenge_takes_the_place_of_an_earlier_one_for_its_domain(world: World) {
    let challenge = |token: &str, domain: &str| AcmeChallenge {
        token: token.to_owned(),
        domain: domain.to_owned(),
        key_authorization: format!("{token}.thumbprint"),
        expires_at: world.now().plus(TERM),
    };
    let stopped = [
        challenge("a", "one.example.com"),
        challenge("b", "two.example.com"),
    ];
    commit!(world, tx => acme::open_challenges(tx, &stopped));
    let new = [challenge("c", "one.example.com")];
    commit!(world, tx => acme::open_challenges(tx, &new));
    let open = look!(world, tx => acme::list_challenges(tx, world.now()));
    assert_eq!(open, [stopped[1].clone(), new[0].clone()]);
}

async fn the_keys_of_account_and_certificate_are_encrypted_again(world: World) {
    let account = AcmeAccount {
        credentials: SealedText("v1.a.account".to_owned()),
        email: Some("ada@example.com".to_owned()),
    };
    assert!(claim(&world).await);
    let (issued, now) = (certificate(&world, 90), world.now());
    commit!(world, tx => acme::put_account(tx, DIRECTORY, &account, now));
    commit!(world, tx => acme::issue(tx, ID, &issued, now, now));
    let reseal = |context: &str, old: &SealedText| {
        let is_ours = context == acme::account_context(DIRECTORY) || context == acme::key_context(ID);
        is_ours.then(|| SealedText(old.0.replace("v1.a.", "v1.b.")))
    };
    assert_eq!(keys::reseal_all(&world.store, &reseal).await.unwrap(), 2);
    let found = look!(world, tx => acme::find_account(tx, DIRECTORY)).unwrap();
    assert_eq!(found.credentials.0, "v1.b.account");
    assert_eq!(found.email, account.email);
    let found = look!(world, tx => acme::find(tx, ID)).unwrap();
    assert_eq!(found.private_key.0, "v1.b.key");
    commit!(world, tx => acme::delete_account(tx, DIRECTORY));
    assert_eq!(look!(world, tx => acme::find_account(tx, DIRECTORY)), None);
}
