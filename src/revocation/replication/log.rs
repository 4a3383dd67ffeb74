//! A log that all replicas append to and read: what it must do, whatever it is made of.

use std::future::Future;
use std::io;
use std::time::Duration;

use crate::revocation::record::Record;
use crate::runtime::RuntimeEnded;
use crate::telemetry::LogName;

/// A log that can be connected to.
pub(crate) trait Log: Send + Sync + 'static {
    type Connection: LogConnection;

    /// What operators call it.
    fn name(&self) -> LogName<'_>;

    /// For how long it may be out of contact before users are refused.
    fn max_staleness(&self) -> Option<Duration>;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, LogError>> + Send;
}

/// One connection to a log, for one question at a time.
pub(crate) trait LogConnection: Send {
    /// The next entries after this place, as many as are convenient. With `wait`, waits about that
    /// long for the first one. Their places do not decrease, and the last one lies after `after`.
    fn read(
        &mut self,
        after: LogPosition,
        wait: Option<Duration>,
    ) -> impl Future<Output = Result<Vec<Entry>, LogError>> + Send;

    /// Whether the entry of this place is still there.
    fn has(&mut self, position: LogPosition)
    -> impl Future<Output = Result<bool, LogError>> + Send;

    /// Appends these, and may drop what lies before `keep`. Some of them may be appended where
    /// others are refused.
    fn append(
        &mut self,
        records: &[Record],
        keep: LogPosition,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Drops what lies before `keep`.
    fn trim(&mut self, keep: LogPosition) -> impl Future<Output = Result<(), LogError>> + Send;

    /// The log's own time, in milliseconds since the Unix epoch.
    fn now(&mut self) -> impl Future<Output = Result<u64, LogError>> + Send;
}

/// One entry of the log. It holds nothing where it could not be read: a later version may write
/// what this one does not know, and others may write to the log, too.
pub(crate) struct Entry {
    /// The place of the entry before it, where its own cannot be read.
    pub(in crate::revocation) position: LogPosition,
    pub(in crate::revocation) record: Option<Record>,
}

/// A place in the log, by the log's own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition {
    pub(in crate::revocation) millis: u64,
    pub(in crate::revocation) number: u64,
}

impl LogPosition {
    /// Before everything.
    pub(in crate::revocation) const START: Self = Self::at(0);

    /// Before everything that was appended at this time or later.
    pub(in crate::revocation) const fn at(millis: u64) -> Self {
        Self { millis, number: 0 }
    }
}

/// Why the log cannot be used. Names no address and no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LogError {
    #[error("the revocation log cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the revocation log did not answer in time")]
    Timeout,
    #[error("the revocation log closed the connection")]
    Closed,
    /// Whoever shares the connection has found a reason for another one.
    #[error("the revocation log is read over another connection from now on")]
    Replaced,
    #[error("the revocation log refused the user name or the password")]
    Authentication,
    /// The server's own code for the reason, of upper-case letters. Its own sentence may quote what
    /// it was sent.
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
    /// Whether the connection is as good as before: the server has answered.
    pub(in crate::revocation) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Exhausted)
    }

    /// Whether another server may have taken over, so that another connection would lead to it. One
    /// that becomes a replica ends the questions that wait for something new, and takes no writes.
    pub(in crate::revocation) fn is_demotion(&self) -> bool {
        match self {
            Self::Replaced => true,
            Self::Refused { code } => code == "READONLY" || code == "UNBLOCKED",
            _ => false,
        }
    }
}

/// What a server's code means, for those that an operator can do something about.
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
