//! The synthetic gadget, by the loader's real road: compiled, opened from an image, loaded, attached.

use std::collections::BTreeMap;
use std::path::Path;

use gadgetry::batch::SchemaBuilder;
use gadgetry::gadget::{self, Gadget};
use gadgetry::image::{GadgetImage, compile as compiler};
use gadgetry::loader::{self, Loaded, Options, Reader};

/// Records per call of getpgid(2); as in synthetic.bpf.c.
pub const RECORDS: u32 = 4096;

/// Mount namespace of all records; as in synthetic.bpf.c.
pub const MNTNS: u64 = 4_026_539_999;

const METADATA: &str = "
name: synthetic
datasources:
  synthetic:
    annotations: {logs.name: synthetic, logs.body: fname}
    fields:
      timestamp: {annotations: {template: timestamp, logs.name: timestamp}}
params:
  ebpf:
    bench_pid: {key: pid, defaultValue: \"0\"}
    record_size: {key: size, defaultValue: \"128\"}
";

/// The object of synthetic.bpf.c.
pub fn compile() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().expect("a folder for the object");
    let toolchain = compiler::Toolchain::discover().expect("clang");
    let architecture = compiler::go_architecture(std::env::consts::ARCH);
    toolchain.compile(&root.join("benches/synthetic.bpf.c"), architecture, root, scratch.path()).expect("the object")
}

/// The gadget in the kernel.
pub struct Synthetic {
    gadget: Gadget,
    loaded: Loaded,
}

impl Synthetic {
    /// Loads it so that it writes records of `size` bytes.
    pub fn load(object: &[u8], size: u32) -> Self {
        let params = BTreeMap::from([("pid".to_owned(), std::process::id().to_string()), ("size".to_owned(), size.to_string())]);
        let image = GadgetImage {
            reference: "synthetic:bench".to_owned(),
            version: "bench".to_owned(),
            metadata: METADATA.as_bytes().to_vec(),
            ebpf: Some(object.to_vec()),
            ..GadgetImage::default()
        };
        let mut gadget = gadget::open(&image, "synthetic").expect("the gadget");
        gadget.configure(&params).expect("its parameters");
        let loaded = loader::load(&gadget, &Options::new(&params)).expect("a loaded gadget");
        Synthetic { gadget, loaded }
    }

    /// The reader of its ring and the schema of its records. Once.
    pub fn take(&mut self) -> (Reader, SchemaBuilder) {
        let (_, reader) = self.loaded.readers().expect("readers").remove(0);
        (reader, self.gadget.sources.remove(0).schema)
    }

    /// From now on [`Synthetic::fill`] writes.
    pub fn attach(&mut self) {
        self.loaded.attach().expect("an attached program");
    }

    /// Makes the program write its records; their number.
    pub fn fill(&self) -> usize {
        // SAFETY: the call takes a number and cannot do harm.
        unsafe { libc::syscall(libc::SYS_getpgid, 0) };
        RECORDS as usize
    }
}
