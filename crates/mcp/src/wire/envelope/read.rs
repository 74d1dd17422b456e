//! The one pass over a body that [`super::parse`] is.

mod level;

use level::{ERROR, Level, MESSAGE, META, PARAMS, REFERENCE, RESULT, folds_to};

use super::{
    EnvelopeError, ErrorMembers, Limits, Message, Meta, Notification, Outcome, Params, RawId, Reason,
    Reference, Request, RequestId, Response, ResultMembers, Text,
};
use crate::wire::{
    jsonrpc::ErrorCode,
    meta_keys,
    scan::{Kind, ScanError, Scanner, Span, decode_string},
};

/// A member that was found: where, and what it is.
type Slot = Option<(Span, Kind)>;

/// Everything found in one pass, before it is judged.
struct Reader<'a> {
    body: &'a [u8],
    limits: Limits,
    message: [Slot; MESSAGE.len()],
    params: [Slot; PARAMS.len()],
    meta: [Slot; META.len()],
    reference: [Slot; REFERENCE.len()],
    result: [Slot; RESULT.len()],
    error: [Slot; ERROR.len()],
    /// The first thing found wrong that did not stop the pass, so that the id can still be read.
    refusal: Option<(Reason, ErrorCode)>,
}

/// What is wrong, before the id is known.
type Wrong = (Reason, ErrorCode);

/// Reads one message.
///
/// Syntax, UTF-8 and depth are checked for the whole body first. Members that policy reads must be there at most once
/// and spelled exactly, with escapes undone; a spelling that differs in case only is refused, with the two letters
/// beyond ASCII that some readers fold (long s, Kelvin sign) counted as `s` and `k`. Other members can be anything.
pub fn parse<'a>(body: &'a [u8], limits: &Limits) -> Result<Message<'a>, EnvelopeError> {
    let mut reader = Reader {
        body,
        limits: *limits,
        message: [None; MESSAGE.len()],
        params: [None; PARAMS.len()],
        meta: [None; META.len()],
        reference: [None; REFERENCE.len()],
        result: [None; RESULT.len()],
        error: [None; ERROR.len()],
        refusal: None,
    };
    match reader.pass() {
        Ok(object) => {
            let built = match reader.refusal {
                Some(wrong) => Err(wrong),
                None => reader.build(object),
            };
            built.map_err(|(reason, code)| EnvelopeError {
                reason,
                code,
                id: reader.readable_id(),
            })
        }
        Err((reason, code)) => Err(EnvelopeError {
            reason,
            code,
            id: None,
        }),
    }
}

impl<'a> Reader<'a> {
    /// Reads the whole body and returns the span of the message object.
    fn pass(&mut self) -> Result<Span, Wrong> {
        let scan = |error: ScanError| {
            let code = match error {
                ScanError::Utf8(_) | ScanError::Syntax(_) => ErrorCode::PARSE_ERROR,
                ScanError::TooDeep(_) => ErrorCode::INVALID_REQUEST,
            };
            (Reason::Scan(error), code)
        };
        let mut scanner = Scanner::new(self.body, self.limits.max_depth).map_err(scan)?;
        let kind = scanner.peek().map_err(scan)?;
        if kind != Kind::Object {
            scanner.skip().map_err(scan)?;
            scanner.finish().map_err(scan)?;
            let reason = if kind == Kind::Array {
                Reason::Batch
            } else {
                Reason::NotAnObject
            };
            return Err((reason, ErrorCode::INVALID_REQUEST));
        }
        let object = self.object(&mut scanner, Level::Message).map_err(scan)?;
        scanner.finish().map_err(scan)?;
        Ok(object)
    }

    /// Reads an object of policy; recursion ends with the levels, two below the message.
    fn object(&mut self, scanner: &mut Scanner<'a>, level: Level) -> Result<Span, ScanError> {
        let start = scanner.enter(Kind::Object)?;
        let mut first = true;
        while let Some(name) = scanner.next_member(&mut first)? {
            let Some(index) = self.known(level, name) else {
                scanner.skip()?;
                continue;
            };
            let name = level.names()[index];
            let found = match level.inside(name) {
                Some(inside) if scanner.peek()? == Kind::Object => {
                    (self.object(scanner, inside)?, Kind::Object)
                }
                _ => scanner.skip()?,
            };
            let slot = &mut self.slots(level)[index];
            if slot.is_some() {
                self.refuse(Reason::Duplicate(name), level);
            } else {
                *slot = Some(found);
            }
        }
        Ok(Span::new(start, scanner.position()))
    }

    fn slots(&mut self, level: Level) -> &mut [Slot] {
        match level {
            Level::Message => &mut self.message,
            Level::Params => &mut self.params,
            Level::Meta => &mut self.meta,
            Level::Reference => &mut self.reference,
            Level::Result => &mut self.result,
            Level::Error => &mut self.error,
        }
    }

