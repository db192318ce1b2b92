//! `gadgetry run` as its users call it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::docker::Engine;
use crate::support::{Storm, binary, can_trace, wait_for};

/// What a call wrote and how it ended.
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("run").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Answer {
    Answer::of(command(args).output().unwrap())
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: the pid is that of our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// Opens a file until the gadget has written its first line.
fn first_line(reader: &mut impl BufRead, path: &Path) -> String {
    let opening = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (theirs, path) = (opening.clone(), path.to_owned());
    let opener = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(20);
        while theirs.load(std::sync::atomic::Ordering::Relaxed) && Instant::now() < end {
            drop(File::open(&path));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    opening.store(false, std::sync::atomic::Ordering::Relaxed);
    opener.join().unwrap();
    line
}

/// A parameter given as a flag reaches the gadget; the first SIGINT ends with code 0, and everything from before it is there.
#[test]
fn events_of_one_process_are_complete_when_interrupted() {
    if !can_trace("run until interrupted") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (probe, counted) = (dir.path().join("probe"), dir.path().join("counted"));
    std::fs::write(&counted, "").unwrap();
    let pid = std::process::id().to_string();
    let mut child = command(&["trace_open", "--host", "-o", "json", "--pid", &pid]).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let first: Value = serde_json::from_str(&first_line(&mut reader, &probe)).unwrap();
    assert_eq!(first["proc"]["pid"].to_string(), pid);
    (0..1000).for_each(|_| drop(File::open(&counted).unwrap()));
    signal(&child, libc::SIGINT);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let events: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["proc"]["pid"] == std::process::id()));
    assert_eq!(events.iter().filter(|event| event["fname"] == counted.to_str().unwrap()).count(), 1000);
}

