//! What the documents say of the code is so, and their links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../../README.md");
const CODING_AGENTS: &str = include_str!("../../src/docs/coding_agents.md");
const CONTRIBUTING: &str = include_str!("../../.github/CONTRIBUTING.md");
const THREAT_MODEL: &str = include_str!("../../src/docs/threat_model.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_threat_model_names_files_and_tests_that_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named: Vec<_> = THREAT_MODEL
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains(".rs"))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let (file, test) = match name.split_once(": ") {
            Some((file, test)) => (file, Some(test)),
            None => (name, None),
        };
        let folder = if file.starts_with("src/") { ".." } else { "" };
        let path = tests.join(folder).join(file);
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        if let Some(test) = test {
            assert!(code.contains(&format!("fn {test}(")), "{name} is not there");
        }
    }
}

#[test]
fn contributors_find_every_room_of_the_source_and_every_file_that_is_named() {
    let source = root().join("src");
    for entry in fs::read_dir(&source).expect("the source") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let name = name.expect("a name of ASCII letters");
        let is_named = CONTRIBUTING.contains(&format!("`{name}/`"))
            || CONTRIBUTING.contains(&format!("`{name}`"));
        let is_in_a_tier = CONTRIBUTING.contains(&format!("{name}.rs`")) || name == "lib";
        assert!(is_named || is_in_a_tier, "{name} is not explained");
    }
    let named: Vec<&str> = CONTRIBUTING
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains('/') && !code.contains(' '))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let exists = ["", "src"]
            .iter()
            .any(|folder| root().join(folder).join(name).exists());
        assert!(exists, "{name} is not there");
    }
}

#[test]
fn what_should_be_short_is_short() {
    assert!(README.lines().count() <= 150);
    assert!(CODING_AGENTS.lines().count() <= 200);
}

/// Whoever copies a snippet needs its dependencies, too.
#[test]
fn pages_that_stand_by_themselves_list_every_dependency_of_their_code() {
    for page in [README, CODING_AGENTS] {
        let listed: Vec<&str> = blocks(page, "toml")
            .flat_map(str::lines)
            .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
            .collect();
        let used: Vec<String> = blocks(page, "rust")
            .flat_map(str::lines)
            .filter_map(crate_used_by)
            .collect();
        assert!(used.iter().any(|name| name == "tower"), "{used:?}");
        for name in used.iter().filter(|name| *name != "std") {
            let is_listed = listed.iter().any(|own| own.replace('-', "_") == *name);
            assert!(is_listed, "{name} is not among {listed:?}");
        }
    }
}

/// The first segment of an import, of an attribute's path, or of the type of a listener.
fn crate_used_by(line: &str) -> Option<String> {
    let line = line.trim();
    let path = ["use ", "#[", "let listener = "]
        .iter()
        .find_map(|start| line.strip_prefix(start))?;
    let (name, _) = path.split_once("::")?;
    Some(name.to_owned())
}

/// The code blocks of a page in this language.
fn blocks<'p>(page: &'p str, language: &str) -> impl Iterator<Item = &'p str> {
    let start = format!("\n```{language}");
    let parts: Vec<_> = page.split(&*start).skip(1).collect();
    parts
        .into_iter()
        .map(|rest| rest.split("\n```").next().unwrap_or_default())
}

#[test]
fn links_of_the_readme_are_files_of_the_repository_or_sites_of_others() {
    let links = links(README);
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        if let Some(site) = link.strip_prefix("https://") {
            // There is no address of this crate's own yet.
            let known = ["www.authgear.com", "docs.rs/axum"];
            assert!(known.contains(&site), "{link}");
            continue;
        }
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = root().join(file);
        assert!(path.exists(), "{link}");
        if !heading.is_empty() {
            let page = fs::read_to_string(path).unwrap();
            assert!(headings(&page).any(|own| own == heading), "{link}");
        }
    }
}

/// rustdoc checks that a page is there, and not its headings.
#[test]
fn links_to_a_heading_of_a_page_find_it() {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    let mut found = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for link in links(&text) {
            let Some((page, heading)) = link
                .strip_prefix("crate::docs::")
                .and_then(|link| link.split_once('#'))
            else {
                continue;
            };
            let name = page.replace("::", "/");
            let page = |name: &str| {
                let path = root().join("src/docs").join(name).with_extension("md");
                fs::read_to_string(path).unwrap()
            };
            // The one page that is made of two.
            let more = (name == "gateways").then(|| page("traefik"));
            let text = page(&name) + &more.unwrap_or_default();
            let there = headings(&text).any(|own| own == heading);
            assert!(there, "{}: {link}", file.display());
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

/// Where the links of a page lead, pictures included.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| !target.contains(char::is_whitespace))
        .collect()
}

/// The headings of a page, as links name them.
fn headings(page: &str) -> impl Iterator<Item = String> + '_ {
    let mut is_code = false;
    page.lines().filter_map(move |line| {
        is_code ^= line.starts_with("```");
        let heading = line.strip_prefix('#').filter(|_| !is_code)?;
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let name = heading.chars().filter_map(|char| match char {
            ' ' => Some('-'),
            char if char.is_alphanumeric() || "-_".contains(char) => Some(char),
            _ => None,
        });
        Some(name.collect())
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "md")
        {
            files.push(path);
        }
    }
}
