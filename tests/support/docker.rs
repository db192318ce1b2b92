//! A Docker engine for one test: its own socket and data, no network, stopped and cleaned up when dropped.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// See the module.
pub struct Engine {
    dir: PathBuf,
    process: Option<Child>,
}

impl Engine {
    /// Prepares a folder and the test image. `None`, with the reason printed, where no engine can run.
    pub fn prepare(name: &str) -> Option<Self> {
        for tool in ["dockerd", "docker", "busybox", "gcc"] {
            if !on_path(tool) {
                println!("SKIPPED {name}: no {tool} on PATH (apt-get install docker.io busybox-static gcc)");
                return None;
            }
        }
        if !is_root() {
            println!("SKIPPED {name}: a Docker engine needs root");
            return None;
        }
        let dir = PathBuf::from(format!("/tmp/gadgetry-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("folder for the engine");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mkimage.sh");
        let made = Command::new("bash").arg(script).arg(dir.join("images.tar")).status().expect("mkimage.sh");
        assert!(made.success(), "mkimage.sh failed");
        Some(Engine { dir, process: None })
    }

    /// Where the engine listens once started.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// Starts the engine, waits until it answers, and loads the images.
    pub fn start(&mut self) {
        let file = |name: &str| self.dir.join(name);
        let log = std::fs::File::options().create(true).append(true).open(file("dockerd.log")).expect("log");
        let child = Command::new("dockerd")
            .args([format!("--data-root={}", file("data").display()), format!("--exec-root={}", file("exec").display())])
            .args([format!("--pidfile={}", file("pid").display()), format!("-Hunix://{}", self.socket().display())])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start dockerd");
        self.process = Some(child);
        let start = Instant::now();
        while !self.try_docker(&["version"]).is_some_and(|out| out.status.success()) {
            assert!(start.elapsed() < Duration::from_secs(30), "dockerd did not answer, see {}", file("dockerd.log").display());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.docker(&["load", "-qi", file("images.tar").to_str().expect("path")]);
    }

    /// Runs a shell script in a new container without network and waits for its end.
    pub fn run_container(&self, name: &str, script: &str) -> String {
        self.docker(&["run", "--rm", "--network", "none", "--name", name, "localhost/busybox:1", "sh", "-c", script])
    }

    /// Stops the engine and with it its containers.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // The CLI first: a process that ignores SIGTERM would cost ten seconds at the engine's end.
            if let Some(ids) = self.try_docker(&["ps", "-q"]) {
                let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
                let ids: Vec<&str> = ids.split_whitespace().collect();
                if !ids.is_empty() {
                    self.try_docker(&[&["kill"], ids.as_slice()].concat());
                }
            }
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// Runs the CLI and returns what it prints, trimmed.
    pub fn docker(&self, args: &[&str]) -> String {
        let out = self.try_docker(args).expect("docker");
        assert!(out.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    fn try_docker(&self, args: &[&str]) -> Option<std::process::Output> {
        let host = format!("unix://{}", self.socket().display());
        Command::new("docker").args(["-H", &host]).args(args).stdin(Stdio::null()).output().ok()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(ids) = self.process.as_ref().and_then(|_| self.try_docker(&["ps", "-aq"])) {
            let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
            let ids: Vec<&str> = ids.split_whitespace().collect();
            if !ids.is_empty() {
                self.try_docker(&[&["rm", "-f"], ids.as_slice()].concat());
            }
        }
        self.stop();
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
