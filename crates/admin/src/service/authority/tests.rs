//! Which key, account and shell opens what.

use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy, id::ApiKeyId, token_hash::TokenHash};

use super::*;

fn key(scope: KeyScope) -> ApiKey {
    ApiKey {
        id: ApiKeyId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1)),
        scope,
        name: "key".to_owned(),
        hash: TokenHash::of("key"),
        expires_at: None,
        created_at: Timestamp::default(),
        last_used_at: None,
        revoked_at: None,
        successor_id: None,
    }
}

fn project(seed: u64) -> ProjectId {
    ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(seed))
}

fn of_role(role: KeyRole) -> Result<Authority, ServiceError> {
    let scope = KeyScope::Project {
        project_id: project(1),
        role,
        gateway_id: None,
    };
    Authority::of_key(&key(scope), None)
}

#[test]
fn each_role_opens_what_it_names_and_no_more() {
    let opens = |role| {
        let authority = of_role(role).unwrap();
        [
            authority.read(project(1)).is_ok(),
            authority.change(project(1)).is_ok(),
            authority.own(project(1)).is_ok(),
            authority.instance().is_ok(),
        ]
    };
    assert_eq!(opens(KeyRole::Viewer), [true, false, false, false]);
    assert_eq!(opens(KeyRole::Admin), [true, true, false, false]);
    assert_eq!(opens(KeyRole::Owner), [true, true, true, false]);
    assert!(matches!(
        of_role(KeyRole::Gateway),
        Err(ServiceError::Forbidden(_))
    ));
}

fn of_account(is_instance_admin: bool, roles: &[(ProjectId, Role)]) -> Authority {
    let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
    let account = AccountId::generate(&clock, &entropy);
    let mut authority = Authority::of_newcomer(account, IpAddr::from([127, 0, 0, 1]));
    let Access::Account(signed_in) = &mut authority.access else {
        unreachable!("it was made as an account")
    };
    signed_in.is_instance_admin = is_instance_admin;
    signed_in.roles = roles.iter().copied().collect();
    authority
}

#[test]
fn a_member_has_in_each_project_the_role_of_that_project() {
    let authority = of_account(false, &[(project(1), Role::Owner), (project(2), Role::Viewer)]);
    assert!(authority.own(project(1)).is_ok() && authority.manage_project(project(1)).is_ok());
    assert!(authority.read(project(2)).is_ok());
    assert!(matches!(
        authority.change(project(2)),
        Err(ServiceError::Forbidden(_))
    ));
    assert!(matches!(
        authority.read_project(project(3)),
        Err(ServiceError::NotFound { .. })
    ));
    assert!(authority.instance().is_err());
    assert_eq!(authority.role_in(project(2)), Some(KeyRole::Viewer));
}

#[test]
fn an_administrator_of_the_instance_opens_projects_and_nothing_inside() {
    let authority = of_account(true, &[(project(2), Role::Viewer)]);
    assert!(authority.instance().is_ok() && authority.manage_project(project(1)).is_ok());
    assert!(matches!(
        authority.read(project(1)),
        Err(ServiceError::Forbidden(_))
    ));
    assert!(authority.read(project(2)).is_ok() && authority.change(project(2)).is_err());
}

#[test]
fn a_key_is_not_an_account_and_an_account_is_not_a_key() {
    assert!(of_account(true, &[]).oneself().is_ok());
    assert!(!of_account(true, &[]).is_instance_key());
    assert!(of_role(KeyRole::Owner).unwrap().oneself().is_err());
    assert!(Authority::operator(Origin::Cli).oneself().is_err());
}

#[test]
fn another_project_is_not_there() {
    let authority = of_role(KeyRole::Owner).unwrap();
    assert!(matches!(
        authority.read(project(2)),
        Err(ServiceError::NotFound { .. })
    ));
    assert!(matches!(
        authority.read_project(project(2)),
        Err(ServiceError::NotFound { .. })
    ));
}

#[test]
fn an_instance_key_opens_projects_and_nothing_inside() {
    let authority = Authority::of_key(&key(KeyScope::Instance), None).unwrap();
    assert!(authority.instance().is_ok() && authority.manage_project(project(1)).is_ok());
    assert!(matches!(
        authority.read(project(1)),
        Err(ServiceError::Forbidden(_))
    ));
}
