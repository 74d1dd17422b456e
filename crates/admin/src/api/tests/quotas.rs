//! Quotas of projects: what is refused, in which words, and that nothing is taken away.

use gatewright_domain::{
    entropy::SystemEntropy,
    id::ServerId,
    server::{IdentityForwarding, ProtocolChoice, Server},
};
use serde_json::{Value, json};

use super::bench::Bench;
use crate::config::QuotasConfig;

/// Makes the body of a creation out of a number.
type New<'a> = &'a dyn Fn(usize) -> Value;

/// The quota leaves room for what a tenant of these tests begins with.
fn small() -> QuotasConfig {
    QuotasConfig {
        servers: 2,
        gateways: 2,
        user_sources: 2,
        secrets: 2,
        api_keys: 6,
        members: 2,
        clients: 2,
        slugs: 3,
    }
}

async fn bench(quotas: QuotasConfig) -> Bench {
    Bench::with_config(|config| config.quotas = quotas).await
}

fn server(number: usize) -> Value {
    json!({"slug": format!("s{number}"), "url": "http://127.0.0.1:9/mcp", "retries": 0})
}

fn gateway(number: usize) -> Value {
    json!({"name": "G", "slug": format!("quota-{number}"), "authentication_mode": "headers"})
}

#[tokio::test]
async fn each_quota_is_reported_with_its_number_its_key_and_the_remedy() {
    let bench = bench(small()).await;
    let acme = bench.tenant("Acme").await;
    let first = bench
        .post(&acme.admin, &acme.path("gateways"), gateway(0))
        .await
        .expect(201)
        .text("id");
    let source = |number: usize| {
        json!({"name": format!("S{number}"), "issuer": "http://127.0.0.1:9", "client_id": "c",
            "client_secret": "secret-of-some-length", "skip_validation": true})
    };
    let secret = |number: usize| json!({"name": format!("KEY_{number}"), "value": "v", "origins": ["https://a.example"]});
    let key = |number: usize| json!({"name": format!("k{number}"), "role": "viewer"});
    let invitation =
        |number: usize| json!({"email": format!("person{number}@example.com"), "role": "viewer"});
    let client = |number: usize| {
        json!({"name": format!("C{number}"), "redirect_uris": ["https://app.example/callback"],
            "token_endpoint_auth_method": "none"})
    };
    let clients = format!("gateways/{first}/preregistered-clients");
    let all: [(&str, &str, New<'_>); 7] = [
        ("servers", "servers", &server),
        ("gateways", "gateways", &|number| gateway(number + 1)),
        ("user-sources", "user_sources", &source),
        ("secrets", "secrets", &secret),
        ("api-keys", "api_keys", &key),
        ("invitations", "members", &invitation),
        (&clients, "clients", &client),
    ];
    for (path, quota, new) in all {
        let mut number = 0;
        let refused = loop {
            let answer = bench.post(&acme.owner, &acme.path(path), new(number)).await;
            number += 1;
            if answer.status != 201 {
                break answer.expect(409);
            }
            assert!(number < 10, "{quota} has no bound");
        };
        let limit = serde_json::to_value(small()).unwrap()[quota].clone();
        let detail = refused.text("detail");
        assert!(detail.contains(&format!(", which is {limit}. ")), "{detail}");
        assert!(detail.contains(&format!("`quotas.{quota}`")), "{detail}");
    }
    // Another project has its own quotas.
    let other = bench.tenant("Other").await;
    bench
        .post(&other.admin, &other.path("servers"), server(0))
        .await
        .expect(201);
}

#[tokio::test]
async fn of_many_requests_at_once_only_as_many_as_fit_are_taken() {
    let bench = bench(small()).await;
    let acme = bench.tenant("Acme").await;
    let path = acme.path("servers");
    let answers =
        futures_util::future::join_all((0..8).map(|number| bench.post(&acme.admin, &path, server(number))))
            .await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(taken, 2);
    let list = bench.get(&acme.admin, &path).await.expect(200);
    assert_eq!(list.body["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_place_comes_free_again_and_a_rotated_key_takes_no_second_one() {
    let bench = bench(small()).await;
    let acme = bench.tenant("Acme").await;
    let path = acme.path("servers");
    let first = bench
        .post(&acme.admin, &path, server(0))
        .await
        .expect(201)
        .text("id");
    bench.post(&acme.admin, &path, server(1)).await.expect(201);
    bench.post(&acme.admin, &path, server(2)).await.expect(409);
    bench
        .delete(&acme.admin, &format!("{path}/{first}"))
        .await
        .expect(204);
    bench.post(&acme.admin, &path, server(2)).await.expect(201);

    let keys = acme.path("api-keys");
    let mut last = String::new();
    for number in 0..2 {
        let new = json!({"name": format!("k{number}"), "role": "viewer"});
        last = bench.post(&acme.owner, &keys, new).await.expect(201).text("id");
    }
    let one_more = json!({"name": "k9", "role": "viewer"});
    bench.post(&acme.owner, &keys, one_more).await.expect(409);
    bench
        .post(&acme.owner, &format!("{keys}/{last}/rotate"), json!({}))
        .await
        .expect(201);
}

#[tokio::test]
async fn slugs_of_deleted_and_renamed_gateways_count_and_can_be_used_again() {
    let bench = bench(small()).await;
    let acme = bench.tenant("Acme").await;
    let path = acme.path("gateways");
    let create = async |number| bench.post(&acme.admin, &path, gateway(number)).await;
    let id = create(0).await.expect(201).text("id");
    let one = format!("{path}/{id}");
    for slug in ["quota-1", "quota-2"] {
        bench
            .patch(&acme.admin, &one, json!({"slug": slug}))
            .await
            .expect(200);
    }
    let refused = bench
        .patch(&acme.admin, &one, json!({"slug": "quota-3"}))
        .await
        .expect(409);
    assert!(refused.text("detail").contains("`quotas.slugs`"), "{refused:?}");
    assert_eq!(bench.get(&acme.admin, &one).await.text("slug"), "quota-2");
    bench
        .patch(&acme.admin, &one, json!({"slug": "quota-0"}))
        .await
        .expect(200);
    create(3).await.expect(409);
    create(1).await.expect(201);
}

#[tokio::test]
async fn what_exists_works_on_when_a_quota_is_lowered() {
    let bench = bench(QuotasConfig {
        servers: 0,
        ..small()
    })
    .await;
    let acme = bench.tenant("Acme").await;
    let path = acme.path("servers");
    bench.post(&acme.admin, &path, server(0)).await.expect(409);
    // As if it had been made under a higher quota.
    let old = Server {
        id: ServerId::generate(bench.clock.as_ref(), &SystemEntropy),
        project_id: acme.project(),
        slug: "old".to_owned(),
        prefix: None,
        name: "Old".to_owned(),
        url: "http://127.0.0.1:9/mcp".to_owned(),
        timeout_ms: 1_000,
        retries: 0,
        headers: Vec::new(),
        identity: IdentityForwarding::None,
        protocol: ProtocolChoice::Automatic,
        created_at: bench.now(),
        updated_at: bench.now(),
    };
    let mut tx = bench.app.gateways().store.write().await.unwrap();
    gatewright_store::server::insert(&mut tx, &old).await.unwrap();
    tx.commit().await.unwrap();
    let id = old.id;
    let renamed = bench
        .patch(&acme.admin, &format!("{path}/{id}"), json!({"name": "Renamed"}))
        .await
        .expect(200);
    assert_eq!(renamed.text("name"), "Renamed");
}

#[tokio::test]
async fn what_adds_nothing_is_taken_when_a_quota_was_lowered() {
    let bench = bench(small()).await;
    let acme = bench.tenant("Acme").await;
    let gateways = acme.path("gateways");
    let made = bench.post(&acme.admin, &gateways, gateway(0)).await.expect(201);
    let one = format!("{gateways}/{}", made.text("id"));
    bench
        .patch(&acme.admin, &one, json!({"slug": "quota-1"}))
        .await
        .expect(200);
    let invitations = acme.path("invitations");
    let ada = json!({"email": "ada@example.com", "role": "viewer"});
    let grace = json!({"email": "grace@example.com", "role": "viewer"});
    for new in [&ada, &grace] {
        bench
            .post(&acme.owner, &invitations, new.clone())
            .await
            .expect(201);
    }
    let keys = acme.path("api-keys");
    let key = json!({"name": "k", "role": "viewer"});
    let id = bench
        .post(&acme.owner, &keys, key.clone())
        .await
        .expect(201)
        .text("id");
    let lowered = QuotasConfig {
        api_keys: 1,
        members: 1,
        slugs: 1,
        ..small()
    };
    let bench = bench.restarted(|config| config.quotas = lowered).await;
    for slug in ["quota-0", "quota-1"] {
        bench
            .patch(&acme.admin, &one, json!({"slug": slug}))
            .await
            .expect(200);
    }
    bench
        .patch(&acme.admin, &one, json!({"slug": "quota-2"}))
        .await
        .expect(409);
    bench.post(&acme.owner, &invitations, ada).await.expect(201);
    let alan = json!({"email": "alan@example.com", "role": "viewer"});
    bench.post(&acme.owner, &invitations, alan).await.expect(409);
    bench
        .post(&acme.owner, &format!("{keys}/{id}/rotate"), json!({}))
        .await
        .expect(201);
    bench.post(&acme.owner, &keys, key).await.expect(409);
}
