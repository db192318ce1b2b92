//! Registries on loopback, other people's tools, and the program with a data directory of its own.
#![allow(dead_code, reason = "each file uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support;

/// User and password that a registry with authentication takes.
pub const USER: &str = "alice";
pub const PASSWORD: &str = "s3cret";

/// How a registry is to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Without TLS, for anyone.
    Plain,
    /// With a certificate of an authority of its own (`ca.crt` in its folder).
    Tls,
    /// The same, and only with [`USER`] and [`PASSWORD`].
    TlsAuth,
    /// Without TLS, with user and password.
    PlainAuth,
}

/// A docker-registry on a port of its own.
pub struct Registry {
    child: Child,
    pub folder: tempfile::TempDir,
    /// `127.0.0.1:PORT`, or `localhost:PORT` with TLS.
    pub host: String,
}

impl Registry {
    /// Starts it and waits until it answers.
    pub fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = support::free_port();
        let dir = folder.path().display();
        let (tls, auth) = (matches!(kind, Kind::Tls | Kind::TlsAuth), matches!(kind, Kind::TlsAuth | Kind::PlainAuth));
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {dir}/data}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n"
        );
        if tls {
            certificates(folder.path());
            config += &format!("  tls: {{certificate: {dir}/reg.crt, key: {dir}/reg.key}}\n");
        }
        if auth {
            let made = Command::new("htpasswd").args(["-Bbn", USER, PASSWORD]).output().unwrap();
            assert!(made.status.success());
            std::fs::write(folder.path().join("htpasswd"), made.stdout).unwrap();
            config += &format!("auth:\n  htpasswd: {{realm: test, path: {dir}/htpasswd}}\n");
        }
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(folder.path().join("config.yml")).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("docker-registry starts; tests/support/install.sh test installs it");
        support::wait_for(10, "the registry", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        let name = if tls { "localhost" } else { "127.0.0.1" };
        Registry { child, folder, host: format!("{name}:{port}") }
    }

    /// The authority that has signed its certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ca.crt`, `ca.key`, `reg.crt`, `reg.key` for `localhost` and 127.0.0.1.
pub fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("ca.crt", ca_certificate.pem());
    write("ca.key", ca_key.serialize_pem());
    write("reg.crt", certificate.pem());
    write("reg.key", key.serialize_pem());
}

/// A tool out of the cache that `tests/support/install.sh test` fills: `image-tools/usr/bin/cosign` (2), `newer-image-tools/usr/bin/cosign`
/// (3) and so on. None, with the reason printed, when it is not there.
pub fn tool(test: &str, name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("GADGETRY_CACHE").map_or_else(|| PathBuf::from("/var/cache/gadgetry"), PathBuf::from);
    let path = cache.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED {test}: {} is not there", path.display());
    None
}

/// The OCI layout of an embedded gadget, as `build.rs` left it: one image, named `ghcr.io/inspektor-gadget/gadget/NAME:latest`.
pub fn layout(gadget: &str) -> PathBuf {
    Path::new(env!("OUT_DIR")).join("gadgets").join(gadget)
}

/// The program with a data directory of its own and no credentials of the machine.
pub struct Gadgetry {
    pub data: tempfile::TempDir,
}

impl Gadgetry {
    pub fn new() -> Self {
        Gadgetry { data: tempfile::tempdir().unwrap() }
    }

    /// Its store.
    pub fn store(&self) -> PathBuf {
        self.data.path().join("oci-store")
    }

    /// A command of the program.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(support::binary());
        command.args(arguments).env("GADGETRY_DATA", self.data.path()).env("HOME", self.data.path()).env_remove("REGISTRY_AUTH_FILE");
        command.env_remove("DOCKER_CONFIG").stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that has to succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that has to fail, with its exit code.
    pub fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeds: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// Runs somebody else's tool; it has to succeed. Gives its standard output.
pub fn foreign(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
