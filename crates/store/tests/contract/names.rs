//! Names of several objects at once, and what a user holds.

use gatewright_store::{
    grant, held_grants, names,
    names::{Choice, Kind},
};

use crate::world::{World, commit, contract, look};

contract!(only_objects_of_the_project_are_named, a_user_holds_what_is_live,);

async fn only_objects_of_the_project_are_named(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let elsewhere = world.project().await.id;
    let called = setting.user.display_name.clone().or(setting.user.email.clone());
    let called = called.unwrap_or(setting.user.key.subject.clone());
    for (kind, id, name) in [
        (
            Kind::Gateway,
            setting.gateway.id.to_string(),
            &setting.gateway.name,
        ),
        (
            Kind::UserSource,
            setting.source.id.to_string(),
            &setting.source.name,
        ),
        (Kind::User, setting.user.id.to_string(), &called),
    ] {
        let ids = [id.clone(), "gw_unknown".to_owned()];
        let found = look!(world, tx => names::of(tx, project, kind, &ids));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(id, name.clone())]);
        assert!(look!(world, tx => names::of(tx, elsewhere, kind, &ids)).is_empty());
        assert!(look!(world, tx => names::of(tx, project, kind, &[])).is_empty());
    }
    for kind in [Kind::Server, Kind::ApiKey, Kind::Account] {
        let ids = [setting.user.id.to_string()];
        assert!(look!(world, tx => names::of(tx, project, kind, &ids)).is_empty());
    }
    let sources = look!(world, tx => names::to_choose_from(tx, project, Choice::UserSource));
    assert_eq!(
        sources,
        [(setting.source.id.to_string(), setting.source.name.clone())]
    );
    let gateways = look!(world, tx => names::to_choose_from(tx, project, Choice::Gateway));
    assert_eq!(gateways[0].1, setting.gateway.name);
    assert!(look!(world, tx => names::to_choose_from(tx, elsewhere, Choice::Gateway)).is_empty());
}

async fn a_user_holds_what_is_live(world: World) {
    let setting = world.setting().await;
    let (project, user) = (setting.project.id, setting.user.id);
    let held = async |project| {
        let held = look!(world, tx => held_grants::count_of_user(tx, project, user, world.now()));
        (held.live, held.gateways)
    };
    assert_eq!(held(project).await, (0, 0));
    let first = setting.grant(&world).await;
    setting.grant(&world).await;
    assert_eq!(held(project).await, (2, 1));
    assert_eq!(held(world.project().await.id).await, (0, 0));
    let reason = gatewright_domain::grant::RevocationReason::Administrator;
    assert!(commit!(world, tx => grant::revoke(tx, project, first.id, reason, world.now())));
    assert_eq!(held(project).await, (1, 1));
}
