//! A containerd for one test: its own socket, state and data; stopped and cleaned up when dropped, its containers included.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which containerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one on PATH, of Debian 12.
    Installed,
    /// One of another Debian that `install.sh` has put into the cache under this name.
    Cached(&'static str),
}

/// See the module.
pub struct Containerd {
    /// Folder of its programs, before all others.
    path: std::ffi::OsString,
    /// Images, snapshots, configuration.
    dir: PathBuf,
    /// State and socket; short, because shims make sockets below it.
    run: PathBuf,
    process: Option<Child>,
}

impl Containerd {
    /// Prepares the installed containerd: folders, configuration and the test images. `None`, with the reason printed, where it cannot run.
    pub fn prepare(name: &str) -> Option<Self> {
        Containerd::prepare_version(name, Version::Installed)
    }

    /// As [`Containerd::prepare`], for any version.
    pub fn prepare_version(name: &str, version: Version) -> Option<Self> {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        if let Version::Cached(folder) = version {
            let cache = std::env::var_os("GADGETRY_CACHE").unwrap_or_else(|| "/var/cache/gadgetry".into());
            let programs = Path::new(&cache).join(folder).join("usr/bin");
            if !programs.join("containerd").is_file() {
                println!("SKIPPED {name}: no {} (tests/support/install.sh test)", programs.display());
                return None;
            }
            path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).expect("PATH");
        }
        for tool in ["containerd", "ctr", "runc", "unshare", "busybox", "gcc"] {
            if !on_path(tool) {
                println!("SKIPPED {name}: no {tool} on PATH (apt-get install containerd runc busybox-static gcc)");
                return None;
            }
        }
        if !is_root() {
            println!("SKIPPED {name}: containerd needs root");
            return None;
        }
        let own = format!("gadgetry-{name}-{}", std::process::id());
        let (dir, run) = (Path::new("/tmp").join(&own), Path::new("/run").join(&own));
        for folder in [&dir, &run, &dir.join("cni")] {
            std::fs::create_dir_all(folder).expect("folder for containerd");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mkimage.sh");
        let made = Command::new("bash").arg(script).arg(dir.join("images.tar")).status().expect("mkimage.sh");
        assert!(made.success(), "mkimage.sh failed");
        let containerd = Containerd { path, dir, run, process: None };
        std::fs::write(containerd.dir.join("config.toml"), containerd.config()).expect("config.toml");
        std::fs::write(containerd.dir.join("cni/10-bridge.conflist"), containerd.network()).expect("network configuration");
        Some(containerd)
    }

    fn config(&self) -> String {
        format!(
            "version = 2\nroot = \"{dir}/root\"\nstate = \"{run}\"\n[grpc]\naddress = \"{socket}\"\n\
            [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"localhost/pause:1\"\nrestrict_oom_score_adj = true\n\
            stream_server_address = \"127.0.0.1\"\n\
            [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\nconf_dir = \"{dir}/cni\"\n",
            dir = self.dir.display(),
            run = self.run.display(),
            socket = self.socket().display(),
        )
    }

