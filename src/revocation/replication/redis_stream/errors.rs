//! The meaning of errors from the server and the library.

use std::io;

use ::redis::{ErrorKind, RedisError, ServerError};

use super::super::log::LogError;

impl From<RedisError> for LogError {
    /// Only the server's code is used, because its text can quote the command.
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Authentication,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Unreadable,
            ErrorKind::Io if error.is_timeout() => Self::Timeout,
            ErrorKind::Io if error.is_connection_refusal() => {
                Self::Unreachable(io::ErrorKind::ConnectionRefused.into())
            }
            ErrorKind::Io => Self::Closed,
            _ => refused(error.code().unwrap_or_default()),
        }
    }
}

impl From<ServerError> for LogError {
    fn from(error: ServerError) -> Self {
        // The server has no code for this.
        if error.code() == "ERR" && error.details().is_some_and(|text| text.contains(EXHAUSTED)) {
            return Self::Exhausted;
        }
        refused(error.code())
    }
}

/// In Redis since 6.0, and in Valkey.
const EXHAUSTED: &str = "exhausted the last possible ID";

fn refused(code: &str) -> LogError {
    match code {
        "NOAUTH" | "WRONGPASS" => LogError::Authentication,
        code => LogError::Refused {
            code: if is_code(code) { code } else { "ERR" }.to_owned(),
        },
    }
}

fn is_code(code: &str) -> bool {
    (1..=20).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use ::redis::{Value, parse_redis_value};

    use super::*;

    /// The name of the error, with the reason of the network if there is one.
    fn described(error: impl Into<LogError>) -> String {
        match error.into() {
            LogError::Unreachable(reason) => format!("unreachable: {:?}", reason.kind()),
            LogError::Refused { code } => format!("refused: {code}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_failure_of_the_library_is_named_by_its_kind() {
        let of_kind = |kind| RedisError::from((kind, "of the test"));
        for (kind, expected) in [
            (ErrorKind::AuthenticationFailed, "Authentication"),
            (ErrorKind::Parse, "Unreadable"),
            (ErrorKind::UnexpectedReturnType, "Unreadable"),
            (ErrorKind::Client, "refused: ERR"),
        ] {
            assert_eq!(described(of_kind(kind)), expected);
        }
        for (kind, expected) in [
            (io::ErrorKind::TimedOut, "Timeout"),
            (
                io::ErrorKind::ConnectionRefused,
                "unreachable: ConnectionRefused",
            ),
            (io::ErrorKind::BrokenPipe, "Closed"),
        ] {
            assert_eq!(described(RedisError::from(io::Error::from(kind))), expected);
        }
    }

    #[test]
    fn of_a_servers_answer_only_a_code_is_used() {
        for (line, expected) in [
            ("OOM command not allowed", "refused: OOM"),
            ("READONLY", "refused: READONLY"),
            ("NOAUTH Authentication required.", "Authentication"),
            ("WRONGPASS invalid username-password pair", "Authentication"),
            (
                "AAAAAAAAAABBBBBBBBBB of twenty letters",
                "refused: AAAAAAAAAABBBBBBBBBB",
            ),
            ("AAAAAAAAAABBBBBBBBBBC of one more", "refused: ERR"),
            ("secret of a user", "refused: ERR"),
            ("SECRET1 with a digit", "refused: ERR"),
            ("ERR unknown command", "refused: ERR"),
            (
                "ERR The stream has exhausted the last possible ID, unable to add more items",
                "Exhausted",
            ),
            // Another code with this text, and the code with another text.
            ("OOM exhausted the last possible ID", "refused: OOM"),
            ("ERR exhausted", "refused: ERR"),
        ] {
            let Ok(Value::ServerError(error)) =
                parse_redis_value(format!("-{line}\r\n").as_bytes())
            else {
                panic!("{line}")
            };
            assert_eq!(described(error), expected, "{line}");
        }
    }
}
