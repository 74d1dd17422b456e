//! A chart with its axes, its legend and its table.

use askama::{Template, filters::HtmlSafe};

use super::{
    axis::{self, Times},
    numbers::Unit,
    shape::{self, short},
};

/// The height of what is drawn, in pixels.
const HEIGHT: f64 = 150.0;
/// Room above for half of the label of the highest value.
const ABOVE: f64 = 8.0;
/// Room below for the labels of moments.
const BELOW: f64 = 22.0;

/// How series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bars, one series on top of the other.
    Bars,
    /// Lines, distinguished by their dashes.
    Lines,
}

/// Values that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// What they are.
    pub(crate) name: &'static str,
    /// Its looks in the style sheet: `first`, `second`, `third`.
    pub(crate) look: &'static str,
    /// A value for each moment; `None` if there is none.
    pub(crate) values: Vec<Option<f64>>,
}

/// A chart.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Unique on its page.
    pub(crate) id: &'static str,
    /// What it shows.
    pub(crate) title: String,
    /// The same in a sentence with numbers, for those who do not see it.
    pub(crate) summary: String,
    /// How it is drawn.
    pub(crate) kind: Kind,
    /// What its values are.
    pub(crate) unit: Unit,
    /// When they were.
    pub(crate) times: Times,
    /// What is drawn, from below.
    pub(crate) series: Vec<Series>,
}

/// A labelled value.
struct Level {
    y: String,
    label_y: String,
    label: String,
}

/// A labelled moment.
struct Label {
    x: String,
    anchor: &'static str,
    text: String,
}

/// A series as it is drawn.
struct Drawn {
    name: &'static str,
    look: &'static str,
    path: String,
}

/// A moment with its values in words.
struct Bucket {
    x: String,
    name: String,
    values: Vec<String>,
    words: String,
}

#[derive(Template)]
#[template(path = "dashboard/chart/figure.html")]
struct FigureTemplate<'a> {
    figure: &'a Figure,
    is_empty: bool,
    is_lines: bool,
    above: String,
    height: String,
    foot: String,
    whole: String,
    wide: String,
    levels: Vec<Level>,
    labels: Vec<Label>,
    drawn: Vec<Drawn>,
    buckets: Vec<Bucket>,
}

impl Figure {
    fn highest(&self) -> f64 {
        let count = self.times.len();
        let at = |index: usize| {
            self.series
                .iter()
                .filter_map(move |series| series.values.get(index).copied().flatten())
        };
        let of = |index: usize| match self.kind {
            Kind::Bars => at(index).sum::<f64>(),
            Kind::Lines => at(index).fold(0.0, f64::max),
        };
        (0..count).map(of).fold(0.0, f64::max)
    }

    fn drawn(&self, highest: f64) -> Vec<Drawn> {
        let mut below = vec![0.0; self.times.len()];
        let mut draw = |series: &Series| {
            let path = match self.kind {
                Kind::Lines => shape::line(&series.values, highest, HEIGHT),
                Kind::Bars => {
                    let values: Vec<_> = series.values.iter().map(|value| value.unwrap_or(0.0)).collect();
                    let path = shape::bars(&values, &below, highest, HEIGHT);
                    for (sum, value) in below.iter_mut().zip(&values) {
                        *sum += value;
                    }
                    path
                }
            };
            Drawn {
                name: series.name,
                look: series.look,
                path,
            }
        };
        self.series.iter().map(&mut draw).collect()
    }

