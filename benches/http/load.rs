//! The requests that `wrk` sends.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

/// What tells a server who calls.
pub type Headers = Vec<(String, String)>;

#[derive(Clone)]
pub struct Load {
    /// What `wrk` runs.
    pub script: PathBuf,
    /// Of the first request.
    pub good: Headers,
    /// The same, forged.
    pub forged: Headers,
    /// The user of the first request, as the response must name it.
    pub user: Value,
}

impl Load {
    /// Writes requests made beforehand, which are sent one after the other.
    pub fn write(script: PathBuf, good: &[Headers], forged: Headers, user: Value) -> Self {
        let mut text = "local requests, last = {}, 0\ninit = function()\n".to_owned();
        for headers in good {
            let mut fields =
                "['Host'] = 'api.example.com', ['Accept'] = 'application/json'".to_owned();
            for (name, value) in headers {
                let _ = write!(fields, ", ['{name}'] = '{value}'");
            }
            let _ = writeln!(
                text,
                "  table.insert(requests, wrk.format('GET', nil, {{ {fields} }}))"
            );
        }
        text.push_str(
            "end\nrequest = function()\n  last = last % #requests + 1\n  return requests[last]\nend\n",
        );
        std::fs::write(&script, text).unwrap();
        Self {
            script,
            good: good[0].clone(),
            forged,
            user,
        }
    }
}
