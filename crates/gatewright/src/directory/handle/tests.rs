use futures_util::future::join_all;

use crate::app::testing::TestApp;

#[tokio::test]
async fn many_who_ask_at_once_are_served_by_a_few_readings() {
    let test = TestApp::new().await;
    let before = test.app.directory.readings();
    let asked = join_all((0..100).map(|_| test.app.refresh_directory())).await;
    assert!(asked.iter().all(Result::is_ok));
    let after = test.app.directory.readings();
    // One was under way when the others asked, and one began after that; a few more where the first ones were quick.
    assert!((2..=10).contains(&(after.0 - before.0)), "{before:?} {after:?}");
    assert_eq!(after.1, before.1, "nothing had changed");
}

#[tokio::test]
async fn who_waits_for_a_reading_sees_what_was_committed_before_asking() {
    let test = TestApp::new().await;
    let other = test.another().await.unwrap();
    let mut tx = other.store.write().await.unwrap();
    let grown = gatewright_store::revision::bump(&mut tx).await.unwrap();
    let (under_way, ()) = tokio::join!(test.app.refresh_directory(), async {
        tx.commit().await.unwrap();
        test.app.refresh_directory().await.unwrap();
        assert_eq!(test.app.directory.revision(), grown);
    });
    under_way.unwrap();
    assert_eq!(test.app.directory.revision(), grown);
}
