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
