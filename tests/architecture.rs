//! The tree keeps its layers: a module imports only from lower layers, and every file says what it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Layers of ARCHITECTURE.md, lowest first.
const LAYERS: &[&[&str]] = &[
    &["kernel"],
    &["telemetry", "image", "batch"],
    &["component"],
    &["gadget", "decoder", "container", "wasm"],
    &["loader", "kubernetes"],
    &["datasource", "operator", "exporter", "inspect"],
    &["components"],
    &["config"],
    &["pipeline", "admin"],
    &["daemon"],
    &["cli"],
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    assert!(files.len() > 50, "found only {} source files", files.len());
    files.into_iter().map(|f| (f.clone(), fs::read_to_string(&f).unwrap())).collect()
}

/// Tests wire up what they need, from wherever it is.
fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("tests/") || path.ends_with("testing.rs") || path.ends_with("fixture.rs")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The top modules that a source text names through `crate::`, in braces or alone.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code: String = text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut item)),
                    c if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            found.push(item);
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    let first = |s: &String| s.trim().split("::").next().unwrap_or("").trim().to_owned();
    found.iter().map(first).filter(|s| !s.is_empty()).collect()
}

#[test]
fn a_module_imports_only_from_lower_layers() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let relative = path.strip_prefix(root().join("src")).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" || is_test(&relative.to_string_lossy()) {
            continue;
        }
        let own = layer_of(&module).unwrap_or_else(|| panic!("module {module} is in no layer"));
        for import in imports(&text).into_iter().filter(|i| *i != module) {
            match layer_of(&import) {
                Some(layer) if layer < own => {}
                Some(_) => wrong.push(format!("{}: imports {import}, which is not below {module}", relative.display())),
                None => wrong.push(format!("{}: imports {import}, which is in no layer", relative.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_import_scanner_sees_grouped_and_inline_paths() {
    let seen = imports("use crate::{batch::{Batch, Schema}, loader};\nfn f() { crate::config::load() } // crate::cli");
    assert_eq!(seen, ["batch", "loader", "config"]);
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().take_while(|l| l.starts_with("//!")).count();
        if !(1..=12).contains(&lines) {
            wrong.push(format!("{}: {lines} lines of //!", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_only_where_the_kernel_begins() {
    let allowed = ["kernel", "loader", "datasource", "cli/live.rs"];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let relative = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().into_owned();
        let has_unsafe = text.lines().any(|l| !l.trim_start().starts_with("//") && l.contains("unsafe "));
        if has_unsafe && !is_test(&relative) && !allowed.iter().any(|a| relative.starts_with(a)) {
            wrong.push(relative);
        }
    }
    assert!(wrong.is_empty(), "unsafe outside the kernel boundary: {wrong:?}");
}

#[test]
fn the_architecture_page_names_every_module_and_only_files_that_exist() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(page.lines().count() <= 150, "ARCHITECTURE.md is one page");
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        modules.insert(name, ());
    }
    for module in modules.keys().filter(|m| *m != "lib" && *m != "main") {
        assert!(page.contains(&format!("`{module}")), "ARCHITECTURE.md does not name {module}");
    }
    for path in page.split('`').skip(1).step_by(2).filter(|p| p.contains('/') && !p.contains([' ', '<', '*', '{', ':'])) {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}, which does not exist");
    }
}
