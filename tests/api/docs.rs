//! What the documents say of the code is so.

use std::fs;
use std::path::Path;

const THREAT_MODEL: &str = include_str!("../../src/docs/threat_model.md");

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