/// `--timeout` ends with code 0 after that time, and SIGTERM does before.
#[test]
fn the_timeout_ends_it() {
    if !can_trace("run with a timeout") {
        return;
    }
    let start = Instant::now();
    let answer = run(&["trace_open", "--host", "--timeout", "1", "-o", "none"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{}", answer.err);
    assert!((Duration::from_secs(1)..Duration::from_secs(6)).contains(&start.elapsed()));
}

/// A snapshot ends by itself, in each output mode: one array, indented too, a document per process, a table with one header.
#[test]
fn a_snapshot_ends_by_itself_in_every_output_mode() {
    if !can_trace("run a snapshot") {
        return;
    }
    let pid = std::process::id().to_string();
    let rule = format!("pid=={pid}");
    let shown = |mode: &str| {
        let answer = run(&["snapshot_process", "--host", "-o", mode, "-F", &rule]);
        assert_eq!(answer.code, 0, "{mode}: {}", answer.err);
        answer.out
    };
    let json = shown("json");
    assert_eq!(json.lines().count(), 1);
    let array: Value = serde_json::from_str(&json).unwrap();
    assert!(array.as_array().unwrap().iter().all(|process| process["pid"] == std::process::id()) && !array.as_array().unwrap().is_empty());
    let pretty = shown("jsonpretty");
    assert!(pretty.starts_with("[\n  {\n    \"comm\": "), "{pretty}");
    assert!(serde_json::from_str::<Value>(&pretty).unwrap().is_array());
    let yaml = shown("yaml");
    let documents: Vec<&str> = yaml.split("---\n").skip(1).collect();
    assert!(!documents.is_empty());
    for document in documents {
        assert_eq!(serde_saphyr::from_str::<Value>(document).unwrap()["pid"].to_string(), pid);
    }
    let columns = shown("columns");
    assert_eq!(columns.lines().filter(|line| line.contains("COMM")).count(), 1, "{columns}");
    assert!(columns.lines().nth(1).unwrap().contains(&pid));
}

/// Columns are chosen; into a pipe nothing is cut, whatever the column's width.
#[test]
fn columns_into_a_pipe_are_not_cut() {
    if !can_trace("run with columns") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("a-name-that-is-longer-than-any-column-has-room-for".repeat(3));
    let pid = std::process::id().to_string();
    let mut child = command(&["trace_open", "--host", "--pid", &pid, "--fields", "fname,pid", "-F", "fname~longer"]).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let header = first_line(&mut reader, &long);
    assert_eq!(header.split_whitespace().collect::<Vec<_>>(), ["FNAME", "PID"]);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), [long.to_str().unwrap(), &pid]);
    signal(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// On a terminal the header is bold, and no line is longer than the terminal is wide.
#[test]
fn columns_fit_the_terminal() {
    if !can_trace("run on a terminal") {
        return;
    }
    let (ours, theirs) = terminal(70);
    let mut child = command(&["snapshot_process", "--host", "--fields=+mntns_id,+runtime.containerId"]).stdout(theirs).spawn().unwrap();
    let mut text = Vec::new();
    // The last reader of a terminal gets an error, not an end.
    let _ = File::from(ours).read_to_end(&mut text);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let text = String::from_utf8(text).unwrap();
    // The gadget asks for a clear screen.
    let text = text.strip_prefix("\x1b[H\x1b[2J\x1b[3J").unwrap();
    assert!(text.starts_with("\x1b[1m") && text.lines().count() > 2, "{text}");
    for line in text.replace("\x1b[1m", "").replace("\x1b[0m", "").lines() {
        assert!(line.trim_end().chars().count() <= 70, "{line:?}");
    }
}

/// Both ends of a terminal that is so many characters wide.
fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: openpty writes two descriptors and reads one winsize; the other two pointers may be null.
    let made = unsafe { libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size) };
    assert_eq!(made, 0);
    // SAFETY: both descriptors are new and ours alone.
    unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// What cannot be understood is said with the nearest word there is, what cannot be found with where was looked; the code is 1, as of `ig`.
#[test]
fn bad_input_is_refused_in_words() {
    for (args, words) in [
        (&["trace_open", "--comn", "x"][..], &["--comn", "--comm"][..]),
        (&["trace_open", "--pid", "x"], &["'x'", "--pid", "from 0 to 4294967295"]),
        (&["trace_open", "--fields", "fnam"], &["fnam", "fname"]),
        (&["trace_open", "-F", "fnam==x"], &["fnam", "fname"]),
        (&["trace_open", "-o", "jsn"], &["jsn", "json"]),
        (&["trace_open", "-o", "opn:json"], &["opn", "open"]),
        (&["trace_open", "--pull", "sometimes"], &["always, missing, never"]),
        (&["quay.io/a/b:1", "--disallow-pulling"], &["quay.io/a/b:1", "pulling is disallowed"]),
        (&["trace_open", "--allowed-gadgets", "trace_exec"], &["trace_open", "not", "allowed gadgets", "trace_exec"]),
        (&["trace_open", "--public-keys", "@/nonexistent.pub"], &["/nonexistent.pub", "No such file"]),
        (&["trace_open", "--public-keys", "no key"], &["public key"]),
        (&["trace_open", "--sort", "pid"], &["--sort", "not supported yet"]),
        (&["trace_open", "--annotate", "open"], &["source:key=value"]),
        (&["profile_blockio", "--map-fetch-interval", "blocks:1s"], &["blocks"]),
        (&["--host"], &["<IMAGE>"]),
        (&["trace_opne", "--pull", "never"], &["trace_opne", "did you mean \"trace_open\"", "oci-store"]),
        (&["./not-there"], &["not-there", "No such file"]),
    ] {
        let answer = run(args);
        assert_eq!(answer.code, 1, "{args:?}: {}", answer.err);
        assert!(answer.err.lines().any(|line| line.starts_with("Error: ")), "{args:?}: {}", answer.err);
        for word in words {
            assert!(answer.err.contains(word), "{args:?}: {word:?} is missing in {}", answer.err);
        }
        assert_eq!(answer.out, "", "{args:?}");
    }
}

/// The help of a gadget has its description, its parameters with defaults, and its fields; the help without one has none of them.
#[test]
fn help_tells_of_the_gadget() {
    let own = run(&["trace_open", "--help"]);
    assert_eq!(own.code, 0);
    for part in ["trace open", "Parameters of the gadget", "--failed[=<BOOL>]", "[default: false]", "Data source \"open\"", "[flags_raw]"] {
        assert!(own.out.contains(part), "{part:?} is missing in {}", own.out);
    }
    let general = run(&["--help"]);
    assert!(general.code == 0 && general.out.contains("Examples:") && !general.out.contains("--failed"));
    let script = Command::new(binary()).args(["completion", "bash"]).output().unwrap();
    assert!(String::from_utf8_lossy(&script.stdout).contains("profile_blockio snapshot_process trace_exec trace_open"));
}

/// The layout of the embedded snapshot gadget under another name.
fn layout(folder: &Path, reference: &str) -> PathBuf {
    use gadgetry::image::{self, compile, pack};
    let image = image::open("snapshot_process").unwrap();
    let architecture = compile::go_architecture(std::env::consts::ARCH).to_owned();
    let recipe = pack::Recipe {
        reference,
        metadata: &image.metadata,
        metadata_path: Path::new("gadget.yaml"),
        objects: &[(architecture, image.ebpf.unwrap())].into(),
        wasm: None,
        version: "7.7",
        builder: "",
        created: 0,
    };
    for (path, bytes) in pack::pack(&recipe).unwrap() {
        std::fs::create_dir_all(folder.join(&path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(&path), bytes).unwrap();
    }
    folder.to_owned()
}

fn shell(dir: &Path, script: &str) {
    assert!(Command::new("sh").args(["-ec", script]).current_dir(dir).status().unwrap().success(), "{script}");
}

/// An image runs from a layout folder, an archive that tar made, a compressed one, a folder with its object, and the store by name;
/// none of them while signatures are required.
#[test]
fn images_on_disk_run() {
    if !can_trace("run images on disk") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    layout(&dir.path().join("layout"), "quay.io/me/mine:v1");
    layout(&dir.path().join("data/oci-store"), "quay.io/me/mine:v1");
    shell(dir.path(), "tar -cf plain.tar -C layout . && tar -czf small.tar.gz -C layout oci-layout index.json blobs");
    let image = gadgetry::image::open("snapshot_process").unwrap();
    std::fs::create_dir(dir.path().join("build")).unwrap();
    std::fs::write(dir.path().join("build/gadget.yaml"), &image.metadata).unwrap();
    std::fs::write(dir.path().join("build/any.bpf.o"), image.ebpf.unwrap()).unwrap();
    for place in ["./layout", "./layout:mine", "./plain.tar", "./small.tar.gz:v1", "./build", "quay.io/me/mine:v1"] {
        let call = |more: &[&str]| {
            let mut command = command(&[&[place, "--host", "-o", "json"], more].concat());
            Answer::of(command.current_dir(dir.path()).env("GADGETRY_DATA", dir.path().join("data")).output().unwrap())
        };
        let refused = call(&["--disallow-pulling"]);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{place} runs though nobody has signed it: {}", refused.err);
        assert!(refused.err.contains("has no signature"), "{place}: {}", refused.err);
        let answer = call(&["--verify-image=false"]);
        assert_eq!(answer.code, 0, "{place}: {}", answer.err);
        assert!(serde_json::from_str::<Value>(&answer.out).unwrap().as_array().unwrap().len() > 1, "{place}");
    }
}

/// A changed blob and an archive that leads out of itself are refused, not run.
#[test]
fn forged_images_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    layout(&dir.path().join("layout"), "quay.io/me/mine:v1");
    shell(dir.path(), "echo x > evil && cd layout && tar -cPf ../evil.tar ../evil oci-layout index.json blobs");
    let answer = run(&[dir.path().join("evil.tar").to_str().unwrap(), "--verify-image=false"]);
    assert!(answer.code == 1 && answer.err.contains("leads out of it"), "{}", answer.err);
    shell(dir.path(), "for blob in layout/blobs/sha256/*; do printf x | dd of=$blob conv=notrunc status=none; done");
    let answer = run(&[dir.path().join("layout").to_str().unwrap(), "--verify-image=false"]);
    assert!(answer.code == 1 && answer.err.contains("its content has the digest"), "{}", answer.err);
}

/// A reader that has seen enough ends it quietly.
#[test]
fn a_closed_pipe_ends_it() {
    if !can_trace("run into head") {
        return;
    }
    let script = format!("{} run trace_open --host -o json | head -n 1; exit ${{PIPESTATUS[0]}}", binary().display());
    let child = Command::new("bash").args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(serde_json::from_str::<Value>(&answer.out).is_ok());
}

/// Samples that are lost while nobody reads are said on standard error, and with those that were written they make up all.
#[test]
fn losses_are_reported() {
    if !can_trace("run with losses") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut storm = Storm::ready(300_000, dir.path().join("missing").to_str().unwrap());
    let pid = storm.pid.to_string();
    let mut child = command(&["trace_open", "--host", "-o", "json", "--pid", &pid, "-v"]).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut lines = String::new();
    while !lines.contains("gadget attached") {
        assert!(log.read_line(&mut lines).unwrap() > 0, "{lines}");
    }
    let logged = std::thread::spawn(move || {
        log.read_to_string(&mut lines).unwrap();
        lines
    });
    storm.begin();
    storm.finish();
    signal(&child, libc::SIGINT);
    let written = BufReader::new(child.stdout.take().unwrap()).lines().count();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = logged.join().unwrap();
    assert!(log.lines().any(|line| line.starts_with("WARN lost ") && line.ends_with(" samples")), "{log}");
    let last = log.lines().rfind(|line| line.ends_with("samples in all")).unwrap().replace(',', "");
    let numbers: Vec<usize> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[0] + written, numbers[1], "{last}");
    assert!(numbers[0] > 0);
}

