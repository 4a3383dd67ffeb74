//! Server processes, each kind of program on processors of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Which processors the load has to itself, and which the servers: moved between them by chance, runs
/// would differ by more than what is measured.
pub const LOAD: &str = "0";
pub const SERVERS: &str = "1";

/// A command that runs on these processors alone.
pub fn on(processors: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processors]).arg(program);
    command
}

/// Moves this very process there, with the threads that it starts from now on.
pub fn stay_on(processors: &str) {
    let own = std::process::id().to_string();
    let mut command = Command::new("taskset");
    let status = command.args(["--cpu-list", "--pid", processors, &own]);
    assert!(status.stdout(Stdio::null()).status().unwrap().success());
}

/// A server process, which says on its first line where it listens.
pub struct Server {
    pub url: String,
    pub process: Child,
}

impl Server {
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { url, process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn resource_server() -> PathBuf {
    example("resource_server")
}

/// The example beside this very program, and so of the same profile: `target/release/examples/`.
pub fn example(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let path = program.parent().unwrap().join("../examples").join(name);
    assert!(path.exists(), "{}: build the example first", path.display());
    path
}

/// Of all threads of these processes and their children, as the kernel counts it: in hundredths of
/// a second.
pub fn processor_time(processes: &[u32]) -> Duration {
    let ticks: u64 = processes
        .iter()
        .map(|process| {
            let path = format!("/proc/{process}/task/{process}/children");
            let children = std::fs::read_to_string(path).unwrap_or_default();
            let children: u64 = children
                .split_whitespace()
                .map(|child| ticks_of(child, 11..13))
                .sum();
            // Its own, and those of children that have ended.
            ticks_of(&process.to_string(), 11..15) + children
        })
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The sum of some fields of `/proc/PROCESS/stat`, counted from the one behind the name.
fn ticks_of(process: &str, fields: std::ops::Range<usize>) -> u64 {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may hold blanks.
    let (_, rest) = line.rsplit_once(')').unwrap_or_default();
    rest.split_whitespace()
        .skip(fields.start)
        .take(fields.len())
        .map(|ticks| ticks.parse::<u64>().unwrap_or_default())
        .sum()
}

/// The program of `peers/` that serves by other crates: it is built beside the examples' folder.
pub fn peer() -> PathBuf {
    example("../serve")
}
