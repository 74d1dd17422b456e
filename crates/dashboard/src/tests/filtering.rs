//! Filters of lists, in every template: they behave alike.

use std::{fs, path::Path};

/// How long a filter waits after a key was pressed.
const DELAY: &str = "250ms";

/// What waits longer: the check of a provider sends requests to another machine.
const SLOWER: (&str, &str) = ("user_sources/fields.html", "700ms");

/// The templates of the dashboard, by their path.
fn templates() -> Vec<(String, String)> {
    fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, found);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/dashboard"));
    let mut found = Vec::new();
    collect(root, root, &mut found);
    found
}

#[test]
fn every_filter_waits_the_same_time_after_a_key() {
    let mut delays = Vec::new();
    for (name, text) in templates() {
        for rest in text.split("delay:").skip(1) {
            let delay = rest.split([' ', ',', '"']).next().unwrap_or_default();
            delays.push((name.clone(), delay.to_owned()));
        }
    }
    delays.retain(|(name, delay)| (name.as_str(), delay.as_str()) != SLOWER);
    assert!(delays.len() >= 3, "they are found: {delays:?}");
    for (name, delay) in delays {
        assert_eq!(delay, DELAY, "{name}");
    }
}

#[test]
fn every_filter_of_a_list_is_in_its_address_and_is_replaced_by_the_next() {
    let mut lists = 0;
    for (name, text) in templates() {
        let forms = text.split("<form ").skip(1);
        for form in forms.filter(|form| form.contains("method=\"get\"") && form.contains("hx-get")) {
            let head = form.lines().next().unwrap_or_default();
            assert_eq!(name, "components.html", "use `ui::filters`: {head}");
            assert!(head.contains("hx-replace-url=\"true\""), "{head}");
            assert!(head.contains("hx-sync=\"this:replace\""), "{head}");
            assert!(!text.contains("hx-push-url"), "{name}");
        }
        if text.contains("filters.path()") {
            assert!(text.contains("ui::filters(filters.path()"), "{name}");
            lists += 1;
        }
    }
    assert!(lists >= 7, "lists with filters: {lists}");
}
