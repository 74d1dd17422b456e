//! The guide's table of faults against what there is: each measure it names is measured, and a test makes each fault and
//! reads the measure.

use std::{collections::BTreeSet, path::Path, time::Duration};

use gatewright_domain::{
    activity::Outcome,
    id::{GatewayId, StreamId},
};

use crate::{config::Signal, testing::TestCore};

const PAGE: &str = include_str!("../../../../docs/guide/operating.md");

const E2E: &str = "e2e/measures.test.mjs";
const CONDITION: (&str, &str) = (
    "crates/gatewright/src/jobs/condition_tests.rs",
    "each_fault_shows_in_a_measure_and_its_end_too",
);
const PROVIDERS: &str = "crates/gateway/src/relying_party/tests/faults.rs";
const SERVERS: &str = "crates/gateway/src/resource_server/tests/measures.rs";
const ACTIVITY: &str = "crates/gateway/src/resource_server/tests/activity/recording.rs";
const CLIENTS: &str = "crates/gateway/src/authorization_server/tests/hostile_keys.rs";
const STREAMS: &str = "crates/admin/src/service/streams/delivery/tests.rs";
const OVERLOAD: &str = "crates/gateway/src/authorization_server/tests/overloading.rs";
const TOKENS: &str = "crates/gateway/src/authorization_server/tests/counting.rs";

/// The faults of the table, in its order, and the tests that make them: file and name.
const FAULTS: [(&str, &[(&str, &str)]); 17] = [
    (
        "the database is unavailable or silent",
        &[(E2E, "a database that is unavailable or silent"), CONDITION],
    ),
    (
        "the database is read-only, or its disk is full",
        &[
            (E2E, "a database that is read-only"),
            (E2E, "a disk that is full, also for the doctor and at start"),
        ],
    ),
    (
        "the SQLite file was deleted or replaced",
        &[(E2E, "a database file that is deleted or replaced"), CONDITION],
    ),
    ("more transactions than the database can handle", &[CONDITION]),
    (
        "an identity provider fails",
        &[
            (PROVIDERS, "a_broken_discovery_document_lets_no_one_begin"),
            (PROVIDERS, "a_broken_token_endpoint_or_key_set_is_a_page"),
        ],
    ),
    (
        "apps get no tokens",
        &[
            (TOKENS, "each_way_out_of_a_token_endpoint_is_counted_once"),
            (TOKENS, "a_client_that_goes_away_before_its_answer_is_counted_too"),
        ],
    ),
    (
        "an MCP server fails",
        &[(SERVERS, "a_server_that_fails_is_counted_by_its_id")],
    ),
    (
        "responses break off midway",
        &[
            (
                SERVERS,
                "an_answer_that_breaks_after_its_head_is_counted_and_told",
            ),
            (E2E, "responses that break off midway"),
        ],
    ),
    (
        "too many requests of one person, project or network",
        &[
            (
                SERVERS,
                "too_many_requests_of_a_person_and_of_a_project_are_counted",
            ),
            (
                CLIENTS,
                "assertions_that_prove_nothing_are_limited_and_others_go_on",
            ),
        ],
    ),
    ("open files run out", &[(E2E, "open files that run out")]),
    (
        "more sign-ins and refreshes than this machine can handle",
        &[(OVERLOAD, "refusals_are_counted_with_those_of_other_limits")],
    ),
    (
        "more requests than the activity can keep up with",
        &[(
            ACTIVITY,
            "a_full_queue_drops_rows_and_counts_them_and_no_request_waits",
        )],
    ),
    (
        "the collector of traces, metrics and logs fails",
        &[
            (
                "crates/core/src/otlp/tests.rs",
                "a_collector_that_is_not_there_costs_counted_spans_and_no_memory",
            ),
            (
                "e2e/otlp.test.mjs",
                "a collector that is down costs what is counted, and gets what comes after; the last spans are sent at the stop",
            ),
        ],
    ),
    (
        "a stream delivers nothing",
        &[(STREAMS, "what_could_not_be_sent_waits_and_is_sent_after_a_pause")],
    ),
    (
        "a receiver was away for longer than records are kept",
        &[(
            STREAMS,
            "what_was_deleted_before_it_was_sent_is_counted_and_told_in_the_stream",
        )],
    ),
    (
        "the certificate of this instance is not renewed",
        &[(
            "e2e/tls.test.mjs",
            "a pair that cannot be used keeps the old one, and everyone is told",
        )],
    ),
    ("memory grows", &[(E2E, "memory that grows with lists")]),
];

