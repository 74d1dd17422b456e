//! Each operation for each kind of key: who can, who cannot, and what another project sees.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    bench::{Bench, new_source},
    document::{document, operations, with_ids},
};

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// A key of the instance.
    Instance,
    /// Any key but one of role `gateway`.
    Any,
    /// A viewer of the project, or an instance key.
    ViewerOrInstance,
    /// An owner of the project, or an instance key.
    OwnerOrInstance,
    Viewer,
    Admin,
    Owner,
    /// The session of an account, which no key has.
    Session,
}

/// Every operation of the document. One that is not here fails the test, and so does a line without its operation.
const TABLE: &[(Needs, &[&str])] = &[
    (
        Needs::Instance,
        &[
            "create_project",
            "create_instance_key",
            "list_instance_keys",
            "get_instance_key",
            "update_instance_key",
            "rotate_instance_key",
            "revoke_instance_key",
            "list_instance_audit_events",
            "get_instance_audit_event",
            "export_instance_audit_events",
            "get_instance_audit_chain",
            "list_sign_in_refusals",
            "create_stream",
            "list_streams",
            "get_stream",
            "update_stream",
            "delete_stream",
            "test_stream",
            "list_accounts",
            "get_account",
            "end_account_sessions",
        ],
    ),
    (
        Needs::Any,
        &["list_projects", "list_provider_presets", "list_known_clients"],
    ),
    (Needs::ViewerOrInstance, &["get_project"]),
    (
        Needs::OwnerOrInstance,
        &[
            "update_project",
            "delete_project",
            "create_api_key",
            "create_invitation",
        ],
    ),
    (
        Needs::Viewer,
        &[
            "list_managed_objects",
            "list_user_sources",
            "get_user_source",
            "list_gateways",
            "get_gateway",
            "list_servers",
            "get_server",
            "get_server_check",
            "list_secrets",
            "get_secret",
            "list_users",
            "get_user",
            "list_grants",
            "list_api_keys",
            "get_api_key",
            "list_audit_events",
            "get_audit_event",
            "export_audit_events",
            "get_audit_chain",
            "list_preregistered_clients",
            "get_preregistered_client",
            "list_clients",
            "list_blocked_clients",
            "get_test_sign_in",
            "list_sign_in_attempts",
            "get_sign_in_attempt",
            "list_activity",
            "get_activity",
            "list_incidents",
            "get_incident",
            "get_attention",
            "list_members",
            "get_member",
            "list_member_grants",
            "list_invitations",
            "get_invitation",
        ],
    ),
    (
        Needs::Admin,
        &[
            "create_user_source",
            "update_user_source",
            "delete_user_source",
            "test_connection",
            "check_provider",
            "start_test_sign_in",
            "create_gateway",
            "update_gateway",
            "delete_gateway",
            "delete_recorded_arguments",
            "create_server",
            "update_server",
            "delete_server",
            "check_server",
            "create_secret",
            "update_secret",
            "delete_secret",
            "update_user",
            "delete_user",
            "end_grants",
            "end_grant",
            "end_member_grants",
            "end_member_grant",
            "create_preregistered_client",
            "update_preregistered_client",
            "delete_preregistered_client",
            "rotate_client_secret",
            "block_client",
            "unblock_client",
            "call_tool",
            "request_prompt",
            "request_resource",
        ],
    ),
    (
        Needs::Owner,
        &[
            "update_api_key",
            "rotate_api_key",
            "revoke_api_key",
            "update_member",
            "remove_member",
            "revoke_invitation",
        ],
    ),
    (
        Needs::Session,
        &[
            "join_project",
            "get_own_account",
            "update_own_account",
            "change_password",
            "list_own_memberships",
            "list_sessions",
            "end_other_sessions",
            "end_session",
            "update_account",
            "make_password_link",
        ],
    ),
];

