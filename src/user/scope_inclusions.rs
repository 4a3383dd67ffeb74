//! Scopes that include others, and the scopes of a challenge.

use std::collections::{HashMap, HashSet};

/// The scopes that each scope includes, directly or indirectly.
#[derive(Debug, Default)]
pub(crate) struct ScopeInclusions(HashMap<String, HashSet<String>>);

impl ScopeInclusions {
    /// The transitive closure of the declared inclusions.
    pub(crate) fn new(declared: &[(String, Vec<String>)]) -> Self {
        let mut direct: HashMap<&str, Vec<&str>> = HashMap::new();
        for (scope, others) in declared {
            let list = direct.entry(scope).or_default();
            list.extend(others.iter().map(String::as_str));
        }
        let closure = direct.keys().map(|scope| {
            let mut included = HashSet::new();
            let mut open = vec![*scope];
            while let Some(next) = open.pop() {
                for other in direct.get(next).into_iter().flatten() {
                    if included.insert((*other).to_owned()) {
                        open.push(other);
                    }
                }
            }
            ((*scope).to_owned(), included)
        });
        Self(closure.collect())
    }

    pub(crate) fn includes(&self, scope: &str, other: &str) -> bool {
        self.0.get(scope).is_some_and(|all| all.contains(other))
    }
}

/// The scopes of a challenge, from the missing ones: each once, and without those that another one
/// includes. Never `offline_access`, which only the client may request. `None` if none remains.
pub(crate) fn join_scopes(
    missing: &[&str],
    inclusions: Option<&ScopeInclusions>,
) -> Option<String> {
    let includes = |one: &str, other: &str| {
        one == other || inclusions.is_some_and(|inclusions| inclusions.includes(one, other))
    };
    let mut asked: Vec<&str> = Vec::new();
    for scope in missing.iter().filter(|scope| **scope != OFFLINE_ACCESS) {
        if asked.iter().any(|own| includes(own, scope)) {
            continue;
        }
        asked.retain(|own| !includes(scope, own));
        asked.push(scope);
    }
    (!asked.is_empty()).then(|| asked.join(" "))
}

/// The scope for a refresh token, which a client requests for itself (`OpenID` Connect Core 1.0 §11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_included_is_included_by_whatever_includes_it() {
        let declared = [
            ("admin", ["write", "audit"].as_slice()),
            ("write", &["read"]),
            ("ring", &["loop"]),
            ("loop", &["ring"]),
        ]
        .map(|(scope, others)| {
            let others = others.iter().map(ToString::to_string).collect();
            (scope.to_owned(), others)
        });
        let inclusions = ScopeInclusions::new(&declared);
        for (scope, other, expected) in [
            ("admin", "write", true),
            ("admin", "read", true),
            ("admin", "audit", true),
            ("write", "read", true),
            ("ring", "loop", true),
            ("loop", "ring", true),
            // The other way round, a part of a name, a scope that was never declared.
            ("read", "write", false),
            ("write", "admin", false),
            ("audit", "read", false),
            ("write", "rea", false),
            ("writ", "read", false),
            ("Write", "read", false),
            ("other", "read", false),
        ] {
            assert_eq!(
                inclusions.includes(scope, other),
                expected,
                "{scope} {other}"
            );
        }
    }

    #[test]
    fn a_challenge_asks_for_the_least() {
        let declared = [
            ("write", "read"),
            ("admin", "write"),
            ("one", "two"),
            ("two", "one"),
        ];
        let declared = declared.map(|(one, other)| (one.to_owned(), vec![other.to_owned()]));
        let inclusions = ScopeInclusions::new(&declared);
        for (missing, asked) in [
            (&[][..], None),
            (&["offline_access"], None),
            (&["read", "offline_access", "read"], Some("read")),
            (&["b", "a", "b"], Some("b a")),
            (&["read", "write"], Some("write")),
            (&["write", "read"], Some("write")),
            (&["read", "x", "write", "admin"], Some("x admin")),
            (&["one", "two"], Some("one")),
            (&["two", "one"], Some("two")),
            (&["reads", "write"], Some("reads write")),
        ] {
            assert_eq!(join_scopes(missing, Some(&inclusions)).as_deref(), asked);
        }
        assert_eq!(
            join_scopes(&["read", "write"], None).as_deref(),
            Some("read write")
        );
    }
}
