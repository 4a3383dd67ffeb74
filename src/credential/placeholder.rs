//! The words that a client without a token sends: the text of an empty variable.

/// Whether this is such a word, in any case. No token of Authgear is such a word.
pub(crate) fn is_placeholder(credential: &[u8]) -> bool {
    credential.len() <= LONGEST
        && WORDS
            .iter()
            .any(|word| word.as_bytes().eq_ignore_ascii_case(credential))
}

/// The text of an absent value in JavaScript, Python, Ruby and Go.
const WORDS: [&str; 8] = [
    "undefined",
    "null",
    "none",
    "nil",
    "nan",
    "true",
    "false",
    "[object Object]",
];
const LONGEST: usize = "[object Object]".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_any_case_and_nothing_beside_them() {
        for word in WORDS
            .iter()
            .copied()
            .chain(["Undefined", "NULL", "[object Object]"])
        {
            assert!(is_placeholder(word.as_bytes()), "{word}");
        }
        for token in [
            "",
            "undefined.",
            "nulls",
            "xundefined",
            "a.b.c",
            "un",
            "nul",
            "token",
        ] {
            assert!(!is_placeholder(token.as_bytes()), "{token}");
        }
    }
}
