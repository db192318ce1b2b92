//! The thread that clients of runtimes run on: one wakes nobody else, which matters where a container's start is some twenty wake-ups.

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Starts it, until cancelled. Where there can be none, it is the caller's runtime of tokio.
pub(super) fn start(cancel: &CancellationToken) -> Handle {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return own(&error),
    };
    let (handle, cancel) = (runtime.handle().clone(), cancel.clone());
    let run = move || {
        runtime.block_on(cancel.cancelled());
        runtime.shutdown_background();
    };
    match std::thread::Builder::new().name("runtimes".to_owned()).spawn(run) {
        Ok(_) => handle,
        Err(error) => own(&error),
    }
}

fn own(error: &std::io::Error) -> Handle {
    tracing::warn!(%error, "runtimes are followed without a thread of their own");
    Handle::current()
}
