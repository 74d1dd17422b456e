//! Where traces, metrics and logs are sent. Like those of `sections`, the doc comments are what users read.

use std::{fs, time::Duration};

use anyhow::Context as _;
use gatewright_domain::secret::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{log_level, sections::HIDDEN};

/// What a value begins with that is in a file.
const FILE_PREFIX: &str = "file:";

/// Where traces, metrics and logs are sent, with the OpenTelemetry protocol (OTLP, protobuf over HTTP). Without an endpoint, nothing
/// is sent. The variables OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME and
/// OTEL_RESOURCE_ATTRIBUTES of the OpenTelemetry specification set the same keys; the variables named here go over them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// The URL of the collector, without /v1/traces and the like. It can be on this machine or in a private network, whatever
    /// `outbound` allows to others; `outbound.deny` and `outbound.extra_ca` hold for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "http://localhost:4318")]
    pub endpoint: Option<String>,
    /// Headers of every request to it, as `name=value`. A value of `file:` and a path is read from that file when the process
    /// starts. The environment variable keeps secrets out of files.
    #[serde(serialize_with = "hide_values")]
    #[schemars(with = "Vec<String>", example = ["authorization=file:/run/secrets/collector"])]
    pub headers: Vec<Secret>,
    /// What is sent: `traces`, `metrics`, `logs`.
    #[schemars(with = "Vec<String>")]
    pub signals: Vec<Signal>,
    /// The share of traces that are recorded, from 0 to 1, where the caller does not decide it: 0.1 records every tenth. A caller
    /// that has signed in and names a trace (W3C Trace Context) has decided it.
    pub sample_ratio: f64,
    /// The least level of log lines that are sent: `error`, `warn`, `info` or `debug`; also per part, as in log.level.
    pub log_level: String,
    /// The name of this service in traces, metrics and logs.
    pub service_name: String,
    /// Further attributes of this process, as `name=value`.
    #[schemars(example = ["deployment.environment.name=production"])]
    pub resource_attributes: Vec<String>,
    /// How often traces and logs are sent, in seconds.
    pub interval_seconds: u32,
    /// How often metrics are sent, in seconds.
    pub metrics_interval_seconds: u32,
    /// How long the collector may take to answer, in seconds.
    pub timeout_seconds: u32,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
}

/// What can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Spans of requests and sign-ins.
    Traces,
    /// What `/metrics` shows.
    Metrics,
    /// Log lines.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The name in the configuration, in metrics and in the path of the collector.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: Vec::new(),
            signals: Signal::ALL.to_vec(),
            sample_ratio: 1.0,
            log_level: "info".to_owned(),
            service_name: "gatewright".to_owned(),
            resource_attributes: Vec::new(),
            interval_seconds: 5,
            metrics_interval_seconds: 60,
            timeout_seconds: 10,
            gzip: true,
        }
    }
}

impl OtlpConfig {
    /// Whether this is sent.
    pub fn sends(&self, signal: Signal) -> bool {
        self.endpoint.is_some() && self.signals.contains(&signal)
    }

    /// Where it is sent.
    pub fn url(&self, signal: Signal) -> Option<Uri> {
        let base = self.endpoint.as_deref()?.trim_end_matches('/');
        format!("{base}/v1/{}", signal.as_str()).parse().ok()
    }

    /// How often it is sent.
    pub fn interval(&self, signal: Signal) -> Duration {
        Duration::from_secs(match signal {
            Signal::Traces | Signal::Logs => self.interval_seconds.into(),
            Signal::Metrics => self.metrics_interval_seconds.into(),
        })
    }

    /// How long the collector may take to answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }

    /// The further attributes, by name. Those without a value were refused before.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resource_attributes
            .iter()
            .filter_map(|attribute| attribute.split_once('='))
    }

    /// The headers of every request; reads those that are in files.
    pub fn header_map(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for header in &self.headers {
            let Some((name, value)) = parts(header) else {
                continue;
            };
            let value = match value.strip_prefix(FILE_PREFIX) {
                Some(path) => fs::read_to_string(path).with_context(|| {
                    format!("otlp.headers: {path}, which has the value of {name}, cannot be read")
                })?,
                None => value.to_owned(),
            };
            let name: HeaderName = name.parse().context("otlp.headers: a name cannot be used")?;
            let mut value: HeaderValue = value.trim().parse().with_context(|| {
                format!("otlp.headers: the value of {name} has characters that no header can have")
            })?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }

    /// Lists what is wrong: the key, and what to write instead.
    pub(super) fn check(&self, refuse: &mut impl FnMut(&str, String)) {
        if let Some(endpoint) = &self.endpoint {
            let url = url::Url::parse(endpoint).ok();
            let is_usable = |url: &url::Url| {
                matches!(url.scheme(), "https" | "http")
                    && url.has_host()
                    && url.username().is_empty()
                    && url.password().is_none()
                    && url.query().is_none()
                    && url.fragment().is_none()
            };
            if !url.as_ref().is_some_and(is_usable) || self.url(Signal::Traces).is_none() {
                refuse(
                    "otlp.endpoint",
                    "it is not the URL of a collector. Write one like http://localhost:4318, without user, password or query"
                        .into(),
                );
            }
        }
        for (number, header) in self.headers.iter().enumerate() {
            if !is_header(header) {
                refuse(
                    "otlp.headers",
                    format!(
                        "entry {}: it must be like authorization=file:/run/secrets/collector",
                        number + 1
                    ),
                );
            }
        }
        if self.signals.is_empty() {
            refuse(
                "otlp.signals",
                "it names nothing to send. Write some of traces, metrics and logs, or leave otlp.endpoint out".into(),
            );
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            refuse("otlp.sample_ratio", "it must be from 0 to 1, like 0.1".into());
        }
        if log_level::parse(&self.log_level).is_none() {
            refuse(
                "otlp.log_level",
                "it is not a log level. Write error, warn, info or debug".into(),
            );
        }
        for attribute in &self.resource_attributes {
            if attribute
                .split_once('=')
                .is_none_or(|(name, _)| name.trim().is_empty())
            {
                refuse(
                    "otlp.resource_attributes",
                    format!("`{attribute}` must be like deployment.environment.name=production"),
                );
            }
        }
        if self.service_name.is_empty() {
            refuse(
                "otlp.service_name",
                "it is empty. Write a name like gatewright".into(),
            );
        }
        for (key, seconds, most) in [
            ("otlp.interval_seconds", self.interval_seconds, 300),
            (
                "otlp.metrics_interval_seconds",
                self.metrics_interval_seconds,
                3_600,
            ),
            ("otlp.timeout_seconds", self.timeout_seconds, 60),
        ] {
            if !(1..=most).contains(&seconds) {
                refuse(key, format!("it must be from 1 to {most}"));
            }
        }
    }
}