/// Without root it is said that root is needed; the help is there all the same.
#[test]
fn without_root_it_says_so() {
    if !can_trace("run without root") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("gadgetry");
    std::fs::copy(binary(), &copy).unwrap();
    shell(dir.path(), "chmod 755 . gadgetry");
    let as_nobody = |arg: &str| {
        use std::os::unix::process::CommandExt;
        Answer::of(Command::new(&copy).args(["run", "trace_open", arg]).uid(65534).gid(65534).current_dir("/").output().unwrap())
    };
    let answer = as_nobody("--host");
    assert!(answer.code == 1 && answer.err.contains("needs root") && answer.err.contains("CAP_BPF"), "{}", answer.err);
    assert_eq!(as_nobody("--help").code, 0);
}

/// A gadget without a mount-namespace filter runs unfiltered by default; containers cannot be selected with it.
#[test]
fn a_gadget_without_a_filter_cannot_select() {
    if !can_trace("run without a filter") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("tests/objects/gadgets/ring_tracer");
    let dir = tempfile::tempdir().unwrap();
    let toolchain = gadgetry::image::compile::Toolchain::discover().unwrap();
    let architecture = gadgetry::image::compile::go_architecture(std::env::consts::ARCH);
    // The object stays in the folder.
    toolchain.compile(&source.join("program.bpf.c"), architecture, root, dir.path()).unwrap();
    std::fs::write(dir.path().join("gadget.yaml"), "name: calls\n").unwrap();
    let path = dir.path().to_str().unwrap();
    let answer = run(&[path, "-t", "1", "--verify-image=false"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let answer = run(&[path, "-t", "1", "-c", "web", "--verify-image=false"]);
    assert!(answer.code == 1 && answer.err.contains("cannot select containers"), "{}", answer.err);
}

/// Containers that run already are selected by name, from the first event on, and so are those that start; others and the host are not.
#[test]
fn containers_are_selected_by_name() {
    if !can_trace("run in containers") {
        return;
    }
    let Some(mut docker) = Engine::prepare("run-containers") else { return };
    docker.start();
    for name in ["web", "db"] {
        let script = format!("while true; do cat /etc/{name}; usleep 50000; done");
        docker.docker(&["run", "-d", "--network", "none", "--name", name, "localhost/busybox:1", "sh", "-c", &script]);
    }
    let socket = docker.socket();
    let names = |selection: &str| {
        let call = command(&["trace_open", "-t", "2", "-o", "json", "-c", selection]).arg("--docker-socketpath").arg(&socket).output();
        let answer = Answer::of(call.unwrap());
        assert_eq!(answer.code, 0, "{}", answer.err);
        let events = answer.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut names: Vec<String> = events.map(|e| e["runtime"]["containerName"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(names("web"), ["web"]);
    assert_eq!(names("!web"), ["db"]);
    assert_eq!(names("web,db"), ["db", "web"]);
    let started = wait_for(10, "the late container's events", || {
        let mut child = command(&["trace_open", "-o", "json", "-c", "late"]).arg("--docker-socketpath").arg(&socket).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        docker.run_container("late", "cat /etc/late || true");
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, libc::SIGINT);
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        text.contains("/etc/late").then_some(text)
    });
    assert!(started.lines().all(|line| line.contains("\"containerName\":\"late\"")), "{started}");
}

/// Without a runtime and without `--host` nothing can be seen, and that is said.
#[test]
fn a_missing_runtime_is_said() {
    if !can_trace("run without a runtime") {
        return;
    }
    let answer = run(&["trace_open", "-t", "1", "--docker-socketpath", "/nonexistent/docker.sock"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""));
    assert!(answer.err.contains("no container runtime can be reached") && answer.err.contains("--host"), "{}", answer.err);
}
