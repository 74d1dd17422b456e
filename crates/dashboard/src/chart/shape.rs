//! Paths of series, in a box that is [`WIDTH`] wide and stretched to the width of the page.

use std::fmt::Write as _;

/// The width of the box.
pub(super) const WIDTH: f64 = 1_000.0;
/// The share of a bucket that its bar takes.
const BAR: f64 = 0.72;

/// A line through the middle of each bucket. If there is no value, the line has a gap; a value between two gaps is a dot.
pub(super) fn line(values: &[Option<f64>], highest: f64, height: f64) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let (x, y) = (middle(index, values.len()), level(*value, highest, height));
        let command = if is_down { 'L' } else { 'M' };
        let is_alone = !is_down && values.get(index + 1).is_none_or(Option::is_none);
        // Writing to a String never fails. A line of no length is drawn as its two round ends.
        let _ = write!(path, "{command}{} {}", short(x), short(y));
        if is_alone {
            path.push_str("h0");
        }
        is_down = true;
    }
    path
}

/// A bar for each bucket, on top of what is below it.
pub(super) fn bars(values: &[f64], below: &[f64], highest: f64, height: f64) -> String {
    let mut path = String::new();
    let wide = WIDTH / slots(values.len()) * BAR;
    for (index, (value, below)) in values.iter().zip(below).enumerate() {
        if *value <= 0.0 {
            continue;
        }
        let left = middle(index, values.len()) - wide / 2.0;
        let (top, foot) = (
            level(below + value, highest, height),
            level(*below, highest, height),
        );
        let _ = write!(
            path,
            "M{} {}h{}V{}h-{}z",
            short(left),
            short(foot),
            short(wide),
            short(top),
            short(wide)
        );
    }
    path
}

/// The area between a line and the foot of the box.
pub(super) fn area(values: &[f64], highest: f64, height: f64) -> String {
    let mut path = format!("M0 {}", short(height));
    for (index, value) in values.iter().enumerate() {
        let (x, y) = (edge_to_edge(index, values.len()), level(*value, highest, height));
        let _ = write!(path, "L{} {}", short(x), short(y));
    }
    let _ = write!(path, "L{} {}z", short(WIDTH), short(height));
    path
}

/// The line above that area.
pub(super) fn ridge(values: &[f64], highest: f64, height: f64) -> String {
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let (x, y) = (edge_to_edge(index, values.len()), level(*value, highest, height));
        let command = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", short(x), short(y));
    }
    path
}

/// The middle of a bucket, as a share of the width in percent.
pub(super) fn percent(index: usize, count: usize) -> f64 {
    middle(index, count) / WIDTH * 100.0
}

/// The height of a value above the foot, from the top.
pub(super) fn level(value: f64, highest: f64, height: f64) -> f64 {
    if highest <= 0.0 || !value.is_finite() {
        return height;
    }
    height - (value / highest).clamp(0.0, 1.0) * height
}

fn middle(index: usize, count: usize) -> f64 {
    (slots(index) + 0.5) * WIDTH / slots(count).max(1.0)
}

fn edge_to_edge(index: usize, count: usize) -> f64 {
    slots(index) * WIDTH / (slots(count) - 1.0).max(1.0)
}

fn slots(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A coordinate with one decimal, unless it is zero.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEIGHT: f64 = 160.0;

    /// All numbers of a path.
    fn numbers(path: &str) -> Vec<f64> {
        let parts = path.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        parts
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap())
            .collect()
    }

    proptest! {
        #[test]
        fn shapes_stay_in_their_box(
            values in prop::collection::vec(0.0_f64..1e12, 1..70),
            share in 0.1_f64..3.0,
        ) {
            let top = values.iter().copied().fold(0.0, f64::max) * share;
            let below = vec![top / 3.0; values.len()];
            let some: Vec<_> = values.iter().map(|value| (*value > top / 2.0).then_some(*value)).collect();
            for path in [
                line(&some, top, HEIGHT),
                bars(&values, &below, top, HEIGHT),
                area(&values, top, HEIGHT),
                ridge(&values, top, HEIGHT),
            ] {
                prop_assert!(numbers(&path).iter().all(|number| *number <= WIDTH), "{}", path);
                prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{}", path);
            }
        }

        #[test]
        fn higher_values_are_higher_and_later_ones_further_right(
            low in 0.0_f64..1.0, more in 0.01_f64..1.0, count in 2_usize..70,
        ) {
            prop_assert!(level(low + more, 2.0, HEIGHT) < level(low, 2.0, HEIGHT));
            let places: Vec<_> = (0..count).map(|index| percent(index, count)).collect();
            prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(places[0] > 0.0 && places[count - 1] < 100.0);
        }
    }

    #[test]
    fn a_line_has_a_gap_where_there_is_no_value_and_a_dot_between_two() {
        let values = [Some(1.0), Some(2.0), None, Some(1.0), None];
        assert_eq!(line(&values, 2.0, 100.0), "M100 50L300 0M700 50h0");
        assert_eq!(line(&[None], 2.0, 100.0), "");
    }

    #[test]
    fn bars_stand_on_what_is_below_them() {
        assert_eq!(bars(&[1.0, 0.0], &[1.0, 0.0], 2.0, 100.0), "M70 50h360V0h-360z");
    }
}
