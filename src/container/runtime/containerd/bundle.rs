//! Where containerd keeps the bundle of a container's task.

use std::path::Path;

use crate::kernel::host_path;

/// Folder of the shims' tasks below containerd's state.
const TASKS: &str = "io.containerd.runtime.v2.task";

/// The bundle as the host calls it, if the state is where it usually is: beside the socket, or in `daemon` there for Docker's own
/// containerd.
pub(super) fn find(socket: &Path, namespace: &str, id: &str) -> Option<String> {
    let beside = socket.parent()?;
    // Both names come from the daemon and become parts of a path.
    if [namespace, id].iter().any(|part| part.contains('/') || part.starts_with('.')) {
        return None;
    }
    let folders = [beside.to_owned(), beside.join("daemon")];
    let found = folders.iter().map(|state| state.join(TASKS).join(namespace).join(id)).find(|bundle| host_path(bundle).is_dir());
    found.map(|bundle| bundle.to_string_lossy().into_owned())
}