/// The rows of the table below a heading, without the row of titles: the first cell, and the second.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let (_, below) = PAGE.split_once(heading).unwrap();
    let section = below.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = cells.map(|line| {
        let mut cells = line.split(" | ");
        (cells.next().unwrap(), cells.next().unwrap())
    });
    rows.filter(|(first, _)| *first != "---").skip(1).collect()
}

/// The names of measures in a text.
fn measures(text: &str) -> BTreeSet<&str> {
    let parts = text.split(|character: char| !character.is_ascii_lowercase() && character != '_');
    parts.filter(|part| part.starts_with("gatewright_")).collect()
}

/// Everything that can be measured, each at least once.
async fn measured() -> BTreeSet<String> {
    let test = TestCore::with(|config| config.acme.accept_terms = true).await;
    let telemetry = &test.core.telemetry;
    telemetry.tls.count_handshake("ok");
    telemetry.count_request("/mcp/{slug}", Some(429), Duration::ZERO);
    telemetry.count_upstream_error(None, "timeout");
    telemetry.count_sign_in("begun");
    telemetry.count_token("code");
    telemetry.count_activity_dropped("full", 1);
    telemetry.streams.show(StreamId::of_number(1), 0, Duration::ZERO);
    telemetry.condition.count_broken(None, "broken");
    telemetry.condition.note_job("example", false);
    telemetry.count_otlp_sent(Signal::Traces, 1);
    telemetry.count_otlp_dropped(Signal::Traces, "full", 1);
    crate::status::look(&test.core);
    // Afterwards, because there is no such gateway.
    telemetry.count_gateway_request(GatewayId::of_number(1), Outcome::Ok, Duration::ZERO, None);
    let encoded = telemetry.encode().unwrap();
    let samples = encoded.lines().filter(|line| !line.starts_with('#'));
    let name = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let of_histogram = ["_bucket", "_count", "_sum"];
        let base = of_histogram.iter().find_map(|suffix| name.strip_suffix(*suffix));
        base.unwrap_or(name).to_owned()
    };
    samples.map(name).collect()
}

#[tokio::test]
async fn the_guide_names_what_is_measured_and_all_of_it() {
    let measured = measured().await;
    let listed: BTreeSet<String> = rows("## Metrics\n")
        .into_iter()
        .flat_map(|(name, _)| measures(name))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, measured);
    for name in measures(PAGE) {
        assert!(
            measured.contains(name),
            "the guide names {name}, which is not measured"
        );
    }
}

#[test]
fn each_fault_of_the_guide_has_a_test_that_makes_it_and_reads_its_measures() {
    let table = rows("## Which measure shows which fault\n");
    let faults: Vec<&str> = table.iter().map(|(fault, _)| *fault).collect();
    assert_eq!(faults, FAULTS.map(|(fault, _)| fault));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for ((fault, shown), (_, tests)) in table.iter().zip(FAULTS) {
        let mut read = String::new();
        for (path, name) in tests {
            let source = std::fs::read_to_string(root.join(path)).unwrap();
            let is_script = Path::new(path).extension().is_some_and(|kind| kind == "mjs");
            let begin = if is_script {
                format!("test(\"{name}\"")
            } else {
                format!("fn {name}(")
            };
            assert!(source.contains(&begin), "{fault}: {path} has no test {name}");
            read.push_str(&source);
        }
        let shown = measures(shown);
        assert!(!shown.is_empty(), "{fault}: no measure is named");
        for measure in shown {
            assert!(
                read.contains(measure),
                "{fault}: no test of {tests:?} reads {measure}"
            );
        }
    }
}
