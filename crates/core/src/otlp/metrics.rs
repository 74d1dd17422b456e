//! Metrics in the form of OTLP, made of the text that `/metrics` shows: both always say the same.

use gatewright_domain::trace_context::TraceId;

use super::wire::Message;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// One metric of the text (OpenMetrics 1.0).
#[derive(Debug, Default, PartialEq)]
struct Metric<'a> {
    name: &'a str,
    kind: &'a str,
    unit: &'a str,
    help: String,
    samples: Vec<Sample<'a>>,
}

/// One line.
#[derive(Debug, PartialEq)]
struct Sample<'a> {
    /// What stands behind the name of the metric.
    suffix: &'a str,
    labels: Vec<(&'a str, String)>,
    value: &'a str,
    exemplar: Option<Exemplar>,
}

#[derive(Debug, Clone, PartialEq)]
struct Exemplar {
    trace: TraceId,
    value: f64,
    /// In nanoseconds since the Unix epoch.
    at: u64,
}

/// Adds all metrics of a text to `ScopeMetrics`, whose field this is; returns how many. `began` and `now` are in nanoseconds since the
/// Unix epoch.
pub(super) fn write(text: &str, (began, now): (u64, u64), scope: &mut Message, field: u32) -> usize {
    let metrics = read(text);
    for metric in &metrics {
        scope.message(field, |message| metric.write(message, began, now));
    }
    metrics.len()
}

fn read(text: &str) -> Vec<Metric<'_>> {
    let mut metrics: Vec<Metric<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            if metrics.last().is_none_or(|last| last.name != name) {
                metrics.push(Metric {
                    name,
                    ..Metric::default()
                });
            }
            let (rest, last) = (words.next().unwrap_or_default(), metrics.last_mut());
            match (what, last) {
                ("HELP", Some(metric)) => metric.help = unescaped(rest),
                ("TYPE", Some(metric)) => metric.kind = rest,
                ("UNIT", Some(metric)) => metric.unit = rest,
                _ => {}
            }
        } else if let Some(metric) = metrics.last_mut()
            && let Some(behind) = line.strip_prefix(metric.name)
            && let Some(sample) = sample(behind)
        {
            metric.samples.push(sample);
        }
    }
    metrics.retain(|metric| !metric.samples.is_empty());
    metrics
}

/// A line without the name of its metric.
fn sample(line: &str) -> Option<Sample<'_>> {
    let with_exemplar = line.rsplit_once(" # {");
    let (line, exemplar) = with_exemplar
        .and_then(|(line, behind)| Some((line, Some(exemplar(behind)?))))
        .unwrap_or((line, None));
    let (series, value) = line.rsplit_once(' ')?;
    let (suffix, labels) = match series.split_once('{') {
        Some((suffix, labels)) => (suffix, self::labels(labels.strip_suffix('}')?)?),
        None => (series, Vec::new()),
    };
    Some(Sample {
        suffix,
        labels,
        value,
        exemplar,
    })
}

/// `trace_id="…"} value timestamp`.
fn exemplar(text: &str) -> Option<Exemplar> {
    let (labels, behind) = text.split_once("} ")?;
    let (_, trace) = self::labels(labels)?
        .into_iter()
        .find(|(name, _)| *name == "trace_id")?;
    let (value, at) = behind.split_once(' ')?;
    let at = std::time::Duration::try_from_secs_f64(at.parse().ok()?).ok()?;
    Some(Exemplar {
        trace: TraceId::parse(&trace)?,
        value: value.parse().ok()?,
        at: u64::try_from(at.as_nanos()).ok()?,
    })
}

/// `name="value",name="value"`.
fn labels(mut text: &str) -> Option<Vec<(&str, String)>> {
    let mut labels = Vec::new();
    while !text.is_empty() {
        let (name, behind) = text.split_once("=\"")?;
        let mut is_escaped = false;
        let end = behind.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        })?;
        labels.push((name, unescaped(&behind[..end])));
        text = behind[end + 1..].trim_start_matches(',');
    }
    Some(labels)
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            other => plain.push(other),
        }
    }
    plain
}

impl Metric<'_> {
    fn write(&self, message: &mut Message, began: u64, now: u64) {
        // The unit is a member of its own, and exporters for Prometheus add it to the name again.
        let name = self
            .name
            .strip_suffix(self.unit)
            .and_then(|name| name.strip_suffix('_'));
        message.bytes(1, name.unwrap_or(self.name).as_bytes());
        message.bytes(2, self.help.as_bytes());
        let unit = match self.unit {
            "seconds" => "s",
            "bytes" => "By",
            other => other,
        };
        message.bytes(3, unit.as_bytes());
        match self.kind {
            "counter" => message.message(7, |sum| {
                let totals = self.samples.iter().filter(|sample| sample.suffix == "_total");
                totals.for_each(|sample| sample.write(sum, began, now));
                sum.number(2, CUMULATIVE);
                sum.number(3, 1);
            }),
            "histogram" => message.message(9, |histogram| {
                for point in self.histograms() {
                    histogram.message(1, |message| point.write(message, began, now));
                }
                histogram.number(2, CUMULATIVE);
            }),
            _ => message.message(5, |gauge| {
                self.samples.iter().for_each(|sample| sample.write(gauge, 0, now));
            }),
        }
    }

    /// The lines of one histogram stand one behind the other: sum, count and buckets.
    fn histograms(&self) -> Vec<Histogram<'_>> {
        let mut points: Vec<Histogram<'_>> = Vec::new();
        for sample in &self.samples {
            let labels = || sample.labels.iter().filter(|(name, _)| *name != "le");
            if points
                .last()
                .is_none_or(|last| !last.labels.iter().copied().eq(labels()))
            {
                points.push(Histogram {
                    labels: labels().collect(),
                    ..Histogram::default()
                });
            }
            let Some(point) = points.last_mut() else { continue };
            let number = || sample.value.parse().unwrap_or(0);
            match sample.suffix {
                "_sum" => point.sum = sample.value.parse().unwrap_or(0.0),
                "_count" => point.count = number(),
                _ => {
                    let bound = sample.labels.iter().find(|(name, _)| *name == "le");
                    // What follows the last bound has none.
                    let bound = bound.and_then(|(_, bound)| bound.parse().ok());
                    point.bounds.extend(bound.filter(|bound: &f64| bound.is_finite()));
                    point.cumulative.push(number());
                    point.exemplars.extend(sample.exemplar.clone());
                }
            }
        }
        points
    }
}

