//! Objects for tests, compiled from `testdata` with the clang of this machine.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Compiles C for BPF; `None` where there is no clang. DWARF is dropped as in shipped gadgets.
pub(crate) fn compile(source: &str) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let object = dir.path().join("o.bpf.o");
    let mut clang = Command::new("clang-16")
        .args(["-target", "bpf", "-g", "-O2", "-Wno-everything", "-x", "c", "-c", "-", "-o"])
        .arg(&object)
        .stdin(Stdio::piped())
        .spawn()
        .ok()?;
    clang.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    assert!(clang.wait().unwrap().success(), "clang refused the test object");
    assert!(Command::new("llvm-strip-16").arg("-g").arg(&object).status().unwrap().success());
    Some(std::fs::read(&object).unwrap())
}

/// The object of `testdata/sample.bpf.c`.
pub(crate) fn sample() -> Option<&'static [u8]> {
    static OBJECT: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    OBJECT.get_or_init(|| compile(include_str!("testdata/sample.bpf.c"))).as_deref()
}
