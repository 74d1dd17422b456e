//! Tool parameters mirrored into `Mcp-Param-*` headers (MCP 2026-07-28, Tools, "x-mcp-header", and Streamable HTTP,
//! "Custom Headers from Tool Parameters").

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{
    headers::{HeaderMismatch, PARAM_PREFIX, decode_value, encode_value, single},
    json::safe_integer,
    scan::{Kind, Span, decode_string, each_member},
};

/// The annotation's name in a schema.
const ANNOTATION: &str = "x-mcp-header";

/// Annotations of one tool, at most: servers and proxies accept about a hundred headers in all.
const MAX_ANNOTATIONS: usize = 64;

/// The paths to all annotated parameters of one tool take this much memory, at most: each names all objects that it leads
/// through. Bytes.
const MAX_PATHS: usize = 64 * 1024;

/// This much of a name of the server's is repeated in a reason, in characters.
const MAX_NAMED: usize = 128;

/// The annotations of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParamHeaders {
    entries: Vec<ParamHeader>,
}

/// One annotated parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ParamHeader {
    name: HeaderName,
    /// The names that lead to it through `arguments`.
    path: Vec<Box<str>>,
    is_integer: bool,
}

/// Why a tool's annotations are invalid, and the tool with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// The schema is not JSON.
    #[error("inputSchema is not a JSON object")]
    Schema,
    /// The annotation is not a string of token characters.
    #[error("x-mcp-header of `{0}` is not a valid header name part")]
    Name(String),
    /// Two parameters have the same header.
    #[error("x-mcp-header `{0}` is used more than once")]
    Repeated(String),
    /// There are more than any server would take headers.
    #[error("x-mcp-header is used more than {0} times")]
    TooMany(usize),
    /// The names that lead to the annotated parameters are too long.
    #[error("the names that lead to the parameters with x-mcp-header are longer than {0} bytes in all")]
    TooLong(usize),
    /// The parameter is not a string, integer or boolean.
    #[error("x-mcp-header of `{0}` is on a parameter that is neither string, integer nor boolean")]
    Type(String),
    /// It is in a place where a value cannot be found by property names alone.
    #[error("x-mcp-header is outside a chain of properties")]
    Unreachable,
}

impl ParamHeaders {
    /// Reads the annotations in an `inputSchema`, which is JSON text.
    pub fn read(input_schema: &[u8]) -> Result<Self, AnnotationError> {
        // Most schemas have none: without the word, and without an escape that could spell it, there is nothing to read.
        let mentions = |word: &[u8]| memchr::memmem::find(input_schema, word).is_some();
        if !mentions(ANNOTATION.as_bytes()) && !mentions(b"\\u") {
            return Ok(Self::default());
        }
        let schema: Map<String, Value> =
            serde_json::from_slice(input_schema).map_err(|_| AnnotationError::Schema)?;
        let mut reader = Reader::default();
        reader.schema(&schema, Some(&mut Vec::new()))?;
        Ok(Self {
            entries: reader.entries,
        })
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The memory they take beside the tool itself, bytes.
    pub fn bytes(&self) -> usize {
        let of_one =
            |entry: &ParamHeader| entry.name.as_str().len() + size_of::<ParamHeader>() + entry.path_bytes();
        self.entries.iter().map(of_one).sum()
    }

    /// The names of its headers.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.entries.iter().map(|entry| &entry.name)
    }

    /// The headers for these arguments, an object as JSON text. A parameter that is missing or `null` has none; nor has
    /// one whose value is an object or a list, which the server will refuse as an argument.
    pub fn derive(&self, arguments: Option<&[u8]>) -> Result<Vec<(HeaderName, HeaderValue)>, HeaderMismatch> {
        let mut headers = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            if let Some(text) = entry.value_in(arguments)? {
                headers.push((entry.name.clone(), encode_value(&text)));
            }
        }
        Ok(headers)
    }

    /// Checks the headers of a modern request against its arguments. Headers that no parameter asks for are ignored.
    pub fn check(&self, headers: &HeaderMap, arguments: Option<&[u8]>) -> Result<(), HeaderMismatch> {
        for entry in &self.entries {
            let name = || entry.name.as_str().into();
            let header = single(headers, &entry.name)?
                .map(|value| decode_value(value).ok_or_else(|| HeaderMismatch::Invalid(name())))
                .transpose()?;
            match (header, entry.value_in(arguments)?) {
                (None, None) => {}
                (None, Some(_)) => return Err(HeaderMismatch::Missing(name())),
                (Some(header), Some(value)) if entry.is_same(&header, &value) => {}
                (Some(_), _) => return Err(HeaderMismatch::Different(name())),
            }
        }
        Ok(())
    }
}

impl ParamHeader {
    fn path_bytes(&self) -> usize {
        let names = self.path.iter();
        names.map(|name| name.len() + size_of::<Box<str>>()).sum()
    }