    /// Which of the level's members a name is, if any; refuses case variants on the way.
    fn known(&mut self, level: Level, quoted: Span) -> Option<usize> {
        let name = decode_string(quoted.of(self.body))?;
        let names = level.names();
        if let Some(index) = names.iter().position(|known| *known == name) {
            return Some(index);
        }
        if let Some(known) = names.iter().find(|known| folds_to(&name, known)) {
            self.refuse(Reason::CaseVariant(known), level);
        }
        None
    }

    fn refuse(&mut self, reason: Reason, level: Level) {
        self.refusal.get_or_insert((reason, level.code()));
    }

    /// The id, for an error: `None` if it is missing, invalid, or not the only one.
    fn readable_id(&self) -> Option<RequestId> {
        if self.refusal == Some((Reason::Duplicate("id"), ErrorCode::INVALID_REQUEST)) {
            return None;
        }
        self.id(Level::Message, "id", self.message[1])
            .ok()
            .flatten()
            .map(RawId::to_owned)
    }

    fn build(&self, object: Span) -> Result<Message<'a>, Wrong> {
        const LEVEL: Level = Level::Message;
        let [version, id, method, params, result, error] = self.message;
        let invalid = |reason| (reason, LEVEL.code());
        match self.text(LEVEL, "jsonrpc", version)? {
            Some(version) if version.value == "2.0" => {}
            Some(_) => return Err(invalid(Reason::Mistyped("jsonrpc", "the string \"2.0\""))),
            None => return Err(invalid(Reason::Missing("jsonrpc"))),
        }
        let has_id = id.is_some();
        let is_null_id = matches!(id, Some((_, Kind::Null)));
        let id = self.id(LEVEL, "id", id)?;
        let body = self.body;
        if let Some(method) = self.text(LEVEL, "method", method)? {
            if result.is_some() || error.is_some() {
                return Err(invalid(Reason::Shape));
            }
            if is_null_id {
                return Err(invalid(Reason::Mistyped("id", "a string or an integer")));
            }
            let params = self.params(params)?;
            return Ok(match id {
                Some(id) => Message::Request(Request {
                    body,
                    object,
                    id,
                    method,
                    params,
                }),
                None => Message::Notification(Notification {
                    body,
                    object,
                    method,
                    params,
                }),
            });
        }
        // Some servers write both members, and `null` for the one that does not apply.
        let (result, error) = match (result, error) {
            (Some(_), Some((_, Kind::Null))) => (result, None),
            (Some((_, Kind::Null)), Some(_)) => (None, error),
            other => other,
        };
        let outcome = match (result, error) {
            (Some(result), None) => {
                if id.is_none() {
                    return Err(invalid(if has_id {
                        Reason::Mistyped("id", "a string or an integer")
                    } else {
                        Reason::Missing("id")
                    }));
                }
                Outcome::Result(self.result(result)?)
            }
            (None, Some(error)) => Outcome::Error(self.error(error)?),
            (None, None) if method.is_some() => {
                return Err(invalid(Reason::Mistyped("method", "a string")));
            }
            _ => return Err(invalid(Reason::Shape)),
        };
        Ok(Message::Response(Response {
            body,
            object,
            id,
            outcome,
        }))
    }

    fn params(&self, slot: Slot) -> Result<Option<Params<'a>>, Wrong> {
        const LEVEL: Level = Level::Params;
        let Some(span) = object_at(LEVEL, "params", slot)? else {
            return Ok(None);
        };
        let [
            name,
            uri,
            arguments,
            cursor,
            request_id,
            token,
            responses,
            state,
            task_id,
            task,
            reference,
            meta,
        ] = self.params;
        let meta = match object_at(LEVEL, "_meta", meta)? {
            Some(span) => Some(self.meta(span)?),
            None => None,
        };
        let reference = match object_at(LEVEL, "ref", reference)? {
            Some(span) => Some(self.reference(span)?),
            None => None,
        };
        Ok(Some(Params {
            span,
            name: self.required_text(LEVEL, "name", name)?,
            uri: self.required_text(LEVEL, "uri", uri)?,
            arguments: object_at(LEVEL, "arguments", arguments)?,
            cursor: self.text(LEVEL, "cursor", cursor)?,
            request_id: self.id(LEVEL, "requestId", request_id)?,
            progress_token: self.id(LEVEL, "progressToken", token)?,
            input_responses: object_at(LEVEL, "inputResponses", responses)?,
            request_state: self.text(LEVEL, "requestState", state)?,
            task_id: self.text(LEVEL, "taskId", task_id)?,
            // What it must be is for the server to say that the request goes to.
            task: task.filter(|(_, kind)| *kind != Kind::Null).map(|(span, _)| span),
            reference,
            meta,
        }))
    }

    fn meta(&self, span: Span) -> Result<Meta<'a>, Wrong> {
        let [
            token,
            protocol_version,
            client_info,
            client_capabilities,
            log_level,
            subscription,
        ] = self.meta;
        Ok(Meta {
            span,
            progress_token: self.id(Level::Meta, "progressToken", token)?,
            protocol_version,
            client_info,
            client_capabilities,
            log_level,
            subscription_id: self.id(Level::Meta, meta_keys::SUBSCRIPTION_ID, subscription)?,
        })
    }

    fn reference(&self, span: Span) -> Result<Reference<'a>, Wrong> {
        let [kind, name, uri] = self.reference;
        Ok(Reference {
            span,
            kind: self.required_text(Level::Reference, "type", kind)?,
            name: self.required_text(Level::Reference, "name", name)?,
            uri: self.required_text(Level::Reference, "uri", uri)?,
        })
    }

    fn result(&self, slot: (Span, Kind)) -> Result<ResultMembers<'a>, Wrong> {
        const LEVEL: Level = Level::Result;
        if slot.1 != Kind::Object {
            return Err(mistyped(LEVEL, "result", "an object"));
        }
        let [
            result_type,
            ttl_ms,
            cache_scope,
            state,
            requests,
            next_cursor,
            meta,
        ] = self.result;
        Ok(ResultMembers {
            span: slot.0,
            result_type: self.text(LEVEL, "resultType", result_type)?,
            ttl_ms: ttl_ms.map(|(span, _)| span),
            cache_scope: self.text(LEVEL, "cacheScope", cache_scope)?,
            request_state: self.text(LEVEL, "requestState", state)?,
            input_requests: object_at(LEVEL, "inputRequests", requests)?,
            next_cursor: self.text(LEVEL, "nextCursor", next_cursor)?,
            meta: object_at(LEVEL, "_meta", meta)?,
        })
    }

    fn error(&self, slot: (Span, Kind)) -> Result<ErrorMembers<'a>, Wrong> {
        const LEVEL: Level = Level::Error;
        if slot.1 != Kind::Object {
            return Err(mistyped(LEVEL, "error", "an object"));
        }
        let [code, message, data] = self.error;
        let Some((code, _)) = code else {
            return Err((Reason::Missing("code"), LEVEL.code()));
        };
        let Some(RequestId::Integer(code)) = self.str_at(code).and_then(RequestId::from_json) else {
            return Err(mistyped(LEVEL, "code", "an integer"));
        };
        Ok(ErrorMembers {
            span: slot.0,
            code: ErrorCode(code),
            message: self.text(LEVEL, "message", message)?,
            data: data.map(|(span, _)| span),
        })
    }

    /// A string, `null` counting as absent.
    fn text(&self, level: Level, name: &'static str, slot: Slot) -> Result<Option<Text<'a>>, Wrong> {
        match slot {
            None | Some((_, Kind::Null)) => Ok(None),
            Some(_) => self.required_text(level, name, slot),
        }
    }

    /// A string wherever the member is there.
    fn required_text(&self, level: Level, name: &'static str, slot: Slot) -> Result<Option<Text<'a>>, Wrong> {
        let Some((span, kind)) = slot else {
            return Ok(None);
        };
        if kind != Kind::String {
            return Err(mistyped(level, name, "a string"));
        }
        match decode_string(span.of(self.body)) {
            Some(value) => Ok(Some(Text { span, value })),
            None => Err(mistyped(level, name, "a string of whole Unicode characters")),
        }
    }

    /// A string or integer, `null` counting as absent.
    fn id(&self, level: Level, name: &'static str, slot: Slot) -> Result<Option<RawId<'a>>, Wrong> {
        let (span, kind) = match slot {
            None | Some((_, Kind::Null)) => return Ok(None),
            Some(found) => found,
        };
        if span.len() > self.limits.max_id_bytes {
            return Err((Reason::TooLong(name, self.limits.max_id_bytes), level.code()));
        }
        let raw = match kind {
            Kind::String | Kind::Number => self.str_at(span).filter(|raw| is_id(raw)),
            Kind::Object | Kind::Array | Kind::Boolean | Kind::Null => None,
        };
        raw.map(|raw| Some(RawId { span, raw }))
            .ok_or_else(|| mistyped(level, name, "a string or an integer of at most 64 bits"))
    }

    fn str_at(&self, span: Span) -> Option<&'a str> {
        std::str::from_utf8(self.body.get(span.start..span.end)?).ok()
    }
}

/// An object, `null` counting as absent.
fn object_at(level: Level, name: &'static str, slot: Slot) -> Result<Option<Span>, Wrong> {
    match slot {
        None | Some((_, Kind::Null)) => Ok(None),
        Some((span, Kind::Object)) => Ok(Some(span)),
        Some(_) => Err(mistyped(level, name, "an object")),
    }
}

fn mistyped(level: Level, name: &'static str, expected: &'static str) -> Wrong {
    (Reason::Mistyped(name, expected), level.code())
}

/// Whether JSON text of a string or number is an id; does not allocate for what ids usually are.
fn is_id(raw: &str) -> bool {
    if raw.starts_with('"') && !raw.contains('\\') {
        return true;
    }
    RequestId::from_json(raw).is_some()
}

#[cfg(test)]
mod tests;
