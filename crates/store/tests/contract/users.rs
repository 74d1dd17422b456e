//! Users: one per source, issuer, claim and subject; blocked and deleted ones are denied.

use std::time::Duration;

use gatewright_domain::{
    id::UserId,
    user::{User, UserStatus},
    user_source::UserSource,
};
use gatewright_store::{
    PageRequest, directory, grant, project_contents,
    revocation::{self, Denied},
    user::{self, UserCount, UserFilter},
    user_source,
};

use crate::{
    denials,
    world::{World, commit, contract, look},
};

contract!(
    a_second_sign_in_refreshes_and_forgets_nothing,
    a_withdrawn_address_is_deleted_and_no_longer_found,
    every_part_of_the_key_makes_another_person,
    users_are_found_by_name,
    users_are_listed_newest_first_and_by_status,
    a_search_among_many_stops_and_continues,
    users_known_under_another_issuer_or_claim_are_marked_and_not_counted,
    a_blocked_user_is_denied_until_unblocked,
    a_deleted_user_is_denied_while_tokens_may_be_in_use,
);

fn called(search: &str) -> UserFilter {
    UserFilter {
        search: Some(search.to_owned()),
        ..UserFilter::default()
    }
}

async fn a_second_sign_in_refreshes_and_forgets_nothing(world: World) {
    let setting = world.setting().await;
    let first = setting.user.clone();
    world.clock.advance(Duration::from_hours(1));
    let mut again = world.new_user(setting.project.id, setting.source.id);
    again.key = first.key.clone();
    again.display_name = None;
    again.email = Some("new@example.com".to_owned());
    let stored = commit!(world, tx => user::sign_in(tx, &again));
    let expected = User {
        email: again.email.clone(),
        last_sign_in_at: world.now(),
        ..first.clone()
    };
    assert_eq!(stored, expected);
    assert_eq!(
        look!(world, tx => user::find(tx, setting.project.id, first.id)),
        Some(expected)
    );
    // Signing in does not unblock.
    let block = commit!(world, tx => user::set_status(tx, setting.project.id, first.id, UserStatus::Blocked));
    assert!(block);
    assert_eq!(
        commit!(world, tx => user::sign_in(tx, &again)).status,
        UserStatus::Blocked
    );
}

async fn a_withdrawn_address_is_deleted_and_no_longer_found(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let mut user = setting.user.clone();
    user.email = Some("Withdrawn@Example.com".to_owned());
    commit!(world, tx => user::sign_in(tx, &user));
    let page = PageRequest::first(10);
    let found = look!(world, tx => user::list(tx, project, &called("withdrawn"), &page));
    assert_eq!(found.items.len(), 1);
    let other = world.project().await.id;
    commit!(world, tx => user::forget_email(tx, other, user.id));
    assert!(
        look!(world, tx => user::find(tx, project, user.id))
            .unwrap()
            .email
            .is_some()
    );
    commit!(world, tx => user::forget_email(tx, project, user.id));
    assert_eq!(
        look!(world, tx => user::find(tx, project, user.id))
            .unwrap()
            .email,
        None
    );
    let found = look!(world, tx => user::list(tx, project, &called("withdrawn"), &page));
    assert_eq!(found.items, []);
}

async fn every_part_of_the_key_makes_another_person(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let first = &setting.user;
    let second_source = world.source(project).await;
    let mut others = vec![first.key.clone(); 4];
    others[0].user_source_id = second_source.id;
    others[1].issuer.push('/');
    others[2].claim = String::from("oid");
    others[3].subject = first.key.subject.to_uppercase();
    for key in others {
        let mut other = world.new_user(project, key.user_source_id);
        other.key = key;
        let stored = commit!(world, tx => user::sign_in(tx, &other));
        assert_eq!(stored.id, other.id);
        assert_ne!(stored.id, first.id);
    }
    // Where one part ends and the next begins matters.
    let mut shifted = world.new_user(project, setting.source.id);
    shifted.key.claim = String::from("su");
    shifted.key.subject = format!("b{}", first.key.subject);
    shifted.key.issuer.clone_from(&first.key.issuer);
    assert_eq!(commit!(world, tx => user::sign_in(tx, &shifted)).id, shifted.id);
    let elsewhere = world.project().await.id;
    assert_eq!(look!(world, tx => user::find(tx, elsewhere, first.id)), None);
}

