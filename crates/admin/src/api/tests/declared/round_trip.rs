//! What the API made is exported and applied to an empty instance, whose API then answers the same.

use serde_json::{Value, json};

use super::{
    APPLY, Bench, applied, cases, document, exported,
    generated::{Dice, project},
    instance::{Owner, answers, on_both_stores},
    planned,
};
use crate::{
    declared::model::{Gateway, Project, SecretReference},
    service::declared::References,
};

on_both_stores! {
    an_export_of_what_the_api_made_gives_an_empty_instance_the_same_answers;
}

async fn an_export_of_what_the_api_made_gives_an_empty_instance_the_same_answers(one: &Bench, other: &Bench) {
    for seed in 0..cases(12) {
        let name = format!("Project {seed}");
        let generated = project(&mut Dice::new(seed), &name, &format!("m{seed}"));
        made_by_api(one, &generated).await;
        let before = answers(one, &name).await;

        // On the instance that has it nothing differs.
        let own = document(&exported(one, &name, References::Existing).await);
        let plan = planned(one, &own, APPLY).await.unwrap();
        assert!(plan.steps.is_empty(), "seed {seed}: {:#?}", plan.steps);

        let text = exported(one, &name, References::Environment).await;
        let declaration = document(&text);
        let outcome = applied(other, &declaration, APPLY)
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert!(
            outcome
                .steps
                .iter()
                .all(|step| step.creates() || step.kind == "user_source"),
            "seed {seed}"
        );
        let after = answers(other, &name).await;
        assert_eq!(before, after, "seed {seed}\n{text}");

        // Applied again, nothing differs, and the document is the same.
        let again = applied(other, &declaration, APPLY).await.unwrap();
        assert!(again.steps.is_empty(), "seed {seed}: {:#?}", again.steps);
        assert_eq!(
            exported(other, &name, References::Environment).await,
            text,
            "seed {seed}"
        );
    }
}

/// Makes a project with the API, as a person or a program does.
async fn made_by_api(bench: &Bench, project: &Project) {
    let new = json!({"name": project.project});
    bench.post(&bench.instance, "/projects", new).await.expect(201);
    let owner = Owner::of(bench, &project.project).await;
    let (id, key) = (owner.project, owner.key.clone());
    let made = async |path: &str, new: Value| {
        let path = format!("/projects/{id}/{path}");
        bench.post(&key, &path, new).await.expect(201).body
    };
    for secret in project.secrets.iter().flatten() {
        let mut new = serde_json::to_value(secret).unwrap();
        new["value"] = value_of(&secret.value);
        made("secrets", new).await;
    }
    let mut ids = serde_json::Map::new();
    for source in project.user_sources.iter().flatten() {
        let mut new = serde_json::to_value(source).unwrap();
        new["client_secret"] = value_of(&source.client_secret);
        new["skip_validation"] = true.into();
        new.as_object_mut().unwrap().remove("status");
        ids.insert(source.name.clone(), made("user-sources", new).await["id"].clone());
    }
    for server in project.servers.iter().flatten() {
        let made = made("servers", serde_json::to_value(server).unwrap()).await;
        ids.insert(server.slug.clone(), made["id"].clone());
    }
    for gateway in project.gateways.iter().flatten() {
        let made_one = made("gateways", new_gateway(gateway, &ids)).await;
        let id = made_one["id"].as_str().unwrap();
        for client in gateway.clients.iter().flatten() {
            let path = format!("gateways/{id}/preregistered-clients");
            made(&path, serde_json::to_value(client).unwrap()).await;
        }
        ids.insert(gateway.slug.clone(), made_one["id"].clone());
    }
    for wanted in project.keys.iter().flatten() {
        let mut new = serde_json::to_value(wanted).unwrap();
        if let Some(gateway) = new.as_object_mut().unwrap().remove("gateway") {
            new["gateway_id"] = ids[gateway.as_str().unwrap()].clone();
        }
        made("api-keys", new).await;
    }
    for member in project.members.iter().flatten() {
        made("invitations", serde_json::to_value(member).unwrap()).await;
    }
    for source in project.user_sources.iter().flatten() {
        let path = format!(
            "/projects/{id}/user-sources/{}",
            ids[&source.name].as_str().unwrap()
        );
        let status = json!({"status": source.status});
        bench.patch(&key, &path, status).await.expect(200);
    }
    owner.end(bench).await;
}

fn value_of(reference: &SecretReference) -> Value {
    match reference {
        SecretReference::Env(name) => format!("value-of-{name}").into(),
        SecretReference::File(_) | SecretReference::Existing(_) => panic!("generated secrets are variables"),
    }
}

fn new_gateway(gateway: &Gateway, ids: &serde_json::Map<String, Value>) -> Value {
    let mut new = serde_json::to_value(gateway).unwrap();
    let members = new.as_object_mut().unwrap();
    members.remove("clients");
    if let Some(source) = members.remove("user_source") {
        members.insert("user_source_id".to_owned(), ids[source.as_str().unwrap()].clone());
    }
    for server in members
        .get_mut("servers")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        *server = ids[server.as_str().unwrap()].clone();
    }
    for list in ["allowed_tools", "allowed_prompts", "allowed_resources"] {
        for chosen in members
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            chosen["server"] = ids[chosen["server"].as_str().unwrap()].clone();
        }
    }
    new
}
