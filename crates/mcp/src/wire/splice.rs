//! A new body out of an old one and a few edits; every other byte is copied as it is.

use std::{borrow::Cow, collections::HashSet};

use bytes::Bytes;

use super::{
    envelope::Params,
    json::json_string,
    scan::{Member, ScanError, Span, decode_string, each_member},
};

/// Why edits could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Two edits touch the same bytes.
    #[error("two edits overlap at byte {0}")]
    Overlap(usize),
    /// An edit is outside the body.
    #[error("an edit is outside the body, at byte {0}")]
    OutOfBounds(usize),
    /// What should be an object is not one.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Edits of one body, collected and then made at once. Spans are those of the original body throughout.
#[derive(Debug, Clone)]
pub struct Splice<'a> {
    body: &'a [u8],
    edits: Vec<(Span, Cow<'a, [u8]>)>,
    members: Vec<MemberEdit<'a>>,
}

/// A member to set (`Some`) or to remove (`None`).
#[derive(Debug, Clone)]
struct MemberEdit<'a> {
    object: Span,
    name: Cow<'a, str>,
    value: Option<Cow<'a, [u8]>>,
}

impl<'a> Splice<'a> {
    /// No edits of `body` yet.
    pub const fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            edits: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Whether nothing was asked for.
    pub const fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.members.is_empty()
    }

    /// Puts `with` where `span` was; an empty span inserts.
    pub fn replace(&mut self, span: Span, with: impl Into<Cow<'a, [u8]>>) -> &mut Self {
        self.edits.push((span, with.into()));
        self
    }

    /// Puts a JSON string with this text where `span` was.
    pub fn replace_string(&mut self, span: Span, text: &str) -> &mut Self {
        self.replace(span, json_string(text).into_bytes())
    }

    /// Gives the object at `object` a member of that name and JSON text, in place of one it has. A new member becomes
    /// the first of its object. Of several edits of one member the last counts.
    pub fn set_member(
        &mut self,
        object: Span,
        name: impl Into<Cow<'a, str>>,
        value: impl Into<Cow<'a, [u8]>>,
    ) -> &mut Self {
        self.members.push(MemberEdit {
            object,
            name: name.into(),
            value: Some(value.into()),
        });
        self
    }

    /// Takes the member of that name, with its comma, out of the object at `object`, if it is there.
    pub fn remove_member(&mut self, object: Span, name: impl Into<Cow<'a, str>>) -> &mut Self {
        self.members.push(MemberEdit {
            object,
            name: name.into(),
            value: None,
        });
        self
    }

    /// Sets (`Some`) or removes (`None`) members of `params._meta`, adding `_meta` and `params` if they are missing.
    /// `message` is the span of the message object. One call per message: of two that both add `_meta`, the last counts.
    pub fn edit_meta(
        &mut self,
        message: Span,
        params: Option<&Params<'_>>,
        edits: impl IntoIterator<Item = (Cow<'a, str>, Option<Cow<'a, [u8]>>)>,
    ) -> &mut Self {
        if let Some(meta) = params.and_then(|params| params.meta.as_ref()) {
            let object = meta.span;
            self.members.extend(
                edits
                    .into_iter()
                    .map(|(name, value)| MemberEdit { object, name, value }),
            );
            return self;
        }
        let set: Vec<_> = edits
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
        if set.is_empty() {
            return self;
        }
        let mut object = b"{".to_vec();
        for (index, (name, value)) in set.iter().enumerate() {
            if index > 0 {
                object.push(b',');
            }
            write_member(&mut object, name, value);
        }
        object.push(b'}');
        if let Some(params) = params {
            return self.set_member(params.span, "_meta", object);
        }
        let mut params = b"{\"_meta\":".to_vec();
        params.append(&mut object);
        params.push(b'}');
        self.set_member(message, "params", params)
    }

    /// The new body.
    pub fn finish(mut self) -> Result<Bytes, SpliceError> {
        let objects: HashSet<Span> = self.members.iter().map(|edit| edit.object).collect();
        for object in objects {
            self.resolve(object)?;
        }
        let mut edits = self.edits;
        // Stable, so that insertions at one place keep their order and come before what starts there.
        edits.sort_by_key(|(span, _)| (span.start, span.end));
        let grown: usize = edits.iter().map(|(_, with)| with.len()).sum();
        let mut body = Vec::with_capacity(self.body.len() + grown);
        let mut copied = 0;
        for (span, with) in &edits {
            if span.start < copied {
                return Err(SpliceError::Overlap(span.start));
            }
            if span.end < span.start || span.end > self.body.len() {
                return Err(SpliceError::OutOfBounds(span.end));
            }
            body.extend_from_slice(&self.body[copied..span.start]);
            body.extend_from_slice(with);
            copied = span.end;
        }
        body.extend_from_slice(&self.body[copied..]);
        Ok(body.into())
    }

    /// Turns the member edits of one object into edits of bytes.
    fn resolve(&mut self, object: Span) -> Result<(), SpliceError> {
        let mut wanted: Vec<MemberEdit<'a>> = Vec::new();
        for edit in self.members.iter().filter(|edit| edit.object == object) {
            match wanted.iter_mut().find(|other| other.name == edit.name) {
                Some(other) => *other = edit.clone(),
                None => wanted.push(edit.clone()),
            }
        }
        let mut is_set = vec![false; wanted.len()];
        let mut kept = 0_usize;
        let mut previous_end = None;
        // A member removed at the front is removed with the comma after it, so its end waits for the next one.
        let mut at_front: Option<Span> = None;
        for member in each_member(self.body, object) {
            let Member { name, value, .. } = member?;
            if let Some(removed) = at_front.take() {
                self.edits
                    .push((Span::new(removed.start, name.start), Cow::Borrowed(b"")));
            }
            let text = decode_string(name.of(self.body));
            let edit = text.and_then(|text| wanted.iter().position(|edit| edit.name == text));
            match edit.map(|at| (at, wanted[at].value.clone())) {
                Some((at, Some(with))) if !is_set[at] => {
                    is_set[at] = true;
                    kept += 1;
                    self.edits.push((value, with));
                }
                // One that is removed after a member that stays is removed with the comma before it.
                Some(_) => match previous_end.filter(|_| kept > 0) {
                    Some(end) => self.edits.push((Span::new(end, value.end), Cow::Borrowed(b""))),
                    None => at_front = Some(Span::new(name.start, value.end)),
                },
                None => kept += 1,
            }
            previous_end = Some(value.end);
        }
        self.edits
            .extend(at_front.map(|removed| (removed, Cow::Borrowed(&b""[..]))));
        let mut inserted = Vec::new();
        let missing = wanted
            .iter()
            .zip(&is_set)
            .filter(|(_, is_set)| !**is_set)
            .filter_map(|(edit, _)| edit.value.as_ref().map(|value| (&edit.name, value)));
        for (index, (name, value)) in missing.enumerate() {
            if index > 0 {
                inserted.push(b',');
            }
            write_member(&mut inserted, name, value);
        }
        if !inserted.is_empty() {
            if kept > 0 {
                inserted.push(b',');
            }
            let brace = object.start + 1;
            self.edits.push((Span::new(brace, brace), inserted.into()));
        }
        Ok(())
    }
}

fn write_member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(json_string(name).as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests;
