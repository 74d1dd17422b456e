//! The rule about circles: when one folder needs another, the other does not need the first, neither itself nor through
//! others. Then each can be read, tested and compiled without what is above it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    exceptions::{Between, LAYERS},
    modules::Arrows,
};

/// Lines of one arrow that are shown; an arrow with more is seldom turned line by line.
const PLACES_SHOWN: usize = 6;

/// What is wrong between the folders of the package in `folder`: circles, arrows against its layers, and exceptions that
/// are no longer needed.
pub(crate) fn broken(folder: &str, arrows: &Arrows, exceptions: &[Between]) -> Vec<String> {
    let mine: Vec<&Between> = exceptions
        .iter()
        .filter(|exception| exception.package == folder)
        .collect();
    let mut kept = arrows.clone();
    kept.retain(|(from, to), _| !mine.iter().any(|arrow| arrow.from == from && arrow.to == to));
    let mut broken: Vec<String> = circles(&kept)
        .iter()
        .map(|circle| describe(folder, circle, &kept))
        .collect();
    for ((from, to), places) in &kept {
        if is_against_layers(folder, from, to) {
            broken.push(format!(
                "{folder}: {from} is a layer below {to} and must not name it. Move what it needs down, or hand it in:{}",
                listed(places)
            ));
        }
    }
    for exception in mine {
        let Between { from, to, .. } = exception;
        let arrow = ((*from).to_owned(), (*to).to_owned());
        let Some(places) = arrows.get(&arrow) else {
            broken.push(unneeded(exception, "no longer exists"));
            continue;
        };
        if way(&kept, to, from).is_none() && !is_against_layers(folder, from, to) {
            broken.push(unneeded(exception, "no longer closes a circle"));
            // Of two exceptions that open one circle, one is enough.
            kept.insert(arrow, places.clone());
        }
    }
    broken
}

/// Exceptions for packages that do not exist.
pub(crate) fn homeless(folders: &[&str], exceptions: &[Between]) -> Vec<String> {
    exceptions
        .iter()
        .filter(|exception| !folders.contains(&exception.package))
        .map(|exception| unneeded(exception, "is in a package that does not exist"))
        .collect()
}

fn unneeded(exception: &Between, why: &str) -> String {
    let Between {
        package,
        from,
        to,
        reason,
    } = exception;
    format!(
        "{package}: the arrow {from} → {to} {why}: remove it from CIRCLES in xtask/src/house/exceptions.rs ({reason})"
    )
}

/// Whether an arrow leads from a lower layer of a package to a higher one.
fn is_against_layers(folder: &str, from: &str, to: &str) -> bool {
    let place = |layers: &[&str], name: &str| layers.iter().position(|layer| *layer == name);
    LAYERS
        .iter()
        .filter(|(package, _)| *package == folder)
        .any(|(_, layers)| {
            // The highest comes first.
            matches!((place(layers, from), place(layers, to)), (Some(from), Some(to)) if from > to)
        })
}

/// The folders that reach each other, in sets of two and more.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<&str>> {
    let folders: BTreeSet<&str> = arrows.keys().map(|(from, _)| from.as_str()).collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> = folders
        .iter()
        .map(|from| (*from, reached(arrows, from)))
        .collect();
    let mut found = BTreeSet::new();
    for from in &folders {
        let circle: BTreeSet<&str> = reach[from]
            .iter()
            .copied()
            .filter(|to| reach.get(to).is_some_and(|back| back.contains(from)))
            .collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// Every folder that can be reached from one, over one arrow or more.
fn reached<'a>(arrows: &'a Arrows, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(folder) = waiting.pop() {
        for (_, to) in arrows.keys().filter(|(from, _)| from == folder) {
            if seen.insert(to.as_str()) {
                waiting.push(to);
            }
        }
    }
    seen
}

/// The shortest way from one folder to another, both included.
fn way<'a>(arrows: &'a Arrows, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::from([from]);
    let mut ways = vec![vec![from]];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = *way.last()?;
            if last == to {
                return Some(way);
            }
            for (_, next) in arrows.keys().filter(|(from, _)| from == last) {
                if seen.insert(next) {
                    longer.push(way.iter().copied().chain([next.as_str()]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

/// Says which folders a circle has, and which arrows to turn so that it opens.
fn describe(folder: &str, circle: &BTreeSet<&str>, arrows: &Arrows) -> String {
    let inside: Arrows = arrows
        .iter()
        .filter(|((from, to), _)| circle.contains(from.as_str()) && circle.contains(to.as_str()))
        .map(|(arrow, places)| (arrow.clone(), places.clone()))
        .collect();
    let order = order(circle, &inside);
    let place = |name: &str| order.iter().position(|folder| *folder == name);
    let mut text = format!(
        "{folder}: {} folders need each other in a circle ({}). It opens when these arrows are turned: move the thing to \
         the folder that owns it, or pass in what is needed",
        circle.len(),
        order.join(", ")
    );
    let (mut open, back): (Arrows, Arrows) = inside
        .into_iter()
        .partition(|((from, to), _)| place(from) < place(to));
    for ((from, to), places) in back {
        let Some(way) = way(&open, &to, &from) else {
            // It points back and closes nothing, since the others are turned.
            open.insert((from, to), places);
            continue;
        };
        let way: Vec<_> = way.windows(2).map(|pair| step(&open, pair[0], pair[1])).collect();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n    {from} → {to}, because {}:{}",
            way.join(", "),
            listed(&places)
        );
    }
    text
}

/// An arrow with the first line that needs it.
fn step(arrows: &Arrows, from: &str, to: &str) -> String {
    let places = arrows.get(&(from.to_owned(), to.to_owned()));
    let first = places.and_then(BTreeSet::first);
    let place = first.map(|(file, line)| format!(" ({file}:{line})"));
    format!("{from} → {to}{}", place.unwrap_or_default())
}

/// The folders in an order that leaves few lines pointing back: each is moved to its best place until none has a better
/// one. Not always the fewest possible, and the same in each run.
fn order<'a>(circle: &BTreeSet<&'a str>, arrows: &Arrows) -> Vec<&'a str> {
    let weight = |from: &str, to: &str| {
        let places = arrows.get(&(from.to_owned(), to.to_owned()));
        places.map_or(0, BTreeSet::len)
    };
    // What points back with `folder` at `place` among the others.
    let back = |others: &[&str], folder: &str, place: usize| -> usize {
        let above: usize = others[..place].iter().map(|other| weight(folder, other)).sum();
        let below: usize = others[place..].iter().map(|other| weight(other, folder)).sum();
        above + below
    };
    let mut order: Vec<&str> = circle.iter().copied().collect();
    let mut is_better = true;
    while is_better {
        is_better = false;
        for folder in circle {
            let Some(now) = order.iter().position(|other| other == folder) else {
                continue;
            };
            let mut others = order.clone();
            others.remove(now);
            let best = (0..=others.len()).min_by_key(|place| back(&others, folder, *place));
            if let Some(best) = best.filter(|best| back(&others, folder, *best) < back(&others, folder, now))
            {
                others.insert(best, folder);
                order = others;
                is_better = true;
            }
        }
    }
    order
}

/// The places of an arrow, one a line.
fn listed(places: &BTreeSet<(String, usize)>) -> String {
    let mut text = String::new();
    for (file, line) in places.iter().take(PLACES_SHOWN) {
        let _ = write!(text, "\n        {file}:{line}");
    }
    if places.len() > PLACES_SHOWN {
        let _ = write!(text, "\n        and {} more", places.len() - PLACES_SHOWN);
    }
    text
}

#[cfg(test)]
mod tests;
