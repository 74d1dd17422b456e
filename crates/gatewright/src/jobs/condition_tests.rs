//! Faults, and the gauges that show them.

use std::{sync::Arc, time::Duration};

use gatewright_store::StoreError;

use gatewright_admin::testing::TestAdmin;

fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("{name} is missing in:\n{text}"));
    line.rsplit(' ').next().unwrap()
}

fn number(text: &str, name: &str) -> f64 {
    value(text, name).parse().unwrap()
}

fn look(test: &TestAdmin) -> String {
    gatewright_core::status::look(&test.app);
    test.app.telemetry.encode().unwrap()
}

#[tokio::test]
async fn each_fault_shows_in_a_measure_and_its_end_too() {
    let test = TestAdmin::new().await;
    let well = look(&test);
    assert_eq!(value(&well, "gatewright_ready"), "1");
    assert_eq!(value(&well, "gatewright_database_writable"), "1");
    assert!(number(&well, "gatewright_directory_age_seconds") < 1.0);
    assert!(number(&well, "gatewright_open_files") > 3.0);
    assert!(number(&well, "gatewright_open_files") < number(&well, "gatewright_open_files_max"));
    assert!(number(&well, "gatewright_resident_memory_bytes") > 1_000_000.0);

    test.clock.advance(Duration::from_secs(7));
    let stale = look(&test);
    assert_eq!(value(&stale, "gatewright_ready"), "0");
    assert_eq!(value(&stale, "gatewright_directory_age_seconds"), "7.0");
    test.app.refresh_directory().await.unwrap();
    assert_eq!(value(&look(&test), "gatewright_ready"), "1");

    let tx = test.app.core().store.write().await.unwrap();
    let in_use = "gatewright_database_connections{state=\"in_use\"}";
    assert!(number(&look(&test), in_use) >= 1.0);
    let waiting = "gatewright_database_connections{state=\"waiting\"}";
    assert_eq!(value(&look(&test), waiting), "0");
    let app = Arc::clone(&test.app);
    let another = tokio::spawn(async move { app.core().store.write().await.map(drop) });
    while value(&look(&test), waiting) == "0" {
        tokio::task::yield_now().await;
    }
    drop(tx);
    another.await.unwrap().unwrap();
    assert_eq!(value(&look(&test), waiting), "0");

    let file = test.app.config.database.data_dir.join(crate::config::SQLITE_FILE);
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    super::probe_once(&test.app).await.unwrap_err();
    let gone = look(&test);
    assert_eq!(value(&gone, "gatewright_ready"), "0");
    assert_eq!(value(&gone, "gatewright_database_writable"), "0");
    std::fs::rename(&aside, &file).unwrap();
    super::probe_once(&test.app).await.unwrap();
    assert_eq!(value(&look(&test), "gatewright_database_writable"), "1");

    test.app
        .telemetry
        .count_request("/mcp/{slug}", Some(429), Duration::ZERO);
    let limited = "gatewright_rate_limited_total{route=\"/mcp/{slug}\"}";
    assert_eq!(value(&look(&test), limited), "1");
}

#[tokio::test]
async fn a_database_where_no_write_gets_its_turn_is_not_ready() {
    let test = TestAdmin::new().await;
    let condition = &test.app.telemetry.condition;
    let held = test.app.core().store.write().await.unwrap();
    // Waiting takes no time from here on.
    tokio::time::pause();
    for takes_writes in [true, true, false, false] {
        let busy = super::probe_once(&test.app).await;
        assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
        assert_eq!(condition.takes_writes(), takes_writes);
    }
    tokio::time::resume();
    drop(held);
    super::probe_once(&test.app).await.unwrap();
    assert!(condition.takes_writes());
}
