//! Documents of clients that a project knows.

use std::time::Duration;

use gatewright_domain::Timestamp;
use gatewright_store::client_document::{self, ClientDocument};

use crate::world::{World, commit, contract, look};

contract!(
    a_document_is_kept_renewed_and_forgotten,
    a_project_keeps_a_limited_number_and_drops_the_least_recently_used,
    unused_documents_are_deleted,
);

const URL: &str = "https://app.example/client.json";

fn document(url: &str, text: &str, fetched_at: Timestamp) -> ClientDocument {
    ClientDocument {
        url: url.to_owned(),
        document: text.to_owned(),
        fetched_at,
        fresh_until: fetched_at.plus(Duration::from_mins(5)),
    }
}

async fn a_document_is_kept_renewed_and_forgotten(world: World) {
    let (one, other) = (world.project().await.id, world.project().await.id);
    let now = world.now();
    let old = document(URL, "old", now);
    assert!(
        !commit!(world, tx => client_document::renew(tx, &old)),
        "renewing adds nothing"
    );
    assert_eq!(look!(world, tx => client_document::find(tx, one, URL)), None);
    commit!(world, tx => client_document::keep(tx, one, &old, 9, now));
    assert_eq!(
        look!(world, tx => client_document::find(tx, one, URL)),
        Some(old.clone())
    );
    assert_eq!(look!(world, tx => client_document::find(tx, other, URL)), None);

    let new = document(URL, "new", now.plus(Duration::from_secs(1)));
    assert!(commit!(world, tx => client_document::renew(tx, &new)));
    commit!(world, tx => client_document::keep(tx, one, &old, 9, now));
    assert_eq!(
        look!(world, tx => client_document::find(tx, one, URL)),
        Some(new.clone()),
        "an older one does not come back"
    );
    commit!(world, tx => client_document::keep(tx, other, &new, 9, now));
    commit!(world, tx => client_document::forget(tx, URL));
    for project in [one, other] {
        assert_eq!(look!(world, tx => client_document::find(tx, project, URL)), None);
    }
}

async fn a_project_keeps_a_limited_number_and_drops_the_least_recently_used(world: World) {
    let (full, other) = (world.project().await.id, world.project().await.id);
    let now = world.now();
    let url = |number: u64| format!("https://app.example/{number}");
    let at = |number: u64| now.plus(Duration::from_secs(number));
    commit!(world, tx => client_document::keep(tx, other, &document(&url(0), "", now), 3, now));
    for number in 0..3 {
        commit!(world, tx => client_document::keep(tx, full, &document(&url(number), "", now), 3, at(number)));
    }
    commit!(world, tx => client_document::keep(tx, full, &document(&url(0), "", now), 3, at(3)));
    commit!(world, tx => client_document::keep(tx, full, &document(&url(3), "", now), 3, at(4)));
    let mut kept = Vec::new();
    for number in 0..4 {
        if look!(world, tx => client_document::find(tx, full, &url(number))).is_some() {
            kept.push(number);
        }
    }
    assert_eq!(kept, [0, 2, 3]);
    assert!(look!(world, tx => client_document::find(tx, other, &url(0))).is_some());
}

async fn unused_documents_are_deleted(world: World) {
    let project = world.project().await.id;
    let now = world.now();
    let later = now.plus(Duration::from_hours(1));
    commit!(world, tx => client_document::keep(tx, project, &document(URL, "", now), 9, now));
    commit!(world, tx => client_document::keep(tx, project, &document("https://b.example/c", "", now), 9, later));
    assert_eq!(commit!(world, tx => client_document::prune(tx, later, 10)), 1);
    assert_eq!(look!(world, tx => client_document::find(tx, project, URL)), None);
    assert!(look!(world, tx => client_document::find(tx, project, "https://b.example/c")).is_some());
}
