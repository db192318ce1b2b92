//! `gadgetry list-containers`, from arguments to its exit code.

use std::io;

use tokio_util::sync::CancellationToken;

use super::LogArgs;
use super::exit::Failure;
use super::list_containers::{self, ListContainers, Look};
use crate::telemetry::logging::LogFormat;

pub(super) fn run(args: &ListContainers, log: &LogArgs) -> Result<(), Failure> {
    // What cannot be reached is said by the command itself.
    log.init("error", LogFormat::Text)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cancel = CancellationToken::new();
    let code = runtime.block_on(async {
        let stop = cancel.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
        });
        list_containers::show(args, Look::of_stdout(), &mut io::stdout(), &mut io::stderr(), cancel).await
    });
    if code == 0 { Ok(()) } else { Err(Failure::Silent(code)) }
}