fn needs(operation: &str) -> Needs {
    let line = TABLE
        .iter()
        .find(|(_, operations)| operations.contains(&operation));
    line.unwrap_or_else(|| panic!("say in the table what {operation} needs"))
        .0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Instance,
    Owner,
    Admin,
    Viewer,
    Gateway,
    OwnerElsewhere,
}

/// The status of a refusal; `None` if the operation is allowed.
fn refusal(needs: Needs, who: Who, in_project: bool) -> Option<u16> {
    let is_open = match (who, needs) {
        (Who::Gateway, _) | (_, Needs::Session) => false,
        (_, Needs::Any) => true,
        (Who::Instance, needs) => {
            matches!(
                needs,
                Needs::Instance | Needs::ViewerOrInstance | Needs::OwnerOrInstance
            )
        }
        (_, Needs::Instance) => false,
        (Who::OwnerElsewhere, _) if in_project => return Some(404),
        (Who::OwnerElsewhere | Who::Owner, _) => true,
        (Who::Admin, needs) => matches!(needs, Needs::Viewer | Needs::ViewerOrInstance | Needs::Admin),
        (Who::Viewer, needs) => matches!(needs, Needs::Viewer | Needs::ViewerOrInstance),
    };
    (!is_open).then_some(403)
}

#[tokio::test]
async fn each_operation_is_open_to_its_roles_and_to_no_other() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let listed: usize = TABLE.iter().map(|(_, operations)| operations.len()).sum();
    assert_eq!(
        listed,
        operations(&document).len(),
        "the table has a line without its operation"
    );
    let callers = [
        (Who::Instance, &bench.instance),
        (Who::Owner, &acme.owner),
        (Who::Admin, &acme.admin),
        (Who::Viewer, &acme.viewer),
        (Who::Gateway, &acme.gateway),
        (Who::OwnerElsewhere, &other.owner),
    ];
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let needs = needs(id);
        let in_project = path.contains("{project}");
        let filled = with_ids(&path, &operation, &acme.id);
        let filled = filled.strip_prefix("/api/v1").unwrap();
        let body = operation.get("requestBody").map(|_| json!({}));
        for (who, key) in callers {
            // A version that never existed: a caller that passes the role check is stopped here, so that nothing changes.
            let headers = [("if-match", "\"1\"")];
            let answer = bench
                .with(method.clone(), filled, Some(key), &headers, body.clone())
                .await;
            let status = answer.status.as_u16();
            match refusal(needs, who, in_project) {
                Some(refusal) => assert_eq!(status, refusal, "{who:?} at {id}: {:#}", answer.body),
                None => assert!(
                    matches!(status, 200 | 404 | 412 | 422),
                    "{who:?} at {id}: {status}"
                ),
            }
            if status == 404 && refusal(needs, who, in_project).is_none() {
                // The object is missing, not the project.
                assert!(!answer.text("detail").contains("such project"), "{who:?} at {id}");
            }
        }
    }
}

