//! Compiles the gadgets of `tests/objects/gadgets`, runs one through the real pipeline, and collects its events as JSON.
//!
//! `GADGETRY_OBJECTS` is a folder of compiled gadgets for machines without a compiler; `GADGETRY_TESTS` is where `tests/objects` lies there.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gadgetry::batch::Batch;
use gadgetry::component::{BindError, BoxFuture, ComponentId, ExportError, Exporter, ExporterService, ExporterSource, ExporterStatus};
use gadgetry::config::GadgetPlan;
use gadgetry::container::{Inventory, Selector};
use gadgetry::exporter::json::{JsonEncoder, JsonOptions};
use gadgetry::image::{Images, Settings};
use gadgetry::kubernetes::Handle;
use gadgetry::loader::SocketFields;
use gadgetry::pipeline::{self, Context, Instance};
use gadgetry::telemetry::{ExporterEntry, GadgetTotals, Ledger};
use serde_json::Value;

/// The compilers: the recommended one first.
pub const COMPILERS: [&str; 3] = ["clang-16", "clang-14", "clang-19"];

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// `tests/objects`, wherever it lies.
pub fn root() -> PathBuf {
    std::env::var_os("GADGETRY_TESTS").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects"), PathBuf::from)
}

/// A folder with the object of a gadget, compiled with `compiler` if need be, and its metadata.
pub fn compiled(gadget: &str, compiler: &str) -> PathBuf {
    if let Some(prebuilt) = std::env::var_os("GADGETRY_OBJECTS") {
        return Path::new(&prebuilt).join(compiler).join(gadget);
    }
    static COMPILING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = COMPILING.lock().unwrap_or_else(|e| e.into_inner());
    let source = root().join("gadgets").join(gadget);
    let folder = output().join(compiler).join(gadget);
    std::fs::create_dir_all(&folder).unwrap();
    let metadata = std::fs::read(source.join("gadget.yaml")).unwrap_or_else(|_| format!("name: {gadget}\n").into_bytes());
    // Another test may be reading it.
    if std::fs::read(folder.join("gadget.yaml")).ok().as_ref() != Some(&metadata) {
        std::fs::write(folder.join("gadget.yaml"), metadata).unwrap();
    }
    // Some gadgets are nothing but metadata.
    if source.join("program.bpf.c").is_file() {
        compile(&source.join("program.bpf.c"), &folder.join("program.o"), compiler);
    }
    folder
}

/// Where compiled gadgets are kept.
pub fn output() -> PathBuf {
    match std::env::var_os("GADGETRY_OBJECTS") {
        Some(_) => std::env::temp_dir().join("objects"),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("objects"),
    }
}

fn compile(source: &Path, object: &Path, compiler: &str) {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    if modified(object).is_some_and(|built| modified(source).is_some_and(|changed| changed < built)) {
        return;
    }
    let ebpf = Path::new(env!("CARGO_MANIFEST_DIR")).join("ebpf");
    let mut clang = Command::new(compiler);
    clang.args(["-target", "bpf", "-Wall", "-g", "-O2", "-D__TARGET_ARCH_x86", "-Wno-unused-function"]);
    clang.arg("-I").arg(ebpf.join("include")).arg("-isystem").arg(ebpf.join("vendor/libbpf"));
    clang.arg("-isystem").arg(ebpf.join("vendor/vmlinux/amd64")).arg("-c").arg(source).arg("-o").arg(object);
    let result = clang.output().unwrap_or_else(|e| panic!("{compiler}: {e} (tests/support/install.sh test)"));
    assert!(result.status.success(), "{compiler} {}:\n{}", source.display(), String::from_utf8_lossy(&result.stderr));
    let strip = Command::new("llvm-strip-16").arg("-g").arg(object).output().unwrap();
    assert!(strip.status.success(), "{}", String::from_utf8_lossy(&strip.stderr));
}

