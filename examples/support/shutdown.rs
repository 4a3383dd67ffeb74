//! Ending gracefully, but ending.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// How long requests that are being answered, and clients that do not close their connections, hold
/// up the end.
const GRACE: Duration = Duration::from_secs(5);

/// Whether the process has been asked to end.
pub(crate) struct Shutdown {
    requested: watch::Receiver<bool>,
}

impl Shutdown {
    /// Takes the signals over from the system, which would end the process at once.
    pub(crate) fn install() -> io::Result<Self> {
        let signal = signal()?;
        let (request, requested) = watch::channel(false);
        tokio::spawn(async move {
            signal.await;
            request.send_replace(true);
            // Kept open, so that nobody mistakes the end of this task for the signal.
            request.closed().await;
        });
        Ok(Self { requested })
    }

    /// Completes when the process is to end.
    pub(crate) fn requested(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut requested = self.requested.clone();
        async move {
            // The sender lives as long as a receiver does.
            let _ = requested.wait_for(|requested| *requested).await;
        }
    }

    /// Completes when the process should have ended by now.
    pub(crate) async fn overdue(&self) {
        self.requested().await;
        sleep(GRACE).await;
    }
}

#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn signal() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
