//! The report, as lines for a terminal.

use std::fmt::{Display, Formatter, Result};

use super::report::{Check, CheckStatus, Explanation, Verdict};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "note: this looks like {}", self.likeness.as_str())?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        if let Some(cure) = self.cure() {
            writeln!(f, "cure: {cure}")?;
        }
        write!(f, "verdict: {}", self.verdict)
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Refused(kind) => write!(f, "refused: {}", kind.as_str()),
            Self::Unknown(_) => f.write_str("unknown"),
        }
    }
}

/// One line, without the fix.
impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mark = match self.status {
            CheckStatus::Passed => "ok",
            CheckStatus::Failed => "FAILED",
            CheckStatus::NotReached => "-",
        };
        let name = self.name.as_str();
        let found = self.found.as_deref().unwrap_or("nothing");
        match (self.status, &self.expected, &self.found) {
            (CheckStatus::Failed, Some(expected), _) => {
                write!(f, "{mark:<7} {name:<13} expected {expected}; found {found}")
            }
            (_, _, Some(found)) => write!(f, "{mark:<7} {name:<13} {found}"),
            (_, _, None) => write!(f, "{mark:<7} {name}"),
        }
    }
}
