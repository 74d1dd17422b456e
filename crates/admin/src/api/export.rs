//! `?format=csv` and `?format=jsonl` of every list: all that its filters leave, as a file.
//!
//! A file is written page by page from the answers of the list itself, so each page is read with the permissions that the caller has at that
//! moment, and one page is in memory. An export whose key or session expires in the meantime breaks off, so that no one takes
//! it for a whole one.

mod csv;

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts as _, MatchedPath, Request, State},
    http::{Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use url::form_urlencoded;

use self::csv::Columns;
use super::{
    authenticate::{Caller, Known},
    problem::Problem,
};
use crate::{Admin, service::exports};

/// The parameter.
const FORMAT: &str = "format";
/// Items read at once.
const AT_ONCE: &str = "200";
/// Bytes of a page, at most: 200 objects are far smaller.
const PAGE_MAX: usize = 64 * 1024 * 1024;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Lines,
}

impl Format {
    fn of(word: &str) -> Option<Self> {
        match word {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Lines),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Lines => "jsonl",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Lines => "application/jsonl",
        }
    }
}

/// The lists that there are, by their paths.
#[derive(Clone)]
pub(super) struct Lists {
    app: Arc<Admin>,
    columns: Arc<HashMap<String, Columns>>,
}

impl Lists {
    /// The lists of the document.
    pub(super) fn of(app: Arc<Admin>, document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let lists = paths.filter_map(|(path, operations)| {
            let item = item_of(document, &operations["get"])?;
            Some((path.clone(), Columns::of(document, item)))
        });
        Self {
            app,
            columns: Arc::new(lists.collect()),
        }
    }
}

/// The schema of the items of a list that comes in pages; nothing if an operation does not return one.
fn item_of<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    let mut parameters = operation["parameters"].as_array()?.iter();
    if !parameters.any(|parameter| parameter["name"] == "cursor") {
        return None;
    }
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    let list = csv::resolved(document, schema);
    let properties = list["properties"].as_object()?;
    let is_list = properties.contains_key("next_cursor") && properties.contains_key("items");
    is_list.then(|| csv::resolved(document, &list["properties"]["items"]["items"]))
}

/// Adds the parameter and its answers to an operation of the document that returns a list.
pub(super) fn describe(document: &Value, operation: &mut Value) {
    if item_of(document, operation).is_none() {
        return;
    }
    let parameter = json!({
        "name": FORMAT, "in": "query", "required": false,
        "schema": {"type": "string", "enum": ["csv", "jsonl"]},
        "description": "Return all that the filters leave as a file, instead of a page: CSV (RFC 4180), whose texts that begin like a formula \
                        have an apostrophe in front, or JSON Lines. `limit` and `cursor` are refused with it. The audit trail shows it.",
    });
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(parameter);
    }
    let content = &mut operation["responses"]["200"]["content"];
    content["text/csv"] = json!({"schema": {"type": "string"}});
    content["application/jsonl"] = json!({"schema": {"type": "string"}});
}

/// Answers a request for a file; hands on every other one.
pub(super) async fn layer(State(lists): State<Lists>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map(|path| path.as_str().to_owned()).unwrap_or_default();
    let Some(columns) = lists
        .columns
        .get(&path)
        .filter(|_| request.method() == Method::GET)
    else {
        return next.run(request).await;
    };
    let query = request.uri().query().unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut formats = pairs
        .iter()
        .filter(|(name, _)| name == FORMAT)
        .map(|(_, value)| value.as_str());
    let Some(format) = formats.next() else {
        return next.run(request).await;
    };
    let Some(format) = Format::of(format).filter(|_| formats.next().is_none()) else {
        return Problem::malformed(format!(
            "The parameter `{FORMAT}` must be `csv` or `jsonl`, once."
        ))
        .into_response();
    };
    if let Some((name, _)) = pairs
        .iter()
        .find(|(name, _)| matches!(name.as_str(), "limit" | "cursor"))
    {
        return Problem::malformed(format!(
            "A file has the whole list: leave the parameter `{name}` out, or leave out `{FORMAT}`."
        ))
        .into_response();
    }
    let filters: Vec<_> = pairs.into_iter().filter(|(name, _)| name != FORMAT).collect();
    let export = Export {
        app: Arc::clone(&lists.app),
        parts: request.into_parts().0,
        next,
        format,
        columns: columns.clone(),
        filters,
    };
    export.answer(&path).await.unwrap_or_else(|refused| refused)
}