async fn users_are_found_by_name(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let mut zoe = world.new_user(project, setting.source.id);
    zoe.display_name = Some("Zoë Ünal 100%".to_owned());
    zoe.email = Some("Zoe_U@Example.com".to_owned());
    zoe.key.subject = String::from("OKTA|zoe");
    commit!(world, tx => user::sign_in(tx, &zoe));
    let elsewhere = world.source(project).await;
    let all = PageRequest::first(50);
    for wanted in ["ZOË", "ünal", "100%", "zoe_u@example", "okta|", "AMPLE"] {
        let found = look!(world, tx => user::list(tx, project, &called(wanted), &all)).items;
        assert!(found.iter().any(|user| user.id == zoe.id), "{wanted}");
        let mut filter = UserFilter {
            user_source_id: Some(setting.source.id),
            ..called(wanted)
        };
        let found = look!(world, tx => user::list(tx, project, &filter, &all)).items;
        assert!(found.iter().any(|user| user.id == zoe.id), "{wanted}");
        filter.user_source_id = Some(elsewhere.id);
        assert!(
            look!(world, tx => user::list(tx, project, &filter, &all))
                .items
                .is_empty()
        );
    }
    // Wildcards of SQL are letters here, and nothing matches a NUL.
    for wanted in ["z_e", "zoe%u", "!", "\0"] {
        let found = look!(world, tx => user::list(tx, project, &called(wanted), &all)).items;
        assert!(found.is_empty(), "{wanted}");
    }
    assert_eq!(
        look!(world, tx => user::list(tx, project, &UserFilter::default(), &all))
            .items
            .len(),
        2
    );
    let filter = UserFilter {
        user_source_id: Some(setting.source.id),
        ..UserFilter::default()
    };
    let of_source = look!(world, tx => user::list(tx, project, &filter, &all));
    assert_eq!(of_source.items.len(), 2);
    let stranger = world.project().await.id;
    assert!(
        look!(world, tx => user::list(tx, stranger, &UserFilter::default(), &all))
            .items
            .is_empty()
    );
}

async fn users_are_listed_newest_first_and_by_status(world: World) {
    let setting = world.setting().await;
    let (project, first) = (setting.project.id, setting.user.id);
    world.clock.advance(Duration::from_secs(1));
    let second = world.new_user(project, setting.source.id);
    let second = commit!(world, tx => user::sign_in(tx, &second)).id;
    commit!(world, tx => user::set_status(tx, project, first, UserStatus::Blocked));
    let ids = async |status: Option<UserStatus>, after: Option<UserId>| {
        let filter = UserFilter {
            status,
            ..UserFilter::default()
        };
        let page = PageRequest {
            after: after.map(|id| id.to_string()),
            limit: 1,
        };
        let found = look!(world, tx => user::list(tx, project, &filter, &page));
        (
            found.items.iter().map(|user| user.id).collect::<Vec<_>>(),
            found.next,
        )
    };
    assert_eq!(ids(None, None).await, (vec![second], Some(second.to_string())));
    assert_eq!(ids(None, Some(second)).await, (vec![first], None));
    assert_eq!(ids(Some(UserStatus::Active), None).await, (vec![second], None));
    assert_eq!(ids(Some(UserStatus::Blocked), None).await, (vec![first], None));
}

async fn a_search_among_many_stops_and_continues(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let mut needle = setting.user.clone();
    needle.display_name = Some("Needle".to_owned());
    commit!(world, tx => user::sign_in(tx, &needle));
    for _ in 0..20 {
        world.clock.advance(Duration::from_millis(1));
        let mut straw = world.new_user(project, setting.source.id);
        straw.display_name = Some("Straw".to_owned());
        commit!(world, tx => user::sign_in(tx, &straw));
    }
    let look = async |search: &str, after: Option<String>, searched: u32| {
        let page = PageRequest { after, limit: 8 };
        look!(world, tx => user::list_among(tx, project, &called(search), &page, searched))
    };
    let first = look("needle", None, 20).await;
    assert_eq!(first.items, [], "it is older than all that were searched");
    let second = look("needle", first.next, 20).await;
    let found: Vec<_> = second.items.iter().map(|user| user.id).collect();
    assert_eq!((found, second.next), (vec![needle.id], None));
    // With one more, it is included; a full page continues like any other.
    assert_eq!(look("needle", None, 21).await.items.len(), 1);
    let straw = look("straw", None, 10).await;
    assert_eq!(straw.items.len(), 8);
    assert_eq!(straw.next, Some(straw.items[7].id.to_string()));
    let rest = look("straw", straw.next, 10).await;
    assert_eq!(rest.items.len(), 8);
    let rest = look("straw", rest.next, 10).await;
    assert_eq!((rest.items.len(), rest.next), (4, None));
}

