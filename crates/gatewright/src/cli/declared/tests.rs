//! The commands on an instance of their own.

use std::{path::PathBuf, process::ExitCode};

use gatewright_admin::testing::TestAdmin;

use super::{
    apply::{Arguments, apply},
    files::declarations,
};

struct World {
    test: TestAdmin,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self {
            test: TestAdmin::new().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn apply(&self, arguments: &Arguments) -> anyhow::Result<ExitCode> {
        apply(
            &self.test.app,
            arguments,
            &declarations(&[self.folder.path().to_owned()])?,
        )
        .await
    }
}

const ACME: &str = "version: 1\nproject: Acme\nservers:\n  - {slug: a, url: \"https://a.example/mcp\"}\n";

#[tokio::test]
async fn a_plan_changes_nothing_and_a_second_apply_neither() {
    let world = World::new().await;
    world.file("acme.yaml", ACME);
    let plan = Arguments::of(true, false, None);
    assert_eq!(world.apply(&plan).await.unwrap(), ExitCode::from(2));
    assert_eq!(world.apply(&plan).await.unwrap(), ExitCode::from(2));
    let apply = Arguments::of(false, false, None);
    assert_eq!(world.apply(&apply).await.unwrap(), ExitCode::SUCCESS);
    assert_eq!(world.apply(&plan).await.unwrap(), ExitCode::SUCCESS);
    assert_eq!(world.apply(&apply).await.unwrap(), ExitCode::SUCCESS);
}

#[tokio::test]
async fn credentials_go_into_a_file_that_did_not_exist_and_nowhere_else() {
    let world = World::new().await;
    world.file(
        "acme.yml",
        &format!("{ACME}keys:\n  - {{name: CI, role: admin}}\n"),
    );
    let refused = world.apply(&Arguments::of(false, false, None)).await.unwrap_err();
    assert!(refused.to_string().contains("--credentials FILE"), "{refused}");
    let taken = world.file("taken", "");
    let refused = world
        .apply(&Arguments::of(false, false, Some(&taken)))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("Name one that does not exist"),
        "{refused}"
    );
    let free = world.folder.path().join("free");
    let with_file = Arguments::of(false, false, Some(&free));
    assert_eq!(world.apply(&with_file).await.unwrap(), ExitCode::SUCCESS);
    let written = std::fs::read_to_string(&free).unwrap();
    assert!(
        written.contains("\"text\":\"gwk_") && written.lines().count() == 1,
        "{written}"
    );
    assert_eq!(
        world.apply(&Arguments::of(true, false, None)).await.unwrap(),
        ExitCode::SUCCESS
    );
}

#[tokio::test]
async fn every_mistake_of_all_files_is_reported_and_nothing_is_applied() {
    let world = World::new().await;
    world.file("a.yaml", "version: 1\nproject: A\ngateways:\n  - {slug: g, name: G, authentication_mode: headers, servers: [x]}\n");
    world.file(
        "b.yaml",
        "version: 1\nproject: B\nservers:\n  - {slug: s, url: nowhere}\n",
    );
    world.file("c.yaml", ACME);
    let refused = world
        .apply(&Arguments::of(false, false, None))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("a.yaml:4: gateways[0].servers[0]: There is no server of this name"),
        "{refused}"
    );
    assert!(
        refused.contains("b.yaml:4: servers[0].url: This is not a URL"),
        "{refused}"
    );
    assert_eq!(
        world
            .apply(&Arguments::of(true, false, None))
            .await
            .unwrap_err()
            .to_string(),
        refused
    );
}

#[test]
fn a_project_is_declared_once_and_a_folder_has_files() {
    let folder = tempfile::tempdir().unwrap();
    let read = || declarations(&[folder.path().to_owned()]).map(|read| read.len());
    let refused = |found: anyhow::Result<usize>| found.unwrap_err().to_string();
    assert!(refused(read()).contains("has no file that ends with .yaml"));
    std::fs::write(folder.path().join("a.yaml"), "# nothing\n").unwrap();
    assert!(refused(read()).contains("declare no project"));
    std::fs::write(folder.path().join("b.yml"), format!("{ACME}---\n{ACME}")).unwrap();
    assert!(refused(read()).contains("is declared twice"));
    std::fs::write(folder.path().join("b.yml"), ACME).unwrap();
    std::fs::write(folder.path().join(".c.yml"), ACME).unwrap();
    assert_eq!(read().unwrap(), 1);
    std::fs::write(folder.path().join("b.yml"), b"\xff").unwrap();
    assert!(refused(read()).contains("UTF-8"));
}
