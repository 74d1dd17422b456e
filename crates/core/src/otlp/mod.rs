//! Traces, metrics and logs in the form of the OpenTelemetry protocol (OTLP 1.9, protobuf).
#![allow(dead_code, reason = "what sends them comes next")]

mod logs;
mod metrics;
mod resource;
mod sampling;
mod wire;

pub use sampling::{Traced, Tracer};
