//! Clients: registered by an administrator, holding grants, and blocked.

use std::time::Duration;

use gatewright_domain::{
    client_use::{ClientBlock, ClientKind},
    grant::RevocationReason,
    id::{ClientBlockId, ClientId},
    preregistered_client::{ClientProof, ClientSecretHashes, PreregisteredClient, SecretPlace, check_fields},
    token_hash::TokenHash,
};
use gatewright_store::{
    PageRequest, StoreError, client_block, client_use, gateway, grant, preregistered_client,
    refresh_token::{self, Proposal, Rotation},
    revocation::Denied,
    used_assertion::{self, AssertionUse, UsedAssertion},
};

use crate::{
    denials,
    fixtures::{CLIENT, Setting},
    world::{World, commit, contract, look},
};

contract!(
    a_client_is_stored_found_changed_and_deleted,
    names_are_unique_per_gateway,
    another_project_or_gateway_has_no_such_client,
    a_blocked_client_holds_no_live_grant,
    clients_with_live_grants_are_counted,
    only_the_grants_of_the_client_end,
    a_client_with_a_thousand_grants_loses_them_all,
    an_assertion_is_used_once,
    one_of_twenty_uses_of_an_assertion_is_the_first,
);

const ALL: PageRequest = PageRequest {
    after: None,
    limit: 200,
};

/// A client registered at the gateway of a setting.
pub(crate) fn client(world: &World, setting: &Setting, name: &str) -> PreregisteredClient {
    let uris = [
        "https://app.example/cb".to_owned(),
        "http://127.0.0.1/".to_owned(),
    ];
    let (name, redirect_uris) = check_fields(name, &uris).unwrap();
    PreregisteredClient {
        id: ClientId::generate(&*world.clock, &*world.entropy),
        project_id: setting.project.id,
        gateway_id: setting.gateway.id,
        name,
        redirect_uris,
        proof: ClientProof::Secret {
            place: SecretPlace::Body,
            hashes: ClientSecretHashes {
                current: TokenHash::of("one"),
                changed_at: world.now(),
                previous: None,
            },
        },
        created_at: world.now(),
        updated_at: world.now(),
    }
}

/// A block of [`CLIENT`] at the gateway of a setting.
pub(crate) fn block(world: &World, setting: &Setting) -> ClientBlock {
    ClientBlock {
        id: ClientBlockId::generate(&*world.clock, &*world.entropy),
        project_id: setting.project.id,
        gateway_id: setting.gateway.id,
        client_id: CLIENT.to_owned(),
        client_name: "Claude".to_owned(),
        created_at: world.now(),
    }
}

async fn a_client_is_stored_found_changed_and_deleted(world: World) {
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let stored = client(&world, &setting, "App");
    commit!(world, tx => preregistered_client::insert(tx, &stored));
    let find = async || look!(world, tx => preregistered_client::find(tx, project, gateway, stored.id));
    assert_eq!(find().await, Some(stored.clone()));
    assert_eq!(
        look!(world, tx => preregistered_client::gateway_of(tx, stored.id)),
        Some(gateway)
    );
    let public = PreregisteredClient {
        proof: ClientProof::Public,
        ..client(&world, &setting, "Public")
    };
    commit!(world, tx => preregistered_client::insert(tx, &public));
    let listed = look!(world, tx => preregistered_client::list(tx, project, gateway, &ALL));
    assert_eq!(listed.items, [stored.clone(), public.clone()]);

    let mut next = stored.clone();
    "Renamed".clone_into(&mut next.name);
    next.updated_at = world.now().plus(Duration::from_millis(1));
    if let ClientProof::Secret { hashes, .. } = &mut next.proof {
        *hashes = hashes.rotated(TokenHash::of("two"), world.now(), Duration::from_mins(1));
    }
    assert!(commit!(world, tx => preregistered_client::update(tx, &next, stored.updated_at)));
    assert_eq!(find().await, Some(next.clone()));
    // An editor that read it before has not seen this.
    assert!(!commit!(world, tx => preregistered_client::update(tx, &next, stored.updated_at)));

    assert!(commit!(world, tx => preregistered_client::hold(tx, project, gateway, stored.id)));
    assert!(commit!(world, tx => preregistered_client::delete(tx, project, gateway, stored.id)));
    assert!(!commit!(world, tx => preregistered_client::hold(tx, project, gateway, stored.id)));
    assert_eq!(find().await, None);
    // Deleting a gateway deletes its clients.
    assert!(commit!(world, tx => gateway::delete(tx, project, gateway)));
    assert_eq!(
        look!(world, tx => preregistered_client::gateway_of(tx, public.id)),
        None
    );
}