    /// The value its header has for these arguments. Refuses an argument that appears twice on the way to it: a server
    /// might read the other one.
    fn value_in(&self, arguments: Option<&[u8]>) -> Result<Option<String>, HeaderMismatch> {
        let Some(body) = arguments else {
            return Ok(None);
        };
        let mut at = (Span::new(0, body.len()), Kind::Object);
        for name in &self.path {
            if at.1 != Kind::Object {
                return Ok(None);
            }
            let different = || HeaderMismatch::Different(self.name.as_str().into());
            let mut named = None;
            for member in each_member(body, at.0) {
                let member = member.map_err(|_| different())?;
                if decode_string(member.name.of(body)).is_some_and(|other| *other == **name)
                    && named.replace(member).is_some()
                {
                    return Err(different());
                }
            }
            let Some(member) = named else {
                return Ok(None);
            };
            at = (member.value, member.kind);
        }
        let raw = at.0.of(body);
        Ok(match at.1 {
            Kind::String => decode_string(raw).map(std::borrow::Cow::into_owned),
            Kind::Boolean => std::str::from_utf8(raw).ok().map(str::to_owned),
            Kind::Number => std::str::from_utf8(raw)
                .ok()
                .map(|text| safe_integer(text).map_or_else(|| text.to_owned(), |value| value.to_string())),
            Kind::Object | Kind::Array | Kind::Null => None,
        })
    }

    fn is_same(&self, header: &str, value: &str) -> bool {
        header == value
            || self.is_integer
                && safe_integer(header).is_some_and(|number| safe_integer(value) == Some(number))
    }
}

/// Walks a schema. Where a keyword of the walk is data, names in it mean nothing.
#[derive(Default)]
struct Reader {
    entries: Vec<ParamHeader>,
    seen: HashSet<HeaderName>,
    path_bytes: usize,
}

impl Reader {
    /// Reads one schema; `path` leads to it through properties alone, and is `None` if there is no such path.
    fn schema(
        &mut self,
        schema: &Map<String, Value>,
        mut path: Option<&mut Vec<Box<str>>>,
    ) -> Result<(), AnnotationError> {
        if let Some(annotation) = schema.get(ANNOTATION) {
            let path = path
                .as_deref()
                .filter(|path| !path.is_empty())
                .ok_or(AnnotationError::Unreachable)?;
            self.annotation(annotation, schema.get("type"), path)?;
        }
        for (keyword, value) in schema {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        let Value::Object(property) = property else {
                            continue;
                        };
                        if let Some(path) = path.as_deref_mut() {
                            path.push(name.as_str().into());
                            self.schema(property, Some(path))?;
                            path.pop();
                        } else {
                            self.schema(property, None)?;
                        }
                    }
                }
                // Maps from names to schemas.
                (
                    "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                    Value::Object(schemas),
                ) => {
                    for schema in schemas.values() {
                        self.elsewhere(schema)?;
                    }
                }
                // Data, which may hold any name.
                ("const" | "default" | "enum" | "example" | "examples" | ANNOTATION, _) => {}
                (_, value) => self.elsewhere(value)?,
            }
        }
        Ok(())
    }

    /// Looks for annotations where there must be none.
    fn elsewhere(&mut self, value: &Value) -> Result<(), AnnotationError> {
        match value {
            Value::Object(schema) => self.schema(schema, None),
            Value::Array(values) => values.iter().try_for_each(|value| self.elsewhere(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn annotation(
        &mut self,
        annotation: &Value,
        kind: Option<&Value>,
        path: &[Box<str>],
    ) -> Result<(), AnnotationError> {
        let parameter = || brief(&path.join("."));
        let part = annotation
            .as_str()
            .filter(|part| !part.is_empty())
            .ok_or_else(|| AnnotationError::Name(parameter()))?;
        let name = HeaderName::from_bytes(format!("{PARAM_PREFIX}{part}").as_bytes())
            .map_err(|_| AnnotationError::Name(parameter()))?;
        let kind = kind.and_then(Value::as_str);
        if !matches!(kind, Some("string" | "integer" | "boolean")) {
            return Err(AnnotationError::Type(parameter()));
        }
        if !self.seen.insert(name.clone()) {
            return Err(AnnotationError::Repeated(brief(part)));
        }
        if self.entries.len() == MAX_ANNOTATIONS {
            return Err(AnnotationError::TooMany(MAX_ANNOTATIONS));
        }
        let entry = ParamHeader {
            name,
            path: path.to_vec(),
            is_integer: kind == Some("integer"),
        };
        self.path_bytes += entry.path_bytes();
        if self.path_bytes > MAX_PATHS {
            return Err(AnnotationError::TooLong(MAX_PATHS));
        }
        self.entries.push(entry);
        Ok(())
    }
}

/// The beginning of a name of the server's.
fn brief(name: &str) -> String {
    name.chars().take(MAX_NAMED).collect()
}

#[cfg(test)]
mod tests;
