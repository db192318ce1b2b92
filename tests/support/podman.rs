//! Podman for one test: its own storage, state and service; stopped and cleaned up when dropped, its containers and pods included.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// See the module.
pub struct Podman {
    dir: PathBuf,
    service: Option<Child>,
}

impl Podman {
    /// Prepares folders, configuration and the test images. `None`, with the reason printed, where Podman cannot run.
    pub fn prepare(name: &str) -> Option<Self> {
        for tool in ["podman", "conmon", "runc", "busybox", "gcc"] {
            if !on_path(tool) {
                println!("SKIPPED {name}: no {tool} on PATH (apt-get install podman conmon runc busybox-static gcc)");
                return None;
            }
        }
        if !is_root() {
            println!("SKIPPED {name}: Podman with cgroups of its own needs root");
            return None;
        }
        let dir = PathBuf::from(format!("/tmp/gadgetry-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("tmp")).expect("folder for podman");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mkimage.sh");
        let made = Command::new("bash").arg(script).arg(dir.join("images.tar")).status().expect("mkimage.sh");
        assert!(made.success(), "mkimage.sh failed");
        let podman = Podman { dir, service: None };
        podman.configure();
        podman.podman(&["load", "-qi", podman.dir.join("images.tar").to_str().expect("path")]);
        Some(podman)
    }

    /// runc, because crun does not run with hybrid cgroups; limits, because the usual ones are more than a container may ask for here;
    /// state and locks of its own, because the usual ones are the machine's.
    fn configure(&self) {
        let dir = self.dir.display();
        let storage = format!("[storage]\ndriver = \"overlay\"\nrunroot = \"{dir}/run\"\ngraphroot = \"{dir}/data\"\n");
        let containers = format!(
            "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=4096:4096\"]\n[engine]\nruntime = \"runc\"\n\
            cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ninfra_image = \"localhost/pause:1\"\ntmp_dir = \"{dir}/tmp\"\n\
            lock_type = \"file\"\n[network]\nnetwork_config_dir = \"{dir}/networks\"\n"
        );
        std::fs::write(self.dir.join("storage.conf"), storage).expect("storage.conf");
        std::fs::write(self.dir.join("containers.conf"), containers).expect("containers.conf");
    }

    /// Where the service listens once started.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("podman.sock")
    }

    /// Starts the service and waits until it answers.
    pub fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("service.log")).expect("log");
        let address = format!("unix://{}", self.socket().display());
        let child = self.command().args(["system", "service", "--time=0", &address]).stdout(Stdio::null()).stderr(log).spawn();
        self.service = Some(child.expect("start podman"));
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "no answer, see {}", self.dir.join("service.log").display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the service. Containers go on.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.service.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
            let _ = std::fs::remove_file(self.socket());
        }
    }

    /// Runs the CLI and returns what it prints, trimmed.
    pub fn podman(&self, args: &[&str]) -> String {
        let out = self.try_podman(args);
        assert!(out.status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Starts a container without network in the background; gives its id.
    pub fn run(&self, name: &str, options: &[&str], command: &[&str]) -> String {
        let fixed = ["run", "-d", "--network", "none", "--name", name];
        self.podman(&[&fixed, options, &["localhost/busybox:1"], command].concat())
    }

    fn try_podman(&self, args: &[&str]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().expect("podman")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.env("CONTAINERS_STORAGE_CONF", self.dir.join("storage.conf"));
        command.env("CONTAINERS_CONF", self.dir.join("containers.conf"));
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.try_podman(&["rm", "-fa", "-t", "0"]);
        self.try_podman(&["pod", "rm", "-fa", "-t", "0"]);
        self.stop();
        let _ = Command::new("umount").arg(self.dir.join("data/overlay")).stderr(Stdio::null()).status();
        for mount in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            // Refused while another Podman has containers in it.
            let _ = std::fs::remove_dir(mount.path().join("libpod_parent"));
        }
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