async fn names_are_unique_per_gateway(world: World) {
    let setting = world.setting().await;
    let first = client(&world, &setting, "App");
    commit!(world, tx => preregistered_client::insert(tx, &first));
    let mut tx = world.store.write().await.unwrap();
    let taken = preregistered_client::insert(&mut tx, &client(&world, &setting, "APP")).await;
    assert!(
        matches!(taken, Err(StoreError::Taken { field: "name" })),
        "{taken:?}"
    );
    drop(tx);
    let second = client(&world, &setting, "Other");
    commit!(world, tx => preregistered_client::insert(tx, &second));
    let renamed = PreregisteredClient {
        name: "app".to_owned(),
        ..second.clone()
    };
    let mut tx = world.store.write().await.unwrap();
    let taken = preregistered_client::update(&mut tx, &renamed, second.updated_at).await;
    assert!(
        matches!(taken, Err(StoreError::Taken { field: "name" })),
        "{taken:?}"
    );
    drop(tx);
    let elsewhere = PreregisteredClient {
        gateway_id: world.gateway(&setting.source).await.id,
        ..client(&world, &setting, "App")
    };
    commit!(world, tx => preregistered_client::insert(tx, &elsewhere));
}

async fn another_project_or_gateway_has_no_such_client(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let stored = client(&world, &setting, "App");
    commit!(world, tx => preregistered_client::insert(tx, &stored));
    let blocked = block(&world, &setting);
    assert!(commit!(world, tx => client_block::insert(tx, &blocked)));
    for (project, gateway) in [
        (other.project.id, gateway),
        (project, other.gateway.id),
        (other.project.id, other.gateway.id),
    ] {
        let found = look!(world, tx => preregistered_client::find(tx, project, gateway, stored.id));
        assert_eq!(found, None);
        let listed = look!(world, tx => preregistered_client::list(tx, project, gateway, &ALL));
        assert!(listed.items.is_empty());
        assert!(!commit!(world, tx => preregistered_client::delete(tx, project, gateway, stored.id)));
        let moved = PreregisteredClient {
            project_id: project,
            gateway_id: gateway,
            ..stored.clone()
        };
        assert!(!commit!(world, tx => preregistered_client::update(tx, &moved, stored.updated_at)));
        assert_eq!(
            look!(world, tx => client_block::find(tx, project, gateway, blocked.id)),
            None
        );
        assert!(
            look!(world, tx => client_block::list(tx, project, gateway, &ALL))
                .items
                .is_empty()
        );
        assert!(!commit!(world, tx => client_block::delete(tx, project, gateway, blocked.id)));
    }
    assert!(!commit!(world, tx => gateway::hold(tx, other.project.id, gateway)));
    assert!(commit!(world, tx => gateway::hold(tx, project, gateway)));
    let found = look!(world, tx => preregistered_client::find(tx, project, gateway, stored.id));
    assert_eq!(found, Some(stored));
}

async fn a_blocked_client_holds_no_live_grant(world: World) {
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let stored = setting.grant(&world).await;
    let token = world.new_token(&stored);
    commit!(world, tx => refresh_token::insert(tx, &token, world.soon()));
    let is_live =
        async || look!(world, tx => grant::find_live(tx, gateway, stored.id, world.now())).is_some();
    let denied = Denied::client(gateway, CLIENT);
    let is_denied = async || look!(world, tx => denials::denied(tx, world.now())).contains(&denied);
    let sealed = gatewright_domain::stored_secret::SealedText("sealed".to_owned());
    let proposal = Proposal {
        hash: TokenHash::of("next"),
        sealed: &sealed,
        expires_at: world.now().plus(Duration::from_hours(1)),
        generation: 2,
        access_token_ends_at: world.soon(),
        from: "192.0.2.0/24",
    };
    let rotate = async || commit!(world, tx => refresh_token::rotate(tx, gateway, CLIENT, token.hash, &proposal, world.now()));
    assert!(is_live().await && !is_denied().await);
    let blocked = block(&world, &setting);
    assert!(commit!(world, tx => client_block::insert(tx, &blocked)));
    assert!(!commit!(world, tx => client_block::insert(tx, &block(&world, &setting))));
    assert!(!is_live().await && is_denied().await);
    assert!(matches!(rotate().await, Rotation::Refused));
    assert!(look!(world, tx => client_block::is_blocked(tx, project, gateway, CLIENT)));
    let listed = look!(world, tx => client_block::list(tx, project, gateway, &ALL));
    assert_eq!(listed.items, std::slice::from_ref(&blocked));
    // Another gateway is not affected.
    let other = Setting {
        gateway: world.gateway(&setting.source).await,
        ..setting.clone()
    };
    let elsewhere = other.grant(&world).await;
    assert!(look!(world, tx => grant::find_live(tx, other.gateway.id, elsewhere.id, world.now())).is_some());
    assert!(!look!(world, tx => client_block::is_blocked(tx, project, other.gateway.id, CLIENT)));

    assert!(commit!(world, tx => client_block::delete(tx, project, gateway, blocked.id)));
    assert!(is_live().await && !is_denied().await);
    assert!(matches!(rotate().await, Rotation::Rotated(_)));
}

