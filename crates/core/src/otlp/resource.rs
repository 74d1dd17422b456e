//! What sends: the process, as all its traces, metrics and logs name it.

use super::wire::Message;
use crate::config::OtlpConfig;

/// The name of what measures, in all signals.
const SCOPE: &str = "gatewright";

/// The attributes of the process, and the frame of a request to the collector.
#[derive(Debug)]
pub(super) struct Resource(Message);

impl Resource {
    /// The process of this configuration; `instance` tells it from other processes.
    pub(super) fn new(config: &OtlpConfig, instance: &str) -> Self {
        let mut resource = Message::default();
        let own = [
            ("service.name", config.service_name.as_str()),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", instance),
            ("telemetry.sdk.name", "gatewright"),
            ("telemetry.sdk.language", "rust"),
        ];
        let configured: Vec<_> = config.attributes().collect();
        // What the configuration says comes first; a name is there once.
        let is_configured = |name: &str| configured.iter().any(|(other, _)| *other == name);
        for (name, value) in own {
            // The name of the service has a key of its own, which goes over the others.
            if name == "service.name" || !is_configured(name) {
                resource.text(1, name, value);
            }
        }
        for (name, value) in configured.iter().filter(|(name, _)| *name != "service.name") {
            resource.text(1, name, value);
        }
        Self(resource)
    }

    /// A request to the collector: for any signal, `resource_…` with the resource and one scope.
    pub(super) fn request(&self, write: impl FnOnce(&mut Message, u32)) -> Vec<u8> {
        let mut request = Message::default();
        request.message(1, |of_resource| {
            of_resource.written(1, &self.0);
            of_resource.message(2, |of_scope| {
                of_scope.message(1, |scope| {
                    scope.bytes(1, SCOPE.as_bytes());
                    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
                });
                write(of_scope, 2);
            });
        });
        request.into_bytes()
    }
}

/// How many spans, log records or data points the collector has not accepted, by its answer.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    super::wire::number_in(answer, &[1, 1]).unwrap_or(0)
}
