//! The same tests on other kernels: this very binary and what clang-16 compiled, in bare virtual machines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{COMPILERS, compiled, root};

/// Runs every test of this binary but these on that kernel, and compares the features that it showed with the table.
fn shows_on(kernel: &str) {
    let image = match image(kernel) {
        Ok(image) => image,
        Err(reason) => return println!("SKIPPED objects on kernel {kernel}: {reason}"),
    };
    let files = tempfile::tempdir().unwrap();
    fill(files.path());
    // What drivers the image lacks, if they were kept with it.
    let modules = image.with_file_name("modules");
    if modules.is_dir() {
        copy(&modules, &files.path().join("modules"));
    }
    let began = std::time::Instant::now();
    let mut vm = Command::new(root().join("../support/vm.sh"));
    vm.env("VM_TIMEOUT", "420").env("VM_APPEND", "lsm=lockdown,capability,bpf").arg(image).arg(files.path()).arg("/objects.sh");
    let output = vm.stdin(Stdio::null()).output().unwrap();
    let console = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let result = console.lines().find(|l| l.starts_with("test result:")).unwrap_or("no result");
    println!("objects on kernel {kernel} in {:.0} s: {result}", began.elapsed().as_secs_f64());
    assert!(output.status.success() && result.contains("ok."), "{console}");
    assert!(!console.contains("SKIPPED "), "{console}");
    let seen: BTreeSet<&str> = console.lines().filter_map(|l| l.split_once("SEEN ").map(|(_, feature)| feature)).collect();
    compare(kernel, &seen);
}

/// The column of the table in `tests/README.md`; `UPDATE_GOLDEN=1` writes what to put there to a file beside the objects.
fn compare(kernel: &str, seen: &BTreeSet<&str>) {
    let text = std::fs::read_to_string(root().join("../README.md")).unwrap();
    let listed = column(&text, kernel);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = crate::harness::output().join(format!("seen-{kernel}.txt"));
        std::fs::write(&path, seen.iter().map(|f| format!("{f}\n")).collect::<String>()).unwrap();
        return println!("written: {}", path.display());
    }
    let missing: Vec<_> = listed.iter().filter(|f| !seen.contains(f.as_str())).collect();
    let unlisted: Vec<_> = seen.iter().filter(|f| !listed.contains(**f)).collect();
    assert!(missing.is_empty() && unlisted.is_empty(), "kernel {kernel}: not seen {missing:?}; seen but not in the table {unlisted:?}");
}

/// The features with a tick below `kernel` in the table whose first heading is "feature".
fn column(text: &str, kernel: &str) -> BTreeSet<String> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let mut rows = text.lines().skip_while(|l| !l.starts_with("| feature |"));
    let heading = cells(rows.next().unwrap_or_default());
    let Some(at) = heading.iter().position(|c| c == kernel) else { return BTreeSet::new() };
    let ticked = rows.skip(1).take_while(|l| l.starts_with('|')).map(cells).filter(|row| row.get(at).is_some_and(|c| c == "x"));
    ticked.map(|row| row[0].clone()).collect()
}

fn image(kernel: &str) -> Result<PathBuf, String> {
    let cache = std::env::var_os("GADGETRY_CACHE").map_or_else(|| PathBuf::from("/var/cache/gadgetry"), PathBuf::from);
    let image = cache.join(format!("kernel-{kernel}/vmlinuz"));
    if image.is_file() { Ok(image) } else { Err(format!("no {} (tests/support/install.sh test)", image.display())) }
}

/// This binary with its libraries, the objects, the goldens, and the script that starts it.
fn fill(files: &Path) {
    let binary = std::env::current_exe().unwrap();
    let stripped = Command::new("llvm-strip-16").arg("-g").arg(&binary).arg("-o").arg(files.join("objects")).status().unwrap();
    assert!(stripped.success());
    let libraries = Command::new("ldd").arg(&binary).output().unwrap();
    for path in String::from_utf8(libraries.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
        let to = files.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    }
    copy(&root().join("golden"), &files.join("tests/golden"));
    for gadget in std::fs::read_dir(root().join("gadgets")).unwrap().flatten() {
        // One is what others include.
        if !gadget.path().join("program.bpf.c").is_file() && !gadget.path().join("gadget.yaml").is_file() {
            continue;
        }
        let name = gadget.file_name().into_string().unwrap();
        copy(&compiled(&name, COMPILERS[0]), &files.join("compiled").join(COMPILERS[0]).join(&name));
    }
    // Parameters are users, too.
    std::fs::create_dir(files.join("etc")).unwrap();
    std::fs::write(files.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
    std::fs::write(files.join("etc/group"), "root:x:0:\n").unwrap();
    let script = "#!/bin/busybox sh\nexport GADGETRY_OBJECTS=/compiled GADGETRY_TESTS=/tests RUST_BACKTRACE=0\n\
                  for module in /modules/*.ko; do [ -e $module ] && insmod $module; done\n\
                  exec /objects --test-threads=1 --nocapture --skip kernels:: --skip hostile:: 2>&1\n";
    std::fs::write(files.join("objects.sh"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(files.join("objects.sh"), mode).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten().filter(|f| f.path().is_file()) {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The oldest that gadgets are made for.
#[test]
fn on_5_10() {
    shows_on("5.10");
}

/// Debian 12's own.
#[test]
fn on_6_1() {
    shows_on("6.1");
}

/// One that knows links to several user functions.
#[test]
fn on_6_12() {
    shows_on("6.12");
}

/// Whatever is newest in Debian's backports.
#[test]
fn on_the_newest() {
    shows_on("newest");
}