async fn clients_with_live_grants_are_counted(world: World) {
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let registered = client(&world, &setting, "App");
    commit!(world, tx => preregistered_client::insert(tx, &registered));
    let document = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    for (client_id, name) in [
        (CLIENT, "Cursor"),
        (document, "Claude"),
        (&registered.id.to_string(), "App"),
        (document, "Claude"),
    ] {
        world.clock.advance(Duration::from_millis(5));
        let mut row = setting.new_grant(&world);
        (row.client_id, row.client_name) = (client_id.to_owned(), name.to_owned());
        commit!(world, tx => grant::insert(tx, &row));
    }
    let ended = setting.grant(&world).await;
    let (now, reason) = (world.now(), RevocationReason::Administrator);
    assert!(commit!(world, tx => grant::revoke(tx, project, ended.id, reason, now)));
    let listed = look!(world, tx => client_use::list(tx, project, gateway, now, &ALL)).items;
    let seen: Vec<_> = listed
        .iter()
        .map(|client| (client.client_name.as_str(), client.kind, client.grants))
        .collect();
    assert_eq!(
        seen,
        [
            ("Cursor", ClientKind::Dynamic, 1),
            ("Claude", ClientKind::MetadataDocument, 2),
            ("App", ClientKind::Preregistered, 1)
        ]
    );
    assert_eq!(listed[1].last_used_at, now);
    // Page after page, each once.
    let mut page = PageRequest::first(1);
    let mut names = Vec::new();
    loop {
        let read = look!(world, tx => client_use::list(tx, project, gateway, now, &page));
        names.extend(read.items.into_iter().map(|client| client.client_name));
        match read.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(names, ["Cursor", "Claude", "App"]);
    let elsewhere = world.gateway(&setting.source).await.id;
    assert!(
        look!(world, tx => client_use::list(tx, project, elsewhere, now, &ALL))
            .items
            .is_empty()
    );
    let name = look!(world, tx => client_use::name_of(tx, project, gateway, document));
    assert_eq!(name.as_deref(), Some("Claude"));
}

async fn an_assertion_is_used_once(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let expires_at = world.now().plus(Duration::from_mins(5));
    let assertion = |gateway, client, jti| UsedAssertion::new(gateway, client, jti, expires_at);
    let first = assertion(setting.gateway.id, CLIENT, "1");
    let use_up = async |assertion: UsedAssertion| commit!(world, tx => used_assertion::use_up(tx, &assertion, 2, world.now()));
    assert_eq!(use_up(first.clone()).await, AssertionUse::First);
    assert_eq!(use_up(first.clone()).await, AssertionUse::Again);
    // Another gateway or client may have used the same id.
    assert_eq!(
        use_up(assertion(other.gateway.id, CLIENT, "1")).await,
        AssertionUse::First
    );
    assert_eq!(
        use_up(assertion(setting.gateway.id, "another", "1")).await,
        AssertionUse::First
    );
    // A client fills only its own quota.
    assert_eq!(
        use_up(assertion(setting.gateway.id, CLIENT, "2")).await,
        AssertionUse::First
    );
    assert_eq!(
        use_up(assertion(setting.gateway.id, CLIENT, "3")).await,
        AssertionUse::TooMany
    );
    assert_eq!(
        use_up(assertion(setting.gateway.id, "another", "2")).await,
        AssertionUse::First
    );
    // What was dropped did not happen.
    let dropped = assertion(other.gateway.id, CLIENT, "2");
    let mut tx = world.store.write().await.unwrap();
    assert_eq!(
        used_assertion::use_up(&mut tx, &dropped, 2, world.now())
            .await
            .unwrap(),
        AssertionUse::First
    );
    drop(tx);
    assert_eq!(use_up(dropped.clone()).await, AssertionUse::First);

    assert_eq!(
        commit!(world, tx => used_assertion::prune(tx, world.now(), 100)),
        0
    );
    world.clock.advance(Duration::from_mins(5));
    let late = UsedAssertion::new(
        setting.gateway.id,
        CLIENT,
        "4",
        world.now().plus(Duration::from_mins(5)),
    );
    assert_eq!(use_up(late.clone()).await, AssertionUse::First);
    assert_eq!(commit!(world, tx => used_assertion::prune(tx, world.now(), 4)), 4);
    assert_eq!(
        commit!(world, tx => used_assertion::prune(tx, world.now(), 100)),
        2
    );
    assert_eq!(use_up(late.clone()).await, AssertionUse::Again);
}

async fn one_of_twenty_uses_of_an_assertion_is_the_first(world: World) {
    let setting = world.setting().await;
    let expires_at = world.now().plus(Duration::from_mins(5));
    let assertion = UsedAssertion::new(setting.gateway.id, CLIENT, "1", expires_at);
    let uses = (0..20).map(|_| {
        let (world, assertion) = (world.clone(), assertion.clone());
        tokio::spawn(
            async move { commit!(world, tx => used_assertion::use_up(tx, &assertion, 100, world.now())) },
        )
    });
    let mut first = 0;
    for outcome in uses.collect::<Vec<_>>() {
        match outcome.await.unwrap() {
            AssertionUse::First => first += 1,
            AssertionUse::Again => {}
            AssertionUse::TooMany => panic!("the cap was not reached"),
        }
    }
    assert_eq!(first, 1);
}

async fn only_the_grants_of_the_client_end(world: World) {
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let (first, second) = (setting.grant(&world).await, setting.grant(&world).await);
    let mut other = setting.new_grant(&world);
    "another-client".clone_into(&mut other.client_id);
    commit!(world, tx => grant::insert(tx, &other));
    let (now, reason) = (world.now(), RevocationReason::ClientBlocked);
    let end =
        async || commit!(world, tx => grant::revoke_of_client(tx, project, gateway, CLIENT, reason, now));
    assert_eq!(end().await, 2);
    assert_eq!(end().await, 0);
    let denied = look!(world, tx => denials::denied(tx, now));
    assert!(denied.contains(&Denied::Grant(first.id)) && denied.contains(&Denied::Grant(second.id)));
    assert!(!denied.contains(&Denied::Grant(other.id)));
    let ended = look!(world, tx => grant::find(tx, gateway, first.id)).unwrap();
    assert_eq!(ended.revoked, Some((now, reason)));
}

async fn a_client_with_a_thousand_grants_loses_them_all(world: World) {
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    // More than two batches, the last one not full.
    let grants: Vec<_> = (0..1_001).map(|_| setting.new_grant(&world)).collect();
    let tokens: Vec<_> = grants.iter().map(|stored| world.new_token(stored)).collect();
    let mut other = setting.new_grant(&world);
    "another-client".clone_into(&mut other.client_id);
    let kept = world.new_token(&other);
    let mut tx = world.store.write().await.unwrap();
    for (stored, token) in grants.iter().zip(&tokens).chain([(&other, &kept)]) {
        grant::insert(&mut tx, stored).await.unwrap();
        refresh_token::insert(&mut tx, token, world.soon()).await.unwrap();
    }
    tx.commit().await.unwrap();

    let (now, reason) = (world.now(), RevocationReason::ClientBlocked);
    let ended = commit!(world, tx => grant::revoke_of_client(tx, project, gateway, CLIENT, reason, now));
    assert_eq!(ended, 1_001);
    let denied = look!(world, tx => denials::denied(tx, now));
    assert!(
        grants
            .iter()
            .all(|stored| denied.contains(&Denied::Grant(stored.id)))
    );
    for at in [0, 500, 1_000] {
        let hash = tokens[at].hash;
        assert_eq!(
            look!(world, tx => refresh_token::find_grant(tx, gateway, hash)),
            None,
            "{at}"
        );
    }
    assert!(!denied.contains(&Denied::Grant(other.id)));
    assert!(look!(world, tx => refresh_token::find_grant(tx, gateway, kept.hash)).is_some());
}