/// Name and value of a header.
fn parts(header: &Secret) -> Option<(&str, &str)> {
    let (name, value) = header.expose().split_once('=')?;
    Some((name.trim(), value.trim()))
}

/// Whether this is a header that a request can have. What it is about is up to us.
fn is_header(header: &Secret) -> bool {
    parts(header).is_some_and(|(name, value)| {
        let name = HeaderName::try_from(name).ok();
        let is_ours =
            |name: &HeaderName| name.as_str().starts_with("content-") || *name == http::header::HOST;
        name.is_some_and(|name| !is_ours(&name)) && !value.is_empty() && HeaderValue::try_from(value).is_ok()
    })
}

/// Names of headers and paths of files help a person who looks for them; values are secrets.
fn hide_values<S: Serializer>(headers: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(headers.iter().map(|header| match parts(header) {
        Some((name, value)) if value.starts_with(FILE_PREFIX) => format!("{name}={value}"),
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None => HIDDEN.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut OtlpConfig)) -> Vec<String> {
        let mut config = OtlpConfig {
            endpoint: Some("http://localhost:4318".to_owned()),
            ..OtlpConfig::default()
        };
        change(&mut config);
        let mut keys = Vec::new();
        config.check(&mut |key, _| keys.push(key.to_owned()));
        keys
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert_eq!(refused(|_| {}), [] as [&str; 0]);
        let set = |endpoint: &str| Some(endpoint.to_owned());
        for endpoint in [
            "localhost:4318",
            "grpc://c:4317",
            "https://a:b@c",
            "https://c/?key=1",
        ] {
            assert_eq!(
                refused(|config| config.endpoint = set(endpoint)),
                ["otlp.endpoint"],
                "{endpoint}"
            );
        }
        for header in [
            "authorization",
            "a b=c",
            "content-type=text/plain",
            "a=",
            "a=b\nc",
        ] {
            let change = |config: &mut OtlpConfig| config.headers = vec![Secret::new(header)];
            assert_eq!(refused(change), ["otlp.headers"], "{header}");
        }
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert_eq!(
                refused(|config| config.sample_ratio = ratio),
                ["otlp.sample_ratio"]
            );
        }
        assert_eq!(refused(|config| config.signals.clear()), ["otlp.signals"]);
        assert_eq!(
            refused(|config| config.log_level = "loud".to_owned()),
            ["otlp.log_level"]
        );
        assert_eq!(
            refused(|config| config.resource_attributes.push("a".to_owned())),
            ["otlp.resource_attributes"]
        );
        assert_eq!(
            refused(|config| config.service_name.clear()),
            ["otlp.service_name"]
        );
        assert_eq!(
            refused(|config| config.interval_seconds = 0),
            ["otlp.interval_seconds"]
        );
        assert_eq!(
            refused(|config| config.timeout_seconds = 61),
            ["otlp.timeout_seconds"]
        );
    }

    #[test]
    fn headers_come_from_the_configuration_and_from_files_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "Bearer canary\n").unwrap();
        let entry = format!("authorization=file:{}", file.display());
        let mut config = OtlpConfig {
            headers: vec![Secret::new(entry.clone()), Secret::new("x-key = canary=")],
            ..OtlpConfig::default()
        };
        let headers = config.header_map().unwrap();
        assert_eq!(headers["authorization"], "Bearer canary");
        assert_eq!(headers["x-key"], "canary=");
        assert!(!format!("{headers:?}{config:?}").contains("canary"));
        let shown = serde_json::to_value(&config).unwrap();
        assert_eq!(
            shown["headers"],
            serde_json::json!([entry, format!("x-key={HIDDEN}")])
        );
        config.headers = vec![Secret::new("a=file:/nowhere/token")];
        let error = config.header_map().unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }

    #[test]
    fn each_signal_has_its_own_path_below_the_endpoint() {
        let config = OtlpConfig {
            endpoint: Some("https://collector.example/otlp/".to_owned()),
            signals: vec![Signal::Logs],
            ..OtlpConfig::default()
        };
        assert_eq!(
            config.url(Signal::Logs).unwrap(),
            "https://collector.example/otlp/v1/logs"
        );
        assert!(config.sends(Signal::Logs) && !config.sends(Signal::Traces));
        assert!(!OtlpConfig::default().sends(Signal::Logs));
    }
}
