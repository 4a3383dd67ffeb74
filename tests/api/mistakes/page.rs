//! The page of troubles says what the crate says.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../../src/docs/troubleshooting.md");
const KINDS: &str = include_str!("../../../src/error/kind.rs");

/// All code, with the strings that are broken into lines put together.
fn sources() -> String {
    fn collect(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"),
        &mut text,
    );
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(start) = line.strip_suffix('\\') {
            whole.push_str(start);
        } else {
            whole.push_str(line);
            whole.push('\n');
        }
    }
    whole
}

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    PAGE.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| symptom"))
        .map(|line| line.trim_matches('|').split(" | ").collect())
}

#[test]
fn each_symptom_in_quotes_is_a_text_of_the_crate() {
    let sources = sources();
    let mut count = 0;
    for row in rows() {
        assert_eq!(row.len(), 3, "{row:?}");
        for quoted in row[0].split('“').skip(1) {
            let text = quoted.split('”').next().unwrap();
            assert!(sources.contains(text), "nothing says “{text}”");
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
}

#[test]
fn links_of_kinds_lead_to_headings() {
    let headings: Vec<String> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let mut count = 0;
    for link in KINDS.split("crate::docs::troubleshooting#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(headings.iter().any(|heading| heading == anchor), "{anchor}");
        count += 1;
    }
    assert!(count > 10, "{count}");
}