    fn buckets(&self) -> Vec<Bucket> {
        let count = self.times.len();
        let words = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| self.unit.words(value));
        let bucket = |index: usize| {
            let values = self
                .series
                .iter()
                .map(|series| words(series.values.get(index).copied().flatten()));
            let values: Vec<_> = values.collect();
            let named = self
                .series
                .iter()
                .zip(&values)
                .map(|(series, value)| format!("{} {value}", series.name));
            let width = 100.0 / f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX));
            Bucket {
                x: short(shape::percent(index, count) - width / 2.0),
                name: self.times.full(index),
                words: named.collect::<Vec<_>>().join(", "),
                values,
            }
        };
        (0..count).map(bucket).collect()
    }

    fn labels(&self) -> Vec<Label> {
        let count = self.times.len();
        let label = |(index, text): (usize, String)| {
            let x = shape::percent(index, count);
            let anchor = match x {
                left if left < 6.0 => "start",
                right if right > 94.0 => "end",
                _ => "middle",
            };
            Label {
                x: short(x),
                anchor,
                text,
            }
        };
        self.times.labels().into_iter().map(label).collect()
    }

    fn template(&self) -> FigureTemplate<'_> {
        let highest = self.highest();
        let values = axis::values(highest, self.unit);
        let top = values.last().copied().unwrap_or(1.0);
        let levels = values.iter().map(|value| {
            let y = ABOVE + shape::level(*value, top, HEIGHT);
            Level {
                y: short(y),
                label_y: short(y + 4.0),
                label: self.unit.words(*value),
            }
        });
        let count = u32::try_from(self.times.len().max(1)).unwrap_or(u32::MAX);
        FigureTemplate {
            figure: self,
            is_empty: highest <= 0.0,
            is_lines: self.kind == Kind::Lines,
            above: short(ABOVE),
            height: short(HEIGHT),
            foot: short(ABOVE + HEIGHT + BELOW - 6.0),
            whole: short(ABOVE + HEIGHT + BELOW),
            wide: format!("{:.2}", 100.0 / f64::from(count)),
            levels: levels.collect(),
            labels: self.labels(),
            drawn: self.drawn(top),
            buckets: self.buckets(),
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.template(), f)
    }
}

/// Its template escapes what it shows.
impl HtmlSafe for Figure {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_domain::Timestamp;

    use super::*;

    fn figure(kind: Kind, title: &str, values: &[&[Option<f64>]]) -> Figure {
        let begin =
            |index: usize| Timestamp::from_seconds(1_800_000_000 + i64::try_from(index).unwrap() * 3_600);
        let looks = [("OK", "first"), ("Failed", "second"), ("Refused", "third")];
        Figure {
            id: "requests",
            title: title.to_owned(),
            summary: format!("All of {title}."),
            kind,
            unit: Unit::Count,
            times: Times::new((0..values[0].len()).map(begin).collect(), Duration::from_hours(1)),
            series: looks
                .into_iter()
                .zip(values)
                .map(|((name, look), values)| Series {
                    name,
                    look,
                    values: values.to_vec(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_chart_says_what_it_shows_and_has_its_numbers_in_a_table() {
        let values: [&[_]; 2] = [&[Some(3.0), Some(1_200.0)], &[Some(1.0), None]];
        let html = figure(Kind::Bars, "Requests", &values).to_string();
        assert!(html.contains("role=\"img\" aria-labelledby=\"requests-title requests-text\""));
        assert!(
            html.contains("<title id=\"requests-title\">Requests</title>"),
            "{html}"
        );
        assert!(html.contains("<desc id=\"requests-text\">All of Requests.</desc>"));
        assert!(
            html.contains("<th scope=\"row\">15 Jan 09:00</th><td>1,200</td><td>–</td>"),
            "{html}"
        );
        assert!(
            html.contains("<title>15 Jan 08:00: OK 3, Failed 1</title>"),
            "{html}"
        );
        assert!(!html.contains("style="), "the policy allows no inline styles");
    }

    #[test]
    fn hostile_names_are_texts_in_a_chart() {
        let name = "</title></svg><script>alert(1)</script>\"'&";
        let html = figure(Kind::Lines, name, &[&[Some(1.0)]]).to_string();
        assert!(
            !html.contains("<script") && html.matches("</svg>").count() == 2,
            "{html}"
        );
        assert!(html.contains("&#60;script&#62;"));
    }

    #[test]
    fn a_chart_of_a_page_is_light_however_large_its_numbers_are() {
        let large: Vec<_> = (0..30)
            .map(|index| Some(9_876_543_210.0 / f64::from(index + 1)))
            .collect();
        for kind in [Kind::Bars, Kind::Lines] {
            let html = figure(kind, "Requests", &[&large, &large, &large]).to_string();
            assert!(html.len() < 16_000, "{} bytes", html.len());
        }
    }

    #[test]
    fn stacked_bars_fit_below_the_highest_label() {
        let values: [&[_]; 2] = [&[Some(3.0)], &[Some(4.0)]];
        assert!((figure(Kind::Bars, "x", &values).highest() - 7.0).abs() < f64::EPSILON);
        assert!((figure(Kind::Lines, "x", &values).highest() - 4.0).abs() < f64::EPSILON);
    }
}