/// Runs a test once per compiler whose objects are there.
pub fn with_each_compiler(test: impl Fn(&str)) {
    let there = |compiler: &&&str| match std::env::var_os("GADGETRY_OBJECTS") {
        Some(prebuilt) => Path::new(&prebuilt).join(compiler).is_dir(),
        None => true,
    };
    COMPILERS.iter().filter(there).for_each(|compiler| test(compiler));
}

/// How a gadget is run.
pub struct Setup {
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Bytes of its rings, if not the usual.
    pub buffer: Option<u32>,
    /// Whether its events are kept, or only counted.
    pub keep: bool,
    /// The containers it looks at; everything by default.
    pub containers: Selector,
    /// The containers that there are.
    pub inventory: Arc<Inventory>,
    /// What the socket enricher tells about sockets.
    pub sockets: SocketFields,
    /// What the Kubernetes API server tells.
    pub kubernetes: Option<Handle>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            params: BTreeMap::new(),
            buffer: None,
            keep: true,
            containers: Selector::default(),
            inventory: Inventory::new(),
            sockets: SocketFields::default(),
            kubernetes: None,
        }
    }
}

impl Setup {
    /// With these parameters.
    pub fn params(params: &[(&str, &str)]) -> Self {
        let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Setup { params, ..Setup::default() }
    }
}

/// A running gadget.
pub struct Run {
    instance: Instance,
    events: Arc<Mutex<Vec<Event>>>,
    ledger: Arc<Ledger>,
}

/// An event: the data source it came from, and its JSON.
#[derive(Debug, Clone)]
pub struct Event {
    /// The data source.
    pub source: String,
    /// The event.
    pub json: Value,
}

impl Run {
    /// Loads, attaches and reads a gadget of `tests/objects/gadgets`.
    pub fn start(gadget: &str, compiler: &str, setup: &Setup) -> Run {
        Run::try_start(&compiled(gadget, compiler), setup).unwrap_or_else(|e| panic!("{gadget} by {compiler}: {e}"))
    }

    /// The same for a folder; the error is the whole chain, joined by ": ".
    pub fn try_start(folder: &Path, setup: &Setup) -> Result<Run, String> {
        let mut run = Run::try_attach(folder, setup)?;
        run.read()?;
        Ok(run)
    }

    /// The same, but nobody reads until [`Run::read`].
    pub fn try_attach(folder: &Path, setup: &Setup) -> Result<Run, String> {
        let capture = Arc::new(Capture { keep: setup.keep, ..Capture::default() });
        let id: ComponentId = "capture".parse().unwrap();
        let exporters = HashMap::from([(id.clone(), capture.clone() as Arc<dyn ExporterService>)]);
        let plan = GadgetPlan {
            name: "object".to_owned(),
            image: folder.to_str().unwrap().to_owned(),
            digest: None,
            params: setup.params.clone(),
            buffer: setup.buffer,
            containers: setup.containers.clone(),
            operators: Vec::new(),
            metrics: Vec::new(),
            exporters: vec![id],
        };
        let ledger = Arc::new(Ledger::default());
        let context = Context {
            inventory: setup.inventory.clone(),
            kubernetes: setup.kubernetes.clone(),
            ledger: ledger.clone(),
            runtime: runtime().handle().clone(),
            sockets: setup.sockets,
            // What was just compiled has no signature.
            images: Arc::new(Images::new(&Settings { verify: false, ..Settings::default() }).unwrap()),
        };
        let mut instance = pipeline::build(&plan, &exporters, &context).map_err(|e| chain(&e))?;
        instance.attach().map_err(|e| chain(&e))?;
        Ok(Run { instance, events: capture.events.clone(), ledger })
    }

    /// Starts reading.
    pub fn read(&mut self) -> Result<(), String> {
        self.instance.run(0).map_err(|e| chain(&e))
    }

    /// Waits for an event like this.
    pub fn event(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.find(|e| wanted(&e.json)).unwrap_or_else(|| panic!("no such event among {:#?}", self.events())).json
    }

