//! The interface of a log that all replicas append to and read.

use std::future::Future;
use std::io;
use std::time::Duration;

use crate::revocation::record::Record;
use crate::runtime::RuntimeEnded;
use crate::telemetry::LogName;

/// A log that can be connected to.
pub(crate) trait Log: Send + Sync + 'static {
    type Connection: LogConnection;

    /// The name of the log for operators.
    fn name(&self) -> LogName<'_>;

    /// How long it can be unreachable before users are refused.
    fn max_staleness(&self) -> Option<Duration>;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, LogError>> + Send;
}

/// One connection to a log, for one command at a time.
pub(crate) trait LogConnection: Send {
    /// The next entries after this position, up to a suitable number. With `wait`, it waits about that long
    /// for the first one. Positions do not decrease, and the last one is after `after`.
    fn read(
        &mut self,
        after: LogPosition,
        wait: Option<Duration>,
    ) -> impl Future<Output = Result<Vec<Entry>, LogError>> + Send;

    /// Whether the entry at this position still exists.
    fn has(&mut self, position: LogPosition)
    -> impl Future<Output = Result<bool, LogError>> + Send;

    /// Appends these records, and can remove entries before `keep`. Some records can be appended while
    /// others are refused.
    fn append(
        &mut self,
        records: &[Record],
        keep: LogPosition,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Removes entries before `keep`.
    fn trim(&mut self, keep: LogPosition) -> impl Future<Output = Result<(), LogError>> + Send;

    /// The log's own time, in milliseconds since the Unix epoch.
    fn now(&mut self) -> impl Future<Output = Result<u64, LogError>> + Send;
}

/// One entry of the log. It has no record if it cannot be parsed: a later version can write unknown records,
/// and other programs can write to the log.
pub(crate) struct Entry {
    /// The position of the previous entry, if its own cannot be parsed.
    pub(in crate::revocation) position: LogPosition,
    pub(in crate::revocation) record: Option<Record>,
}

/// A position in the log, by the log's own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition {
    pub(in crate::revocation) millis: u64,
    pub(in crate::revocation) number: u64,
}

impl LogPosition {
    /// Before all entries.
    pub(in crate::revocation) const START: Self = Self::at(0);

    /// Before all entries that were appended at this time or later.
    pub(in crate::revocation) const fn at(millis: u64) -> Self {
        Self { millis, number: 0 }
    }
}

/// Why the log cannot be used. It contains no address and no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LogError {
    #[error("the revocation log cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the revocation log did not answer in time")]
    Timeout,
    #[error("the revocation log closed the connection")]
    Closed,
    /// Another user of the shared connection has requested a new one.
    #[error("the connection to the revocation log is being replaced")]
    Replaced,
    #[error("the revocation log refused the user name or the password")]
    Authentication,
    /// The server's error code, in upper-case letters. The server's text is left out, because it can quote
    /// the command.
    #[error("the revocation log refused a command: {code}{}", meaning(.code))]
    Refused { code: String },
    #[error(
        "the revocation log is full: the last id of its stream is the largest possible id. Delete the key of the stream, and all replicas append their records again"
    )]
    Exhausted,
    #[error("the revocation log sent a malformed response")]
    Unreadable,
    #[error(transparent)]
    RuntimeEnded(#[from] RuntimeEnded),
}

impl LogError {
    /// Whether the connection still works: the server has answered.
    pub(in crate::revocation) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Exhausted)
    }

    /// Whether another server may have taken over, so that a new connection leads to it. A server that
    /// becomes a replica ends waiting commands, and refuses writes.
    pub(in crate::revocation) fn is_demotion(&self) -> bool {
        match self {
            Self::Replaced => true,
            Self::Refused { code } => code == "READONLY" || code == "UNBLOCKED",
            _ => false,
        }
    }
}

/// The meaning of a server's code, for codes that an operator can act on.
fn meaning(code: &str) -> &'static str {
    match code {
        "OOM" => " (the server is out of memory)",
        "READONLY" => " (the server is a replica of another one, which takes no writes)",
        "NOPERM" => " (the user of the server lacks a permission)",
        "WRONGTYPE" => " (the key of the stream holds something else)",
        "MISCONF" => " (the server cannot save to its disk)",
        "NOREPLICAS" => " (the server has too few replicas of its own)",
        "LOADING" => " (the server is starting)",
        "MASTERDOWN" => " (the server is a replica that lost its primary)",
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" => " (Redis Cluster is not spoken)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> LogError {
        let code = code.to_owned();
        LogError::Refused { code }
    }

    #[test]
    fn an_operator_reads_what_a_code_means() {
        for (code, meaning) in [
            ("OOM", "out of memory"),
            ("READONLY", "replica of another one"),
            ("NOPERM", "lacks a permission"),
            ("WRONGTYPE", "holds something else"),
            ("MISCONF", "save to its disk"),
            ("NOREPLICAS", "too few replicas"),
            ("LOADING", "is starting"),
            ("MASTERDOWN", "lost its primary"),
            ("MOVED", "Cluster"),
            ("ASK", "Cluster"),
            ("CLUSTERDOWN", "Cluster"),
            ("CROSSSLOT", "Cluster"),
        ] {
            let text = refused(code).to_string();
            assert!(text.contains(code) && text.contains(meaning), "{text}");
        }
        let text = refused("ERR").to_string();
        assert!(text.ends_with(": ERR"), "{text}");
    }

    /// A connection that answers stays, unless it leads to a server that is no longer the primary.
    #[test]
    fn some_errors_are_answers_and_some_mean_that_another_server_has_taken_over() {
        for (error, is_answer, is_demotion) in [
            (refused("READONLY"), true, true),
            (refused("UNBLOCKED"), true, true),
            (refused("OOM"), true, false),
            (refused("ERR"), true, false),
            (LogError::Exhausted, true, false),
            (LogError::Replaced, false, true),
            (LogError::Closed, false, false),
            (LogError::Timeout, false, false),
            (LogError::Authentication, false, false),
            (LogError::Unreadable, false, false),
        ] {
            assert_eq!(error.is_answer(), is_answer, "{error}");
            assert_eq!(error.is_demotion(), is_demotion, "{error}");
        }
    }
}
