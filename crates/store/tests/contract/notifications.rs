//! Messages that wait: one replica sends at a time, and what fails comes again. And leases.

use std::time::Duration;

use gatewright_domain::id::NotificationId;
use gatewright_store::{
    lease,
    notification::{self, Notification},
};

use crate::world::{World, commit, contract, look};

contract!(
    a_message_is_claimed_by_one_replica_at_a_time,
    a_failed_message_comes_again_later,
    one_replica_at_a_time_has_a_lease,
);

const CLAIM: Duration = Duration::from_mins(1);

async fn waiting(world: &World) -> Notification {
    let message = Notification {
        id: NotificationId::generate(&*world.clock, &*world.entropy),
        channel: "webhook".to_owned(),
        body: "{}".to_owned(),
        created_at: world.now(),
        failed: 0,
    };
    commit!(world, tx => notification::insert(tx, &message));
    message
}

async fn claimed(world: &World) -> Vec<Notification> {
    let now = world.now();
    commit!(world, tx => notification::claim(tx, now, CLAIM, 10))
}

async fn a_message_is_claimed_by_one_replica_at_a_time(world: World) {
    let message = waiting(&world).await;
    let (one, other) = tokio::join!(claimed(&world), claimed(&world));
    assert_eq!([one, other].concat(), std::slice::from_ref(&message));
    world.clock.advance(CLAIM);
    assert_eq!(
        claimed(&world).await,
        std::slice::from_ref(&message),
        "its replica stopped in the meantime"
    );
    assert_eq!(look!(world, tx => notification::count(tx, "webhook")), 1);
    commit!(world, tx => notification::delete(tx, message.id));
    world.clock.advance(CLAIM);
    assert_eq!(claimed(&world).await, []);
    assert_eq!(look!(world, tx => notification::count(tx, "webhook")), 0);
}

async fn a_failed_message_comes_again_later(world: World) {
    let message = waiting(&world).await;
    claimed(&world).await;
    let next = world.now().plus(CLAIM * 5);
    commit!(world, tx => notification::postpone(tx, message.id, "HTTP 500", next));
    world.clock.advance(CLAIM * 4);
    assert_eq!(claimed(&world).await, []);
    world.clock.advance(CLAIM);
    let [again] = &claimed(&world).await[..] else {
        panic!()
    };
    assert_eq!((again.id, again.failed), (message.id, 1));
}

async fn one_replica_at_a_time_has_a_lease(world: World) {
    let take = async |name: &'static str| {
        let now = world.now();
        commit!(world, tx => lease::take(tx, name, now, CLAIM))
    };
    let (one, other) = tokio::join!(take("work"), take("work"));
    assert!(one != other);
    assert!(take("other work").await);
    world.clock.advance(CLAIM);
    assert!(take("work").await);
    assert!(!take("work").await);
}
