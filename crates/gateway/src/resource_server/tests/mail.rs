//! Letters between replicas, through the store.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{Timestamp, entropy::SystemEntropy, stored_secret::SealedText};
use gatewright_mcp::endpoint::Replicas as _;
use gatewright_store::replica_mail::{self, Fate, Letter};
use tokio::time::Instant;

use super::world::World;
use crate::{
    Gateways,
    resource_server::replica_mail::{Heard, Mail, hear},
};

fn mail(world: &World) -> Mail {
    let app = &world.app;
    let mail = Mail::new(
        app.store.clone(),
        app.keyring.clone(),
        Arc::clone(&app.clock),
        Arc::clone(&app.entropy),
        true,
    );
    mail.patient_for(Duration::ZERO)
}

#[tokio::test]
async fn a_letter_reaches_the_replica_it_is_for_and_its_answer_comes_back() {
    let world = World::new().await;
    let other = Gateways::build(
        world.app.config.clone(),
        world.clock.clone(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    let there = other.resource_server.federation.replica();
    assert_ne!(there, world.app.resource_server.federation.replica());
    let mail = mail(&world).patient_for(Duration::from_secs(5));
    let asking = mail.ask(there, b"what is no letter".to_vec(), Duration::from_secs(5));
    let hearing = async {
        loop {
            hear(&other.resource_server).await.unwrap();
            // The replica that wrote it does not take it.
            hear(&world.app.resource_server).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let reply = tokio::select! {
        reply = asking => reply,
        () = hearing => unreachable!(),
    };
    assert_eq!(reply.as_deref(), Some(&b"late"[..]));
}

#[tokio::test]
async fn a_letter_that_no_replica_takes_is_given_up() {
    let world = World::new().await;
    let mail = mail(&world);
    let reply = mail.ask([9; 8], b"letter".to_vec(), Duration::from_secs(5)).await;
    assert_eq!(reply, None);
}

#[tokio::test]
async fn letters_are_sealed_in_the_store() {
    let world = World::new().await;
    let here = world.app.resource_server.federation.replica();
    let mail = mail(&world).patient_for(Duration::from_secs(5));
    let asking = mail.ask(here, b"a secret of the user".to_vec(), Duration::from_secs(5));
    let looking = async {
        loop {
            let mut tx = world.app.store.write().await.unwrap();
            let letters = gatewright_store::replica_mail::take(&mut tx, here, world.app.now(), 10)
                .await
                .unwrap();
            drop(tx);
            if let Some(letter) = letters.first() {
                return letter.letter.0.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let written = tokio::select! {
        _ = asking => unreachable!("no one answers"),
        written = looking => written,
    };
    assert!(
        written.starts_with("v1.") && !written.contains("secret"),
        "{written}"
    );
}

#[tokio::test]
async fn a_letter_whose_sender_goes_away_is_deleted() {
    let world = World::new().await;
    let here = world.app.resource_server.federation.replica();
    let mail = mail(&world).patient_for(Duration::from_secs(5));
    let has_any = async || {
        let mut tx = world.app.store.read().await.unwrap();
        replica_mail::has_any(&mut tx, here, world.app.now())
            .await
            .unwrap()
    };
    let asking = mail.ask(here, b"letter".to_vec(), Duration::from_secs(5));
    let writing = async {
        while !has_any().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = asking => unreachable!("no one answers"),
        () = writing => {}
    }
    let deleted = async {
        while has_any().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), deleted)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_letter_that_cannot_be_opened_is_answered() {
    let world = World::new().await;
    let app = &world.app.resource_server;
    let letter = Letter {
        id: [7; 16],
        recipient: app.federation.replica(),
        letter: SealedText("v1.not.ours".to_owned()),
        expires_at: world.app.now().plus(Duration::from_mins(1)),
    };
    let mut tx = world.app.store.write().await.unwrap();
    replica_mail::insert(&mut tx, &letter).await.unwrap();
    tx.commit().await.unwrap();
    hear(app).await.unwrap();
    let answered = async {
        loop {
            let mut tx = world.app.store.read().await.unwrap();
            let fate = replica_mail::find_fate(&mut tx, letter.id).await.unwrap();
            if matches!(fate, Some(Fate::Answered(_))) {
                return;
            }
            drop(tx);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), answered)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_replica_that_took_a_letter_and_died_is_not_waited_for() {
    let world = World::new().await;
    let here = world.app.resource_server.federation.replica();
    let mail = mail(&world)
        .patient_for(Duration::from_secs(30))
        .silent_for(Duration::ZERO);
    let asking = mail.ask(here, b"letter".to_vec(), Duration::from_mins(10));
    let taking = async {
        loop {
            let mut tx = world.app.store.write().await.unwrap();
            let taken = replica_mail::take(&mut tx, here, world.app.now(), 1).await;
            tx.commit().await.unwrap();
            if !taken.unwrap().is_empty() {
                // It never says anything again.
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
        }
    };
    let reply = tokio::select! {
        reply = asking => reply,
        () = taking => unreachable!(),
    };
    assert_eq!(reply, None);
}

#[test]
fn a_replica_is_silent_from_when_it_said_something_new() {
    let mut heard = Heard::default();
    let (at, began) = (|seconds| Timestamp::from_seconds(seconds), Instant::now());
    let after = |seconds| began + Duration::from_secs(seconds);
    // Its clock may be behind or ahead: only whether it moves is looked at.
    assert_eq!(heard.silence(at(1), after(0)), Duration::ZERO);
    assert_eq!(heard.silence(at(1), after(20)), Duration::from_secs(20));
    assert_eq!(heard.silence(at(9), after(24)), Duration::ZERO);
    assert_eq!(heard.silence(at(9), after(30)), Duration::from_secs(6));
}