async fn users_known_under_another_issuer_or_claim_are_marked_and_not_counted(world: World) {
    let setting = world.setting().await;
    let (project, source) = (setting.project.id, setting.source.id);
    let sign_in = async |issuer: &str, claim: &str| {
        let mut user = world.new_user(project, source);
        user.key.issuer = issuer.to_owned();
        user.key.claim = claim.to_owned();
        commit!(world, tx => user::sign_in(tx, &user)).id
    };
    let edit = async |change: &(dyn Fn(&mut UserSource) + Sync)| {
        let seen = look!(world, tx => user_source::find(tx, project, source)).unwrap();
        let mut next = seen.clone();
        change(&mut next);
        next.identity_epoch += 1;
        assert!(commit!(world, tx => user_source::update(tx, &next, &seen)));
    };
    let (issuer, claim) = (
        setting.source.issuer.as_str(),
        setting.source.subject_claim.as_str(),
    );
    let first = setting.user.id;
    let listed = async |former| {
        let filter = UserFilter {
            former,
            ..UserFilter::default()
        };
        let page = PageRequest::first(10);
        let found = look!(world, tx => user::list(tx, project, &filter, &page));
        let mut ids: Vec<_> = found.items.into_iter().map(|user| user.id).collect();
        ids.sort();
        ids
    };
    let counts = async || {
        let of_source = look!(world, tx => user::count_of_user_source(tx, project, source));
        let all = look!(world, tx => project_contents::count(tx, project)).users;
        assert_eq!(all, of_source.present);
        of_source
    };
    assert_eq!(
        counts().await,
        UserCount {
            present: 1,
            former: 0
        }
    );
    // Another client keeps everyone's identity.
    edit(&|source| "client-2".clone_into(&mut source.client_id)).await;
    assert_eq!(
        counts().await,
        UserCount {
            present: 1,
            former: 0
        }
    );
    edit(&|source| "oid".clone_into(&mut source.subject_claim)).await;
    assert_eq!(
        counts().await,
        UserCount {
            present: 0,
            former: 1
        }
    );
    let second = sign_in(issuer, "oid").await;
    assert_eq!(
        counts().await,
        UserCount {
            present: 1,
            former: 1
        }
    );
    edit(&|source| "https://elsewhere.example.com".clone_into(&mut source.issuer)).await;
    let third = sign_in("https://elsewhere.example.com", "oid").await;
    assert_eq!(
        counts().await,
        UserCount {
            present: 1,
            former: 2
        }
    );
    assert_eq!(listed(Some(false)).await, [third]);
    // IDs of one millisecond come in any order.
    let sorted = |mut ids: Vec<UserId>| {
        ids.sort();
        ids
    };
    assert_eq!(listed(Some(true)).await, sorted(vec![first, second]));
    assert_eq!(listed(None).await, sorted(vec![first, second, third]));
    // Back under the first identity, people are the same as before.
    edit(&|source| {
        issuer.clone_into(&mut source.issuer);
        claim.clone_into(&mut source.subject_claim);
    })
    .await;
    assert_eq!(listed(Some(false)).await, [first]);
}

async fn a_blocked_user_is_denied_until_unblocked(world: World) {
    let setting = world.setting().await;
    let (project, id) = (setting.project.id, setting.user.id);
    let elsewhere = world.project().await.id;
    assert!(!commit!(world, tx => user::set_status(tx, elsewhere, id, UserStatus::Blocked)));
    assert!(commit!(world, tx => user::set_status(tx, project, id, UserStatus::Blocked)));
    let denied = look!(world, tx => directory::read(tx)).denied;
    assert_eq!(denied, [Denied::User(id)]);
    assert!(commit!(world, tx => user::set_status(tx, project, id, UserStatus::Active)));
    assert!(look!(world, tx => directory::read(tx)).denied.is_empty());
}

async fn a_deleted_user_is_denied_while_tokens_may_be_in_use(world: World) {
    let setting = world.setting().await;
    let (project, id) = (setting.project.id, setting.user.id);
    let grant = setting.grant(&world).await;
    let elsewhere = world.project().await.id;
    assert!(!commit!(world, tx => user::delete(tx, elsewhere, id, world.now())));
    assert!(commit!(world, tx => user::delete(tx, project, id, world.now())));
    assert!(!commit!(world, tx => user::delete(tx, project, id, world.now())));
    assert_eq!(
        look!(world, tx => grant::find(tx, setting.gateway.id, grant.id)),
        None
    );
    assert_eq!(
        look!(world, tx => denials::denied(tx, world.now())),
        [Denied::User(id)]
    );
    assert_eq!(commit!(world, tx => revocation::prune(tx, world.now(), 10)), 0);
    world.clock.advance(Duration::from_hours(1));
    assert!(look!(world, tx => denials::denied(tx, world.now())).is_empty());
    assert_eq!(commit!(world, tx => revocation::prune(tx, world.now(), 10)), 1);
    // A person who signs in again with the same key is a new user.
    let mut again = world.new_user(project, setting.source.id);
    again.key = setting.user.key.clone();
    assert_eq!(commit!(world, tx => user::sign_in(tx, &again)).id, again.id);
}
