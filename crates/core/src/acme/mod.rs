//! Certificates that are ordered from an authority (ACME, RFC 8555), for the listener.

mod answers;
mod http;
mod schedule;
