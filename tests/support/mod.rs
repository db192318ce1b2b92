//! What the integration tests share: a running collector, its files and pages, a storm of opens.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

pub mod containerd;
pub mod docker;
pub mod podman;
pub mod receivers;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Whether a test that needs the real kernel can run; says why when not.
pub fn can_trace(test: &str) -> bool {
    // SAFETY: geteuid has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    let reason = match (root, Path::new("/sys/kernel/btf/vmlinux").exists()) {
        (false, _) => "not root",
        (_, false) => "the kernel has no BTF",
        _ => return true,
    };
    println!("SKIPPED {test}: {reason}");
    false
}

/// The release that `make test` has just built, so that what is tested is what is shipped; else the build of the tests.
pub fn binary() -> PathBuf {
    let release = std::env::var_os("GADGETRY_RELEASE").map(PathBuf::from).filter(|p| p.is_file());
    release.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_gadgetry")))
}

/// Polls until `done` gives something, for at most `seconds`.
pub fn wait_for<T>(seconds: u64, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < end, "waited {seconds} s for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The body of a page, and the status line and headers before it.
pub fn get(address: &str, path: &str, accept: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Ok((head.to_owned(), body.to_owned()))
}

/// A gadgetry process with a configuration of its own.
pub struct Collector {
    child: Child,
    pub dir: tempfile::TempDir,
    pub log: Arc<Mutex<String>>,
}

impl Collector {
    /// Writes `config` (where `DIR` stands for the collector's folder) and starts `collect`; does not wait for anything.
    pub fn spawn(config: &str) -> Self {
        Self::spawn_with(config, &[])
    }

    pub fn spawn_with(config: &str, environment: &[(&str, &str)]) -> Self {
        Self::spawn_to(config, environment, Stdio::null())
    }

    /// With its standard output given; if that is a pipe, [`Collector::output`] is its other end.
    pub fn spawn_to(config: &str, environment: &[(&str, &str)], stdout: Stdio) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_config(dir.path(), config);
        let mut command = Command::new(binary());
        command.arg("collect").arg("-c").arg(dir.path().join("collector.yaml")).envs(environment.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (theirs, stderr) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = theirs.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Collector { child, dir, log }
    }

    /// Starts and waits until every gadget is attached.
    pub fn start(config: &str) -> Self {
        let collector = Self::spawn(config);
        collector.wait_log(20, "gadgetry is collecting");
        collector
    }

    /// The reading end of the pipe that is its standard output.
    pub fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn wait_log(&self, seconds: u64, text: &str) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "{text:?} did not appear within {seconds} s in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Replaces the configuration file as an editor does: write beside it, rename over it.
    pub fn rewrite(&self, config: &str) {
        write_config(self.dir.path(), config);
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the pid is that of our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Lines of a JSON-lines file in the collector's folder.
    pub fn events(&self, name: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        // The last line may still be on its way.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("not JSON ({e}): {l}"))).collect()
    }

    /// Ends it as Ctrl-C does; gives the exit code and everything it wrote.
    pub fn stop(mut self) -> (i32, String) {
        self.signal(libc::SIGINT);
        let code = wait_for(30, "the collector to end", || self.child.try_wait().unwrap()).code().unwrap_or(-1);
        std::thread::sleep(Duration::from_millis(50));
        (code, self.log())
    }

    /// Waits for its own end.
    pub fn wait(&mut self, seconds: u64) -> i32 {
        wait_for(seconds, "the collector to end", || self.child.try_wait().unwrap()).code().unwrap_or(-1)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(dir: &Path, config: &str) {
    let text = config.replace("DIR", dir.to_str().unwrap());
    fs::write(dir.join(".new"), text).unwrap();
    fs::rename(dir.join(".new"), dir.join("collector.yaml")).unwrap();
}

/// A row of the final ledger.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub gadget: String,
    pub produced: u64,
    pub lost: u64,
    pub filtered: u64,
    pub dropped: u64,
    pub exporter: String,
    pub delivered: u64,
    pub exporter_dropped: u64,
    pub in_flight: u64,
}

/// The rows of the final ledger in a collector's log.
pub fn ledger(log: &str) -> Vec<Row> {
    let table = log.rsplit_once("ledger (records)\n").unwrap_or_else(|| panic!("no ledger in:\n{log}")).1;
    let mut rows: Vec<Row> = Vec::new();
    // Reasons stand in parentheses behind their sum.
    let reasons = regex::Regex::new(r" \([^)]*\)").unwrap();
    for line in table.lines().skip(1) {
        let plain = reasons.replace_all(line, "").replace(',', "");
        let mut cells: Vec<&str> = plain.split_whitespace().collect();
        let number = |s: &str| s.parse::<u64>().unwrap_or_else(|_| panic!("not a ledger row: {line}"));
        let continued = cells.len() == 4;
        if continued {
            let before = rows.last().unwrap();
            let texts = [&before.produced, &before.lost, &before.filtered, &before.dropped].map(|n| n.to_string());
            let row = Row {
                gadget: before.gadget.clone(),
                exporter: cells[0].to_owned(),
                produced: number(&texts[0]),
                lost: number(&texts[1]),
                filtered: number(&texts[2]),
                dropped: number(&texts[3]),
                delivered: number(cells[1]),
                exporter_dropped: number(cells[2]),
                in_flight: number(cells[3]),
            };
            rows.push(row);
            continue;
        }
        if cells.len() < 9 {
            break;
        }
        let rest = cells.split_off(1);
        rows.push(Row {
            gadget: cells[0].to_owned(),
            produced: number(rest[0]),
            lost: number(rest[1]),
            filtered: number(rest[2]),
            dropped: number(rest[3]),
            exporter: rest[4].to_owned(),
            delivered: number(rest[5]),
            exporter_dropped: number(rest[6]),
            in_flight: number(rest[7]),
        });
    }
    rows
}

/// A process that opens a path a given number of times, when told to.
pub struct Storm {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub pid: u32,
}

impl Storm {
    pub fn ready(count: u64, path: &str) -> Self {
        Self::with_pauses(count, path, 0)
    }

    /// With so many microseconds between two opens.
    pub fn with_pauses(count: u64, path: &str, pause: u64) -> Self {
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("storm-{}", std::process::id()));
        if !binary.exists() {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/storm.c");
            assert!(Command::new("cc").arg("-O2").arg("-o").arg(&binary).arg(source).status().unwrap().success());
        }
        let mut child = Command::new(&binary)
            .args([&count.to_string(), path, &pause.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let pid = line.trim().strip_prefix("pid ").unwrap().parse().unwrap();
        Storm { child, input, output, pid }
    }

    pub fn begin(&mut self) {
        writeln!(self.input, "go").unwrap();
    }

    /// Waits for the last open; gives nanoseconds per open times the count.
    pub fn finish(&mut self) -> Duration {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        Duration::from_nanos(line.trim().strip_prefix("ns ").unwrap().parse().unwrap())
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