    /// Pods are connected by a bridge, which is made in the network namespace of containerd.
    fn network(&self) -> String {
        format!(
            r#"{{"cniVersion": "0.4.0", "name": "gadgetry", "plugins": [{{"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false,
            "ipam": {{"type": "host-local", "dataDir": "{}/addresses", "ranges": [[{{"subnet": "10.88.0.0/24"}}]]}}}}]}}"#,
            self.dir.display()
        )
    }

    /// Where it listens once started.
    pub fn socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }

    /// Folder for what a test keeps.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("containerd.log")).expect("log");
        // In a network namespace of its own: nothing of the host's network is touched.
        let child = self
            .command("unshare")
            .args(["--net", "containerd", "-c"])
            .arg(self.dir.join("config.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start containerd");
        self.process = Some(child);
        let start = Instant::now();
        while !self.try_ctr(&["version"]).status.success() {
            assert!(start.elapsed() < Duration::from_secs(30), "no answer, see {}", self.dir.join("containerd.log").display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Puts the test images, `localhost/busybox:1` and `localhost/pause:1`, into a namespace.
    pub fn import(&self, namespace: &str) {
        let images = self.dir.join("images.tar");
        self.ctr(&["-n", namespace, "images", "import", images.to_str().expect("path")]);
    }

    /// Starts a container that sleeps.
    pub fn run(&self, namespace: &str, name: &str, options: &[&str]) {
        let head = [&["-n", namespace, "run", "-d"], options].concat();
        self.ctr(&[head.as_slice(), &["localhost/busybox:1", name, "sleep", "1000"]].concat());
    }

    /// Kills and removes a container. `false` when it is not there.
    pub fn remove(&self, namespace: &str, name: &str) -> bool {
        self.try_ctr(&["-n", namespace, "tasks", "kill", "-s", "KILL", name]);
        let gone = || self.try_ctr(&["-n", namespace, "tasks", "rm", "-f", name]).status.success();
        (0..100).any(|_| {
            gone() || !self.lists(namespace, name) || {
                std::thread::sleep(Duration::from_millis(20));
                false
            }
        });
        self.try_ctr(&["-n", namespace, "containers", "rm", name]).status.success()
    }

    fn lists(&self, namespace: &str, name: &str) -> bool {
        let out = self.try_ctr(&["-n", namespace, "tasks", "ls", "-q"]);
        String::from_utf8_lossy(&out.stdout).split_whitespace().any(|task| task == name)
    }

    /// Id of the process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("started").id()
    }

    /// Stops containerd. Its containers go on.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// Runs `ctr` and returns what it prints, trimmed.
    pub fn ctr(&self, args: &[&str]) -> String {
        let out = self.try_ctr(args);
        assert!(out.status.success(), "ctr {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    fn try_ctr(&self, args: &[&str]) -> std::process::Output {
        let socket = self.socket();
        let address = ["-a", socket.to_str().expect("path"), "--connect-timeout", "2s"];
        self.command("ctr").args(address).args(args).stdin(Stdio::null()).output().expect("ctr")
    }

    fn command(&self, program: &str) -> Command {
        // Looked up here: a new process's PATH says nothing about where its own program is found.
        let found = std::env::split_paths(&self.path).map(|folder| folder.join(program)).find(|file| file.is_file());
        let mut command = Command::new(found.expect("program on PATH"));
        command.env("PATH", &self.path);
        command
    }

    fn words(&self, args: &[&str]) -> Vec<String> {
        String::from_utf8_lossy(&self.try_ctr(args).stdout).split_whitespace().map(str::to_owned).collect()
    }

    fn unmount(&self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = |path: &&str| [&self.dir, &self.run].iter().any(|folder| Path::new(path).starts_with(folder));
        let mut paths: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(ours).collect();
        paths.reverse();
        for path in paths {
            let _ = Command::new("umount").args(["-l", path]).status();
        }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        match &self.process {
            None => self.start(),
            // A test may have stopped it to see what follows.
            Some(child) => drop(Command::new("kill").args(["-CONT", &child.id().to_string()]).status()),
        }
        for namespace in self.words(&["namespaces", "ls", "-q"]) {
            for container in self.words(&["-n", &namespace, "containers", "ls", "-q"]) {
                self.remove(&namespace, &container);
            }
            // Made by runc for the namespace, in every hierarchy.
            for cgroup in cgroups(&namespace) {
                let _ = std::fs::remove_dir(cgroup);
            }
        }
        self.stop();
        self.unmount();
        // Pods that a failed test has left are over by now.
        for folder in cgroups("/kubepods/besteffort") {
            let ours = format!("pod{}-", std::process::id());
            let pods = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            for pod in pods.filter(|pod| pod.file_name().to_string_lossy().starts_with(&ours)) {
                let _ = std::fs::remove_dir(pod.path());
            }
        }
        let _ = std::fs::remove_dir_all(&self.run);
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// The folders of a cgroup in all hierarchies.
pub fn cgroups(path: &str) -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let cgroup = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (at, kind) = (words.next()?, words.next()?);
        kind.starts_with("cgroup").then(|| Path::new(at).join(path.trim_start_matches('/')))
    };
    mounts.lines().filter_map(cgroup).filter(|folder| folder.is_dir()).collect()
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