/// A file in the making.
struct Export {
    app: Arc<Admin>,
    /// The request, whose query is that of a page in turn.
    parts: Parts,
    next: Next,
    format: Format,
    columns: Columns,
    filters: Vec<(String, String)>,
}

/// A page of a list.
struct Page {
    items: Vec<Value>,
    next: Option<String>,
}

impl Export {
    async fn answer(mut self, path: &str) -> Result<Response, Response> {
        let found = Caller::from_request_parts(&mut self.parts, &self.app).await;
        let Caller(authority) = found.map_err(IntoResponse::into_response)?;
        // The first page shows whether this is open to the caller at all, while there is still a status to say so.
        let first = self.page(None, Some(Known(authority.clone()))).await?;
        let list = path
            .rsplit('/')
            .find(|part| !part.starts_with('{'))
            .unwrap_or("list")
            .to_owned();
        let project = self
            .parts
            .uri
            .path()
            .split('/')
            .find_map(|part| part.parse().ok());
        let names = self.filters.iter().map(|(name, _)| name.clone()).collect();
        let format = self.format;
        exports::note(&self.app, &authority, project, &list, format.word(), names).await;
        let day = self.app.now().to_rfc3339();
        let day = day.get(..10).unwrap_or_default();
        let name = format!("attachment; filename=\"{list}-{day}.{}\"", format.word());
        let head = [
            (header::CONTENT_TYPE, format.media_type().to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ];
        Ok((head, Body::from_stream(self.pages(first))).into_response())
    }

    /// The file, a page at a time.
    fn pages(self, first: Page) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
        let begin = match self.format {
            Format::Csv => self.columns.head(),
            Format::Lines => Vec::new(),
        };
        stream::try_unfold(
            (self, Some(Step::Write(begin, first))),
            |(export, step)| async move {
                let Some(step) = step else {
                    return Ok(None);
                };
                let (mut written, page) = match step {
                    Step::Write(begin, page) => (begin, page),
                    Step::After(cursor) => {
                        let page = export.page(Some(&cursor), None).await;
                        (Vec::new(), page.map_err(|_| BrokenOff)?)
                    }
                };
                for item in &page.items {
                    match export.format {
                        Format::Csv => export.columns.write(item, &mut written),
                        Format::Lines => {
                            written.extend_from_slice(item.to_string().as_bytes());
                            written.push(b'\n');
                        }
                    }
                }
                let next = page.next.map(Step::After);
                Ok(Some((Bytes::from(written), (export, next))))
            },
        )
    }

    /// The query of a page.
    fn query(&self, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.filters).append_pair("limit", AT_ONCE);
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        query.finish()
    }

    /// A page of the list; the answer to the caller if it is refused.
    async fn page(&self, cursor: Option<&str>, known: Option<Known>) -> Result<Page, Response> {
        let mut parts = self.parts.clone();
        let target = format!("{}?{}", parts.uri.path(), self.query(cursor));
        parts.uri = Uri::try_from(target)
            .map_err(|_| Problem::malformed("The query is too long.").into_response())?;
        parts.extensions.remove::<Known>();
        if let Some(known) = known {
            parts.extensions.insert(known);
        }
        let request = Request::from_parts(parts, Body::empty());
        let answer = self.next.clone().run(request).await;
        if answer.status() != StatusCode::OK {
            return Err(answer);
        }
        let body = to_bytes(answer.into_body(), PAGE_MAX).await.unwrap_or_default();
        let mut page: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Value::Array(items) = page["items"].take() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let next = page["next_cursor"].as_str().map(str::to_owned);
        Ok(Page { items, next })
    }
}

/// What an export does next.
enum Step {
    Write(Vec<u8>, Page),
    After(String),
}

/// A later page could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the export broke off, because a page of it could not be read")]
struct BrokenOff;
