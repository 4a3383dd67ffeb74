//! The log on stderr, which waits until the configuration is known to be good: a bad value is one line
//! there, and nothing else.

use std::io::{self, IsTerminal, Write, stderr};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The lines of the crate at INFO and above, those of nobody else.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

enum Lines {
    Held(Vec<u8>),
    Passed,
}

impl Log {
    /// Starts to log. Nothing is written before [`release`](Self::release).
    pub(crate) fn start() -> Self {
        let log = Self(Arc::new(Mutex::new(Lines::Held(Vec::new()))));
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(stderr().is_terminal());
        let of_the_crate = Targets::new().with_target("axum_authgear", LevelFilter::INFO);
        let subscriber = tracing_subscriber::registry()
            .with(lines)
            .with(of_the_crate);
        // Another one may be there already.
        let _ = subscriber.try_init();
        log
    }

    /// Writes what was logged, and from now on each line as it comes.
    pub(crate) fn release(&self) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Lines::Held(held) = mem::replace(&mut *lines, Lines::Passed) {
            let _ = stderr().write_all(&held);
        }
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *lines {
            Lines::Held(held) => held.write(line),
            Lines::Passed => stderr().write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
