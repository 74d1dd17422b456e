//! JSON whose objects have each member once. A member that appears twice means different things to different readers
//! (RFC 8259 section 4), so that what a proxy or a person saw need not be what is saved.

use std::{cell::RefCell, fmt};

use gatewright_domain::Invalid;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::input::escaped;

/// More violations than this for one body are not useful.
const MAX_COMPLAINTS: usize = 20;

/// Reads a body; returns the value and what appears in it more than once.
pub(super) fn read(body: &[u8]) -> Result<(Value, Invalid), serde_json::Error> {
    let repeated = RefCell::new(Invalid::default());
    let mut reader = serde_json::Deserializer::from_slice(body);
    let place = Place {
        pointer: String::new(),
        repeated: &repeated,
    };
    let value = place.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, repeated.into_inner()))
}

/// A place in the body, where a value is read.
struct Place<'a> {
    /// A JSON pointer (RFC 6901).
    pointer: String,
    repeated: &'a RefCell<Invalid>,
}

impl Place<'_> {
    fn below(&self, name: &str) -> Self {
        Self {
            pointer: format!("{}/{}", self.pointer, escaped(name)),
            repeated: self.repeated,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below(&list.len().to_string()))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let place = self.below(&name);
            let pointer = place.pointer.clone();
            let value = members.next_value_seed(place)?;
            if object.insert(name, value).is_some() {
                let mut repeated = self.repeated.borrow_mut();
                if repeated.violations().len() < MAX_COMPLAINTS {
                    repeated.add(pointer, "This member appears more than once: keep one of them.");
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(body: &str) -> Vec<String> {
        let (_, repeated) = read(body.as_bytes()).unwrap();
        let violations = repeated.violations().iter();
        violations.map(|violation| violation.pointer.clone()).collect()
    }

    #[test]
    fn a_member_that_appears_twice_is_found_wherever_it_is() {
        assert_eq!(
            pointers(r#"{"a": 1, "b": {"a": 1}, "c": [{"a": 1}]}"#),
            Vec::<String>::new()
        );
        assert_eq!(pointers(r#"{"a": 1, "a": 1}"#), ["/a"]);
        assert_eq!(
            pointers(r#"{"b": [{"x/y": 1, "x/y": 2}], "\u0062": 1}"#),
            ["/b/0/x~1y", "/b"]
        );
    }

    proptest::proptest! {
        #[test]
        fn every_value_is_read_as_serde_reads_it(text in ".{0,60}", number: i64, float in -1e9..1e9_f64) {
            let value = serde_json::json!({"text": text, "list": [number, float, null, true, {"in": text}]});
            let body = value.to_string();
            let (read, repeated) = read(body.as_bytes()).unwrap();
            proptest::prop_assert_eq!(read, serde_json::from_str::<Value>(&body).unwrap());
            proptest::prop_assert!(repeated.violations().is_empty());
        }

        #[test]
        fn what_serde_refuses_is_refused(body in "[\\[\\]{}\",:0-9a]{0,20}") {
            let usual = serde_json::from_str::<Value>(&body);
            proptest::prop_assert_eq!(read(body.as_bytes()).is_ok(), usual.is_ok());
        }
    }
}
