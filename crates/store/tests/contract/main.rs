//! The contract of the store: every test here runs on SQLite and, with the feature `postgres-tests`, on the PostgreSQL
//! of `GATEWRIGHT_TEST_POSTGRES` (a URL of a user who may create schemas).

// A test that cannot continue says so where it stops.
#![allow(clippy::unwrap_used)]
// The environment says which PostgreSQL to test on.
#![allow(clippy::disallowed_methods)]

mod account_fixtures;
mod activity_fixtures;
mod denials;
mod fixtures;
mod generated;
mod world;

mod account_addresses;
mod account_races;
mod accounts;
mod acme;
mod activity;
mod activity_keeping;
mod activity_rollups;
mod administrator_providers;
mod api_keys;
mod audit_chain;
mod audit_forging;
mod audit_tampering;
mod audit_trail;
mod brought_codes;
mod claimed_sign_ins;
mod client_documents;
mod clients;
mod codes;
mod configuration;
mod connection_sessions;
mod contents;
mod copies;
mod ended_sessions;
mod faults;
mod gateway_list;
mod gateways;
mod grants;
mod idempotency;
mod incidents;
mod invitations;
mod keys_and_secrets;
mod limits_per_person;
mod makers;
mod managed_objects;
mod member_grants;
mod names;
mod notifications;
mod other_projects;
mod quotas;
mod races;
mod refresh;
mod replica_mail;
mod revocations;
mod servers;
mod session_notes;
mod sign_in_attempts;
mod sign_in_counts;
mod sign_in_places;
mod sources;
mod start;
mod streams;
mod test_sign_ins;
mod transactions;
mod users;
mod whole;
mod whole_races;

/// With `GATEWRIGHT_TEST_POSTGRES_REQUIRED=1`, a build without the PostgreSQL half fails instead of passing silently.
#[test]
fn postgres_is_tested_where_it_is_required() {
    let required = std::env::var("GATEWRIGHT_TEST_POSTGRES_REQUIRED").is_ok_and(|value| value == "1");
    assert!(
        !required || cfg!(feature = "postgres-tests"),
        "PostgreSQL is required: run with --features postgres-tests and GATEWRIGHT_TEST_POSTGRES"
    );
}
