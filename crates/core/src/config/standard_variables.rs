//! Environment variables that the OpenTelemetry specification names for every program ("OpenTelemetry Protocol Exporter",
//! "General SDK Configuration"), as keys of ours.

/// Each variable, and the key that it sets.
const VARIABLES: [(&str, &str); 4] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "headers"),
    ("OTEL_RESOURCE_ATTRIBUTES", "resource_attributes"),
    ("OTEL_SERVICE_NAME", "service_name"),
];
/// The section of these keys.
pub(super) const SECTION: &str = "otlp";

/// The key that a variable sets, if it is one of these.
pub(super) fn key(name: &str) -> Option<&'static str> {
    VARIABLES
        .iter()
        .find_map(|(variable, key)| (*variable == name).then_some(*key))
}

/// The value of a key. Empty variables count as not set. Lists are `name=value,name=value`, in which values are percent-encoded.
pub(super) fn value(key: &str, text: &str) -> Option<toml::Value> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if !matches!(key, "headers" | "resource_attributes") {
        return Some(toml::Value::String(text.to_owned()));
    }
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let decoded = pairs.map(|pair| toml::Value::String(decode(pair)));
    Some(toml::Value::Array(decoded.collect()))
}

/// The text with its `%XX` decoded; as it is where that is not text.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            bytes.push(byte);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_percent_encoded_and_empty_values_are_not_set() {
        let list = |items: &[&str]| {
            let items = items.iter().map(|item| toml::Value::String((*item).to_owned()));
            Some(toml::Value::Array(items.collect()))
        };
        assert_eq!(
            value("headers", "authorization=Bearer%20x%2Cy, a=b%,"),
            list(&["authorization=Bearer x,y", "a=b%"])
        );
        assert_eq!(value("resource_attributes", "a=%ff"), list(&["a=%ff"]));
        assert_eq!(value("endpoint", " http://c:4318 "), Some("http://c:4318".into()));
        assert_eq!(value("endpoint", " "), None);
        assert_eq!(key("OTEL_SERVICE_NAME"), Some("service_name"));
        assert_eq!(key("OTEL_SDK_DISABLED"), None);
    }
}
