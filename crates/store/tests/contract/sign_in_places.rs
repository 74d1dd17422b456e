//! Networks where the password of an account was right.

use std::time::Duration;

use gatewright_store::sign_in_place::{self, MAX_PER_ACCOUNT, REMEMBERED};

use crate::world::{World, commit, contract, look};

contract!(
    a_place_is_known_until_it_expires_and_for_its_account,
    the_places_of_an_account_are_few,
);

const HERE: &str = "203.0.113.0/24";

async fn a_place_is_known_until_it_expires_and_for_its_account(world: World) {
    let (ada, eve) = (world.account().await, world.account().await);
    let now = world.now();
    assert!(!look!(world, tx => sign_in_place::is_known(tx, &ada.email, HERE, now)));
    commit!(world, tx => sign_in_place::note(tx, ada.id, HERE, now));
    assert!(look!(world, tx => sign_in_place::is_known(tx, &ada.email, HERE, now)));
    assert!(!look!(world, tx => sign_in_place::is_known(tx, &ada.email, "198.51.100.0/24", now)));
    assert!(!look!(world, tx => sign_in_place::is_known(tx, &eve.email, HERE, now)));
    let again = now.plus(Duration::from_hours(24));
    commit!(world, tx => sign_in_place::note(tx, ada.id, HERE, again));
    let (first_end, end) = (now.plus(REMEMBERED), again.plus(REMEMBERED));
    assert!(look!(world, tx => sign_in_place::is_known(tx, &ada.email, HERE, first_end)));
    assert!(!look!(world, tx => sign_in_place::is_known(tx, &ada.email, HERE, end)));
    assert_eq!(commit!(world, tx => sign_in_place::prune(tx, first_end, 10)), 0);
    assert_eq!(commit!(world, tx => sign_in_place::prune(tx, end, 10)), 1);
}

async fn the_places_of_an_account_are_few(world: World) {
    let ada = world.account().await;
    let now = world.now();
    for number in 0..=MAX_PER_ACCOUNT {
        let at = now.plus(Duration::from_secs(u64::from(number)));
        let network = format!("2001:db8:{number}::/64");
        commit!(world, tx => sign_in_place::note(tx, ada.id, &network, at));
    }
    let later = now.plus(Duration::from_hours(1));
    let known = async |number: u32| {
        let network = format!("2001:db8:{number}::/64");
        look!(world, tx => sign_in_place::is_known(tx, &ada.email, &network, later))
    };
    assert!(!known(0).await);
    assert!(known(1).await && known(MAX_PER_ACCOUNT).await);
}
