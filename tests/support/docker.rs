//! A Docker engine of the tests' own, and containers in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wait_for;

/// A dockerd with its data, socket and pid file in a folder of its own; ends with its containers.
pub struct Docker {
    child: Child,
    dir: tempfile::TempDir,
}

impl Docker {
    /// Starts an engine with the image `localhost/busybox:1`; says why when the machine has none.
    pub fn start(test: &str) -> Option<Self> {
        if Command::new("dockerd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("SKIPPED {test}: dockerd is not installed");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("gadgetry-docker").tempdir_in("/tmp").unwrap();
        let docker = Docker { child: launch(dir.path()), dir };
        docker.wait_ready();
        docker.load_image();
        Some(docker)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    fn wait_ready(&self) {
        wait_for(30, "dockerd", || self.command(&["version"]).output().ok().filter(|o| o.status.success()));
    }

    fn load_image(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mkimage.sh");
        let tar = self.dir.path().join("images.tar");
        let made = Command::new("bash").arg(script).arg(&tar).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.run(&["load", "-i", tar.to_str().unwrap()]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}", self.socket().display())).args(args);
        command
    }

    /// Runs a docker command; gives its output.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a command in a new container without network and waits for its end.
    pub fn run_container(&self, name: &str, script: &str) -> String {
        self.run(&["run", "--rm", "--network", "none", "--name", name, "localhost/busybox:1", "sh", "-c", script])
    }

    /// Ends the engine and starts it again on the same data.
    pub fn restart(&mut self) {
        self.end();
        self.child = launch(self.dir.path());
        self.wait_ready();
    }

    fn end(&mut self) {
        // SAFETY: the pid is that of our own child, which has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        for _ in 0..500 {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(dir: &Path) -> Child {
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let log = std::fs::File::create(dir.join("dockerd.log")).unwrap();
    let mut command = Command::new("dockerd");
    command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("docker.pid")]);
    command.args(["-H", &format!("unix://{}", at("docker.sock")), "--bridge=none", "--iptables=false", "--ip-masq=false"]);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Ok(output) = self.command(&["ps", "-aq"]).output() {
            for id in String::from_utf8_lossy(&output.stdout).split_whitespace() {
                let _ = self.command(&["rm", "-f", id]).output();
            }
        }
        self.end();
    }
}
