//! The release binary: static, and able to resolve names in an empty root file system.

use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{can_trace, wait_for};

fn release(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("GADGETRY_RELEASE").map(PathBuf::from).filter(|p| p.exists());
    if path.is_none() {
        println!("SKIPPED {test}: no release binary in GADGETRY_RELEASE (make build, or make test)");
    }
    path
}

#[test]
fn the_release_runs_in_an_empty_root_and_resolves_localhost() {
    let test = "release in an empty root";
    let Some(binary) = release(test) else { return };
    if !can_trace(test) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(binary, root.path().join("gadgetry")).unwrap();
    // A receiver that only has to be connected to: the name was resolved then.
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let config = format!(
        "version: v1\ngadgets:\n  - {{name: processes, image: snapshot_process, exporters: [otlp_http]}}\nexporters:\n  otlp_http: {{endpoint: \"http://localhost:{port}\"}}\n"
    );
    std::fs::write(root.path().join("collector.yaml"), config).unwrap();
    for folder in ["sys", "proc"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
    }
    // A mount namespace of its own keeps the binds away from the machine.
    let script = format!(
        "mount --rbind /sys {0}/sys && mount --rbind /proc {0}/proc && exec chroot {0} /gadgetry collect -c /collector.yaml",
        root.path().display()
    );
    let mut child = Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", &script]).spawn().unwrap();
    let (mut stream, _) = wait_for(20, "a connection to localhost", || receiver.accept().ok());
    stream.set_nonblocking(false).unwrap();
    let mut start = [0; 13];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"POST /v1/logs");
    // SAFETY: the pid is that of our own child, which has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGKILL) };
    child.wait().unwrap();
}
