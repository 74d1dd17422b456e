//! Charts, drawn here as SVG, so that pages need no script for them and nothing is loaded: what the pages of activity
//! show, and no more. Shapes are stretched to the width of the page and texts are not, so a chart can be read on a phone.
//! Series are distinguished by dashes and fillings, and every chart has its numbers in a table behind it.

mod axis;
mod figure;
mod numbers;
mod shape;
mod spark;

pub(super) use axis::Times;
pub(super) use figure::{Figure, Kind, Series};
pub(super) use numbers::{Unit, count, duration};
pub(super) use spark::Spark;