#[derive(Debug, Default)]
struct Histogram<'a> {
    labels: Vec<&'a (&'a str, String)>,
    sum: f64,
    count: u64,
    bounds: Vec<f64>,
    /// How many are in each bucket or in those before it.
    cumulative: Vec<u64>,
    exemplars: Vec<Exemplar>,
}

impl Histogram<'_> {
    fn write(&self, point: &mut Message, began: u64, now: u64) {
        point.fixed64(2, began);
        point.fixed64(3, now);
        point.fixed64(4, self.count);
        point.set_double(5, self.sum);
        let before = std::iter::once(&0).chain(&self.cumulative);
        let counts: Vec<u64> = self
            .cumulative
            .iter()
            .zip(before)
            .map(|(upto, before)| upto.saturating_sub(*before))
            .collect();
        point.packed(6, counts.iter().map(|count| count.to_le_bytes()));
        point.packed(7, self.bounds.iter().map(|bound| bound.to_le_bytes()));
        for exemplar in &self.exemplars {
            point.message(8, |message| {
                message.fixed64(2, exemplar.at);
                message.set_double(3, exemplar.value);
                message.bytes(5, exemplar.trace.as_bytes());
            });
        }
        for (name, value) in &self.labels {
            point.text(9, name, value);
        }
    }
}

impl Sample<'_> {
    fn write(&self, points: &mut Message, began: u64, now: u64) {
        points.message(1, |point| {
            point.fixed64(2, began);
            point.fixed64(3, now);
            match (self.value.parse(), self.value.parse()) {
                (Ok(integer), _) => point.set_sfixed64(6, integer),
                (_, Ok(number)) => point.set_double(4, number),
                (Err(_), Err(_)) => {}
            }
            for (name, value) in &self.labels {
                point.text(7, name, value);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn the_text_of_the_metrics_is_read_whole() {
        let telemetry = Telemetry::default();
        telemetry.count_request("/mcp/{slug}", Some(200), Duration::from_micros(300));
        telemetry.count_request("/a\"b\\c", None, Duration::from_millis(3));
        telemetry.count_sign_in("begun");
        let text = telemetry.encode().unwrap();
        let metrics = read(&text);
        let samples: usize = metrics.iter().map(|metric| metric.samples.len()).sum();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(samples, lines.count(), "{text}");
        assert!(
            metrics
                .iter()
                .all(|metric| !metric.kind.is_empty() && !metric.help.is_empty()),
            "{metrics:?}"
        );
        let found = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
        let durations = found("gatewright_http_request_duration_seconds");
        assert_eq!((durations.kind, durations.unit), ("histogram", "seconds"));
        let points = durations.histograms();
        let odd = points
            .iter()
            .find(|point| point.labels[0].1 == "/a\"b\\c")
            .unwrap();
        assert_eq!((odd.count, odd.bounds.len() + 1), (1, odd.cumulative.len()));
        let begun = &found("gatewright_sign_ins").samples[0];
        assert_eq!(
            (begun.suffix, begun.value, &*begun.labels[0].1),
            ("_total", "1", "begun")
        );
        let mut message = Message::default();
        assert_eq!(write(&text, (1, 2), &mut message, 2), metrics.len());
        assert!(message.into_bytes().len() > 500);
    }

    #[test]
    fn an_exemplar_names_the_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let line =
            format!(r##"_bucket{{le="0.5",a="b,=\"# {{"}} 3 # {{trace_id="{trace}"}} 0.25 1800000000.5"##);
        let sample = sample(&line).unwrap();
        assert_eq!(
            sample.labels,
            [("le", "0.5".to_owned()), ("a", "b,=\"# {".to_owned())]
        );
        let exemplar = sample.exemplar.unwrap();
        assert_eq!(exemplar.trace.to_string(), trace);
        assert_eq!(
            (exemplar.value.to_bits(), exemplar.at),
            (0.25_f64.to_bits(), 1_800_000_000_500_000_000)
        );
        for broken in ["", "_total", "{le=\"1\" 3", "{le=1} 3"] {
            assert_eq!(self::sample(broken), None, "{broken}");
        }
    }
}
