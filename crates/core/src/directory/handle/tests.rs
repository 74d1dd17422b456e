use futures_util::future::join_all;

use crate::testing::TestCore;

#[tokio::test]
async fn many_who_ask_at_once_are_served_by_a_few_readings() {
    let test = TestCore::new().await;
    let before = test.core.directory.readings();
    // All of them ask while a reading is in progress, so one more reading serves them all.
    let under_way = test.core.directory.turn.lock().await;
    let (asked, ()) = tokio::join!(join_all((0..100).map(|_| test.core.refresh_directory())), async {
        drop(under_way);
    });
    assert!(asked.iter().all(Result::is_ok));
    let after = test.core.directory.readings();
    assert_eq!(after.0 - before.0, 1, "{before:?} {after:?}");
    assert_eq!(after.1, before.1, "nothing had changed");
}

#[tokio::test]
async fn a_reader_sees_what_was_committed_before_it_asked() {
    let test = TestCore::new().await;
    let other = test.another().await.unwrap();
    let mut tx = other.store.write().await.unwrap();
    let grown = gatewright_store::revision::bump(&mut tx).await.unwrap();
    let (under_way, ()) = tokio::join!(test.core.refresh_directory(), async {
        tx.commit().await.unwrap();
        test.core.refresh_directory().await.unwrap();
        assert_eq!(test.core.directory.revision(), grown);
    });
    under_way.unwrap();
    assert_eq!(test.core.directory.revision(), grown);
}