    /// Waits for an event like this from data source `source`.
    pub fn event_of(&self, source: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.find(|e| e.source == source && wanted(&e.json));
        found.unwrap_or_else(|| panic!("no such event of {source} among {:#?}", self.events())).json
    }

    fn find(&self, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.events.lock().unwrap().iter().find(|e| wanted(e)) {
                return Some(found.clone());
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// What became of its records.
    pub fn totals(&self) -> GadgetTotals {
        self.ledger.totals().into_iter().next().unwrap()
    }

    /// Detaches, drains, and gives what became of its records, and all events.
    pub fn account(mut self) -> (GadgetTotals, Vec<Event>) {
        self.instance.stop();
        (self.totals(), self.events())
    }

    /// Detaches, drains, and gives all events.
    pub fn stop(mut self) -> Vec<Event> {
        self.instance.stop();
        self.events()
    }
}

/// The event equals `golden/<name>.json`; members named in `volatile` (dotted paths) only have to be there.
/// `UPDATE_GOLDEN=1` writes it.
pub fn assert_golden(name: &str, event: &Value, volatile: &[&str]) {
    let path = root().join("golden").join(format!("{name}.json"));
    let mut event = event.clone();
    for member in volatile {
        let pointer = format!("/{}", member.replace('.', "/"));
        let Some(value) = event.pointer_mut(&pointer) else { panic!("{name}: no member {member} in {event:#}") };
        *value = Value::from("*");
    }
    // Whether a made-up namespace is taken for the host's depends on the numbers that a kernel begins with.
    if let Some(runtime) = event.get_mut("runtime").and_then(Value::as_object_mut) {
        runtime.remove("unresolved");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{event:#}\n")).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e} (UPDATE_GOLDEN=1 writes it)", path.display()));
    let golden: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event, golden, "{name}: {event:#}");
}

/// Says that a feature was seen working on this kernel; `tests/README.md` has the table of them.
pub fn seen(feature: &str) {
    println!("SEEN {feature}");
}

/// Says that this kernel cannot show a feature, which virtual machines of other kernels do.
pub fn not_here(feature: &str, reason: &str) {
    println!("NOT HERE {feature}: {reason}");
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        log();
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What was logged at info level so far, or as RUST_LOG says. What goes wrong without failing is there; with RUST_LOG on stderr, too.
pub fn logged() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

fn log() {
    let shown = std::env::var_os("RUST_LOG").is_some();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter);
    let _ = subscriber.with_writer(move || Logger { shown }).try_init();
}

struct Logger {
    shown: bool,
}

impl std::io::Write for Logger {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        if self.shown { std::io::stderr().write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Capture {
    keep: bool,
    events: Arc<Mutex<Vec<Event>>>,
}

impl ExporterService for Capture {
    fn open(&self, source: ExporterSource) -> Result<Box<dyn Exporter>, BindError> {
        let encoder = JsonEncoder::bind(&source.schema, JsonOptions::default());
        Ok(Box::new(Captured {
            keep: self.keep,
            encoder,
            source: source.schema.name().to_owned(),
            entry: source.entry,
            events: self.events.clone(),
        }))
    }

    fn status(&self) -> ExporterStatus {
        ExporterStatus::default()
    }

    fn stop(&self, _deadline: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Captured {
    keep: bool,
    encoder: JsonEncoder,
    source: String,
    entry: Arc<ExporterEntry>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Exporter for Captured {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        if !self.keep {
            self.entry.delivered.add(batch.selection().count() as u64);
            return Ok(());
        }
        let mut events = self.events.lock().unwrap();
        let mut count = 0;
        for row in batch.selection().iter() {
            let mut text = Vec::new();
            self.encoder.row(batch, row, &mut text);
            let json = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&text)));
            events.push(Event { source: self.source.clone(), json });
            count += 1;
        }
        self.entry.delivered.add(count);
        Ok(())
    }
}
