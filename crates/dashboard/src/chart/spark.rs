//! Sparklines: how a number developed, next to the number.

use askama::{Template, filters::HtmlSafe};

use super::shape;

/// The height of the box.
const HEIGHT: f64 = 32.0;

/// How a number went, without axes.
#[derive(Template)]
#[template(path = "dashboard/chart/spark.html")]
pub(crate) struct Spark {
    label: String,
    area: String,
    ridge: String,
}

impl Spark {
    /// A line through these values, and what it shows in words.
    pub(crate) fn new(values: &[f64], label: String) -> Self {
        let highest = values.iter().copied().fold(0.0, f64::max);
        Self {
            label,
            area: shape::area(values, highest, HEIGHT),
            ridge: shape::ridge(values, highest, HEIGHT),
        }
    }
}

/// Its template escapes what it shows.
impl HtmlSafe for Spark {}
