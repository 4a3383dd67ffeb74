//! One variable of the environment, read and judged.
//!
//! Empty is bad (an empty list of allowed clients must not come to mean *all*), and so are blanks around
//! a value. In a list, blanks around a member are left out, and an empty member is bad. No secret is
//! ever printed.

use std::env;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// The name of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable(pub &'static str);

impl Variable {
    /// The complaint about this variable.
    #[must_use]
    pub fn bad(self, problem: impl Into<String>) -> BadVariable {
        BadVariable {
            variable: self,
            problem: problem.into(),
        }
    }

    /// The value, which may be empty.
    pub(crate) fn value(self) -> Result<Option<String>, BadVariable> {
        env::var_os(self.0)
            .map(|value| value.into_string().map_err(|_| self.bad("is not UTF-8")))
            .transpose()
    }

    /// The value: neither empty nor with blanks around it.
    pub fn text(self) -> Result<Option<String>, BadVariable> {
        let value = self.value()?;
        match &value {
            Some(text) if text.is_empty() => Err(self.bad("is empty")),
            Some(text) if text.trim() != text => Err(self.bad("has blanks around it")),
            _ => Ok(value),
        }
    }

    /// `0`, which is the default, or `1`.
    pub(crate) fn flag(self) -> Result<bool, BadVariable> {
        match self.text()?.as_deref() {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => Err(self.bad(format!("{other:?} is not 0 or 1"))),
        }
    }

    /// A path, in whatever characters the system allows.
    pub(crate) fn path(self) -> Result<Option<PathBuf>, BadVariable> {
        match env::var_os(self.0) {
            Some(path) if path.is_empty() => Err(self.bad("is empty")),
            path => Ok(path.map(PathBuf::from)),
        }
    }

    /// Members, separated by commas.
    pub fn list(self) -> Result<Option<Vec<String>>, BadVariable> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let members: Vec<String> = text
            .split(',')
            .map(|member| member.trim().to_owned())
            .collect();
        if members.iter().any(String::is_empty) {
            return Err(self.bad(format!("{text:?} has an empty member")));
        }
        Ok(Some(members))
    }

    /// Whole seconds, in digits alone, 30 days at most.
    pub fn seconds(self) -> Result<Option<Duration>, BadVariable> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let number = text.bytes().all(|byte| byte.is_ascii_digit());
        number
            .then(|| text.parse().ok())
            .flatten()
            .filter(|seconds| *seconds <= MAX_SECONDS)
            .map(|seconds| Some(Duration::from_secs(seconds)))
            .ok_or_else(|| {
                self.bad(format!(
                    "{text:?} is not a number of seconds up to {MAX_SECONDS}"
                ))
            })
    }

    /// An http or https URL. It is never printed: there may be a password in it.
    pub(crate) fn url(self) -> Result<Option<Url>, BadVariable> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let scheme_and_host = ["http://", "https://"]
            .iter()
            .any(|start| text.starts_with(start));
        let url = Url::parse(&text)
            .ok()
            .filter(|url| scheme_and_host && url.has_host())
            .ok_or_else(|| self.bad("is not an http or https URL"))?;
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if has_more || text.contains(char::is_whitespace) {
            return Err(self.bad("must be scheme, host, port and path, and nothing else"));
        }
        Ok(Some(url))
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What is wrong with which variable, in one line.
#[derive(Debug)]
pub struct BadVariable {
    variable: Variable,
    problem: String,
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

impl Error for BadVariable {}

const MAX_SECONDS: u64 = 30 * 24 * 60 * 60;