#[tokio::test]
async fn what_belongs_to_another_project_is_not_there() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let new = json!({"name": "TOKEN", "value": "canary", "origins": ["https://mcp.example.com"]});
    let secret = bench
        .post(&acme.admin, &acme.path("secrets"), new)
        .await
        .expect(201)
        .text("id");
    let new = json!({"slug": "tools", "url": "https://mcp.example.com/mcp"});
    let server = bench
        .post(&acme.admin, &acme.path("servers"), new)
        .await
        .expect(201)
        .text("id");
    let user = bench.user(&acme, &source, "ada").await.to_string();
    let keys = bench.get(&acme.owner, &acme.path("api-keys")).await.expect(200);
    let key = keys.body["items"][0]["id"].as_str().unwrap().to_owned();
    let events = bench
        .get(&acme.owner, &acme.path("audit-events"))
        .await
        .expect(200);
    let event = events.body["items"][0]["id"].as_str().unwrap().to_owned();
    for object in [
        format!("user-sources/{source}"),
        format!("gateways/{gateway}"),
        format!("secrets/{secret}"),
        format!("servers/{server}"),
        format!("users/{user}"),
        format!("api-keys/{key}"),
        format!("audit-events/{event}"),
    ] {
        bench.get(&acme.owner, &acme.path(&object)).await.expect(200);
        bench.get(&other.owner, &other.path(&object)).await.expect(404);
        bench.get(&other.owner, &acme.path(&object)).await.expect(404);
        if !object.starts_with("audit-events") {
            bench
                .patch(&other.owner, &other.path(&object), json!({}))
                .await
                .expect(404);
            bench.delete(&other.owner, &other.path(&object)).await.expect(404);
            bench.get(&acme.owner, &acme.path(&object)).await.expect(200);
        }
    }
    let items = |answer: &Value| answer["items"].as_array().unwrap().len();
    for list in ["user-sources", "gateways", "secrets", "servers", "users"] {
        assert_eq!(
            items(&bench.get(&other.owner, &other.path(list)).await.expect(200).body),
            0,
            "{list}"
        );
    }

    // Nor can a body reach it.
    let with = |members: Value| {
        let mut new = json!({"name": "Mine", "authentication_mode": "headers"});
        new.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        new
    };
    let named = |list: &str, key: &str| json!({list: [{"server": server, key: "search"}]});
    let gateways = other.path("gateways");
    for (members, pointer) in [
        (
            json!({"authentication_mode": "user_source", "user_source_id": source}),
            "/user_source_id",
        ),
        (json!({"servers": [server]}), "/servers/0"),
        (named("allowed_tools", "tool"), "/allowed_tools/0/server"),
        (named("allowed_prompts", "prompt"), "/allowed_prompts/0/server"),
        (named("allowed_resources", "uri"), "/allowed_resources/0/server"),
    ] {
        let answer = bench
            .post(&other.admin, &gateways, with(members))
            .await
            .expect(422);
        assert_eq!(answer.pointers(), [pointer]);
    }
    let bound = json!({"name": "bound", "role": "gateway", "gateway_id": gateway});
    let answer = bench
        .post(&other.owner, &other.path("api-keys"), bound)
        .await
        .expect(422);
    assert_eq!(answer.pointers(), ["/gateway_id"]);
    let naming = json!({
        "slug": "mine", "url": "https://mcp.example.com",
        "headers": [{"name": "X-Key", "value": "${secret:TOKEN}"}],
    });
    bench
        .post(&other.admin, &other.path("servers"), naming)
        .await
        .expect(422);
    assert_eq!(items(&bench.get(&other.owner, &gateways).await.body), 0);
    bench
        .post(&other.admin, &other.path("user-sources"), new_source("Okta"))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_project_key_sees_its_own_project_only() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let names = async |key: &str| {
        let answer = bench.get(key, "/projects").await.expect(200);
        let items = answer.body["items"].as_array().unwrap().clone();
        let mut names: Vec<_> = items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&bench.instance).await, ["Acme", "Other"]);
    assert_eq!(names(&acme.viewer).await, ["Acme"]);
    assert_eq!(names(&other.owner).await, ["Other"]);
    let path = format!("/projects/{}", acme.id);
    bench
        .with(Method::GET, &path, Some(&other.owner), &[], None)
        .await
        .expect(404);
    bench
        .patch(&acme.owner, &path, json!({"name": "Acme Corp"}))
        .await
        .expect(200);
    let taken = bench
        .patch(&acme.owner, &path, json!({"name": "other"}))
        .await
        .expect(422);
    assert_eq!(taken.pointers(), ["/name"]);
    bench
        .delete(&acme.owner, &format!("{path}?confirm_name=Acme%20Corp"))
        .await
        .expect(204);
    // Its keys are deleted with it.
    bench.get(&acme.owner, &path).await.expect(401);
    assert_eq!(names(&bench.instance).await, ["Other"]);
    let events = bench
        .get(&bench.instance, "/audit-events?action=project.deleted")
        .await
        .expect(200);
    assert_eq!(events.body["items"][0]["object"]["name"], "Acme Corp");
}
