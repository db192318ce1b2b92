//! A bundle of our own for runc, and the containers that are made of it, which end with it.
#![allow(dead_code, reason = "every binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// See the module. It has busybox in it.
pub struct Bundle {
    dir: PathBuf,
    /// Those that run on.
    started: Vec<String>,
}

impl Bundle {
    /// Makes it. `None`, with the reason printed, where it cannot run.
    pub fn prepare(test: &str) -> Option<Self> {
        for tool in ["runc", "busybox"] {
            if Command::new(tool).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
                println!("SKIPPED {test}: no {tool} on PATH (apt-get install runc busybox-static)");
                return None;
            }
        }
        let dir = PathBuf::from(format!("/tmp/gadgetry-{test}-{}", std::process::id()));
        for folder in ["rootfs/bin", "rootfs/proc", "rootfs/dev", "rootfs/sys"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let busybox = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap();
        std::fs::copy(String::from_utf8(busybox.stdout).unwrap().trim(), dir.join("rootfs/bin/busybox")).unwrap();
        Some(Bundle { dir, started: Vec::new() })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// What its containers run from now on.
    pub fn program(&self, args: &[&str]) {
        let _ = std::fs::remove_file(self.dir.join("config.json"));
        assert!(Command::new("runc").arg("spec").current_dir(&self.dir).status().unwrap().success());
        let path = self.dir.join("config.json");
        let mut config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        config["process"]["args"] = args.iter().map(|arg| serde_json::Value::from(*arg)).collect();
        config["process"]["terminal"] = false.into();
        // The usual limits are above what this machine allows.
        config["process"]["rlimits"] = serde_json::json!([]);
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// Runs runc in its folder and returns what it prints, trimmed.
    pub fn runc(&self, args: &[&str]) -> String {
        let output = Command::new("runc").args(args).current_dir(&self.dir).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "runc {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs one that lives on. Its output goes nowhere: it would keep ours open.
    pub fn start(&mut self, name: &str) {
        self.started.push(name.to_owned());
        let mut runc = Command::new("runc");
        let status = runc.args(["run", "-d", name]).current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(status.status().unwrap().success());
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        for name in &self.started {
            let _ = Command::new("runc").args(["delete", "-f", name]).stderr(Stdio::null()).status();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
