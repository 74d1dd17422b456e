//! Cursor pages.

use crate::{StoreError, row::Row};

/// The maximum page size, whatever is requested.
const MAX_ROWS: u32 = 200;

/// Above every ID in every collation: where a list that starts with the newest begins.
const ABOVE_ALL: &str = "zzzz";

/// Which page of a list to read: the list decides whether newest or lowest comes first; the cursor is the last ID seen.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// The ID after which to continue.
    pub after: Option<String>,
    /// 1 to 200 rows.
    pub limit: u32,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    /// A page without rows, and the last.
    fn default() -> Self {
        Self {
            items: Vec::new(),
            next: None,
        }
    }
}

impl PageRequest {
    /// The first page of a list.
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The ID after which a list in ascending order continues.
    pub(crate) fn above(&self) -> &str {
        self.cursor().unwrap_or_default()
    }

    /// The ID below which a list in descending order continues.
    pub(crate) fn below(&self) -> &str {
        self.cursor().unwrap_or(ABOVE_ALL)
    }

    /// Whether an ID is on this page of a descending list, or on a later one.
    pub fn comes_after(&self, id: &str) -> bool {
        id < self.below()
    }

    /// How many rows to request: one more than are shown, to find out whether there is a next page.
    pub(crate) fn rows(&self) -> u32 {
        self.shown() + 1
    }

    /// The page these rows make.
    pub(crate) fn page<T>(
        &self,
        mut rows: Vec<Row>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let shown = self.shown() as usize;
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next = match rows.last() {
            Some(last) if more => Some(last.text("id")?),
            _ => None,
        };
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    fn shown(&self) -> u32 {
        self.limit.clamp(1, MAX_ROWS)
    }

    /// Text that is not an ID starts the list from its beginning.
    fn cursor(&self) -> Option<&str> {
        let is_id = |text: &&str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        self.after.as_deref().filter(is_id)
    }
}
