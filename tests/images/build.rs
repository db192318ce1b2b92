//! `image build`: the real clang, the real Docker engine, gadgets with every fault their authors may make.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{Gadgetry, foreign, layout};
use crate::support::docker::Engine;

/// A copy of a sample gadget, in a folder of its own.
fn sample(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/sources").join(name);
    foreign(Command::new("cp").arg("-rT").arg(from).arg(folder.path()));
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The digest that a build ends with.
fn digest(answer: &str) -> &str {
    let last = answer.lines().last().unwrap();
    assert!(last.starts_with("Successfully built "), "{answer}");
    &last[last.find("sha256:").unwrap()..]
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The digest of the image in a layout's index.json.
fn root(layout: &Path) -> serde_json::Value {
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    index["manifests"][0].clone()
}

/// What the program embeds is what it builds from the same sources: the same digest for every gadget.
#[test]
fn embedded_gadgets_are_built_by_the_same_code() {
    let program = Gadgetry::new();
    let gadgets = Path::new(env!("CARGO_MANIFEST_DIR")).join("gadgets");
    for gadget in ["trace_open", "trace_exec", "snapshot_process", "profile_blockio"] {
        let output = program.run(&["image", "build", "--local", text(&gadgets.join(gadget))]);
        assert_eq!(digest(&String::from_utf8_lossy(&output.stdout)), root(&layout(gadget))["digest"], "{gadget}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{gadget} builds without a word");
    }
}

/// The same input gives the same digest in another folder, at another time, in another data directory; SOURCE_DATE_EPOCH is the time.
#[test]
fn the_same_input_gives_the_same_digest() {
    let (first, second) = (sample("exits"), sample("exits"));
    let deeper = second.path().join("a=b c/exits");
    std::fs::create_dir(second.path().join("a=b c")).unwrap();
    foreign(Command::new("cp").args(["-rT", text(first.path()), text(&deeper)]));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // A program that says when it was compiled would differ, but for this.
    for folder in [first.path(), &deeper] {
        let source = folder.join("program.bpf.c");
        let text = std::fs::read_to_string(&source).unwrap() + "\nconst char compiled_at[] = __DATE__ __TIME__;\n";
        std::fs::write(source, text).unwrap();
    }
    let build = |folder: &Path, date: &str| {
        let program = Gadgetry::new();
        let output =
            program.command(&["image", "build", "--local", "."]).current_dir(folder).env("SOURCE_DATE_EPOCH", date).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        digest(&String::from_utf8_lossy(&output.stdout)).to_owned()
    };
    assert_eq!(build(first.path(), ""), build(&deeper, ""));
    assert_ne!(build(first.path(), ""), build(&deeper, "1"));
    assert_eq!(build(first.path(), "1795255872"), build(&deeper, "1795255872"));
    let output =
        Gadgetry::new().command(&["image", "build", "--local", "."]).current_dir(&deeper).env("SOURCE_DATE_EPOCH", "today").output();
    assert!(stderr(&output.unwrap()).contains("SOURCE_DATE_EPOCH cannot be \"today\""));
}

/// Flags and headers of the gadget's own are used; the image has a name, both architectures and its parts, and the files are left.
#[test]
fn builds_what_the_folder_says() {
    let (program, folder) = (Gadgetry::new(), sample("exits"));
    let out = folder.path().join("out");
    let answer = program.ok(&["image", "build", "--local", "-t", "localhost/exits:v2", "-o", text(&out), text(folder.path())]);
    assert!(answer.starts_with("Successfully built localhost/exits:v2@sha256:"), "{answer}");
    let entry = root(&program.store());
    assert_eq!(entry["digest"], digest(&answer));
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "localhost/exits:v2");
    let blob = |digest: &serde_json::Value| {
        let digest = digest.as_str().unwrap().replace(':', "/");
        std::fs::read(program.store().join("blobs").join(digest)).unwrap()
    };
    let index: serde_json::Value = serde_json::from_slice(&blob(&entry["digest"])).unwrap();
    for (at, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
        assert_eq!(index["manifests"][at]["platform"]["architecture"], architecture);
        let manifest: serde_json::Value = serde_json::from_slice(&blob(&index["manifests"][at]["digest"])).unwrap();
        assert_eq!(blob(&manifest["config"]["digest"]), std::fs::read(folder.path().join("gadget.yaml")).unwrap());
        let object = blob(&manifest["layers"][0]["digest"]);
        assert_eq!(object, std::fs::read(out.join(format!("{architecture}.bpf.o"))).unwrap());
        // The initial value of the parameter is the flag's.
        let image = gadgetry::image::GadgetImage { ebpf: Some(object), ..Default::default() };
        let gadget = gadgetry::gadget::open(&image, "").unwrap();
        assert_eq!(gadget.params.iter().find(|param| param.variable == "only_code").unwrap().default, "7");
    }
    assert_eq!(index["annotations"]["org.opencontainers.image.title"], "exits");
    assert_eq!(index["annotations"]["org.opencontainers.image.created"], "1970-01-01T00:00:00Z");
    let one = program.ok(&["image", "build", "--local", "--arch", "arm64", text(folder.path())]);
    assert_ne!(digest(&one), digest(&answer));
    let (_, error) = program.fails(&["image", "build", "--local", "--arch", "riscv64", text(folder.path())]);
    assert!(error.contains("there are amd64, arm64"), "{error}");
}

/// The compiler's messages come through as they are, with the paths as the user knows them, and warnings that are no errors are shown once.
#[test]
fn compiler_messages_are_readable() {
    let (program, folder) = (Gadgetry::new(), sample("broken"));
    let expected = std::fs::read_to_string(folder.path().join("expected.txt")).unwrap();
    let (code, error) = program.fails(&["image", "build", "--local", text(folder.path())]);
    assert_eq!(code, 1);
    assert_eq!(error, expected.replace("FOLDER", text(folder.path())));
    // From within, paths are short.
    let output = program.command(&["image", "build", "--local", "."]).current_dir(folder.path()).output().unwrap();
    assert_eq!(stderr(&output), expected.replace("FOLDER/", "./"));
    std::fs::write(folder.path().join("helper.h"), "static int half(void)\n{\n\treturn 1;\n}\n").unwrap();
    let source = std::fs::read_to_string(folder.path().join("program.bpf.c")).unwrap();
    std::fs::write(folder.path().join("program.bpf.c"), source.replace("missing", "2")).unwrap();
    let output = program.run(&["image", "build", "--local", text(folder.path())]);
    assert!(output.status.success() && stderr(&output).matches("unused variable 'unused'").count() == 1, "{}", stderr(&output));
}

/// Everything that is wrong with metadata is said at once, with its place and what may have been meant; it can be built all the same.
#[test]
fn metadata_errors_come_all_at_once() {
    let (program, folder) = (Gadgetry::new(), sample("exits"));
    let wrong = sample("wrong");
    std::fs::copy(wrong.path().join("gadget.yaml"), folder.path().join("gadget.yaml")).unwrap();
    let expected = std::fs::read_to_string(wrong.path().join("expected.txt")).unwrap().replace("FOLDER", text(folder.path()));
    let (code, error) = program.fails(&["image", "build", "--local", text(folder.path())]);
    let error: String = error.lines().filter(|line| !line.starts_with("Warning: ")).map(|line| format!("{line}\n")).collect();
    assert_eq!((code, error), (1, expected));
    assert!(!program.store().join("index.json").exists(), "nothing is stored");
    program.ok(&["image", "build", "--local", "--validate-metadata=false", text(folder.path())]);
    std::fs::write(folder.path().join("gadget.yaml"), "name: [\n").unwrap();
    assert!(program.fails(&["image", "build", "--local", text(folder.path())]).1.contains("gadget.yaml:"));
}

/// The first metadata is written from the object and builds again without an error; --update-metadata adds what is missing and keeps
/// what is there, comments included.
#[test]
fn metadata_is_written_from_the_object() {
    let (program, folder) = (Gadgetry::new(), sample("exits"));
    let path = folder.path().join("gadget.yaml");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    program.ok(&["image", "build", "--local", text(folder.path())]);
    let first = std::fs::read_to_string(&path).unwrap();
    for part in ["    fields:\n      timestamp_raw:\n", "      comm:\n", "key: only_code\n", "defaultValue: \"7\"\n", "TODO: "] {
        assert!(first.contains(part), "{part:?} is missing in {first}");
    }
    let output = program.run(&["image", "build", "--local", "--update-metadata", text(folder.path())]);
    assert!(output.status.success() && stderr(&output).contains("still to be written"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first, "nothing is missing in what was written");
    // Without a field in the middle and the parameters.
    let start = whole.find("      code:\n").unwrap();
    let end = whole.find("      comm:\n").unwrap();
    let cut = format!("{}{}", &whole[..start], &whole[end..whole.find("params:").unwrap()]);
    std::fs::write(&path, &cut).unwrap();
    let output = program.run(&["image", "build", "--local", "--update-metadata", text(folder.path())]);
    let note = format!("Added to {}: datasources.exits.fields.code, params.ebpf.only_code", path.display());
    assert!(stderr(&output).contains(&note), "{}", stderr(&output));
    let updated = std::fs::read_to_string(&path).unwrap();
    assert!(cut.lines().all(|line| updated.lines().any(|kept| kept == line)) && updated.contains("# kept as it is"), "{updated}");
    // In braces there is no line to add.
    std::fs::write(&path, "name: x\ndatasources: {exits: {}}\n").unwrap();
    let (_, error) = program.fails(&["image", "build", "--local", "--update-metadata", text(folder.path())]);
    assert!(error.contains("line 2, column 22"), "{error}");
}

/// What build.yaml may not say is refused with its place, however it is written, and quickly.
#[test]
fn hostile_build_files_are_refused() {
    let (program, folder) = (Gadgetry::new(), sample("exits"));
    let path = folder.path().join("build.yaml");
    let nested = format!("cflags: {}", "[".repeat(20_000));
    let huge = format!("cflags: {}", "-DX ".repeat(100_000));
    let cases = [
        ("metadata: gadget.yaml\ncflag: -O1\n", ":2:1: unknown key \"cflag\", did you mean \"cflags\"?"),
        ("wasm: [a]\n", ":1:7: wasm is a path"),
        ("cflags: &a [*a]\n", ":1:13: aliases are not read here"),
        ("cflags: -fplugin=./evil.so\n", ":1:9: the flag \"-fplugin=./evil.so\" is not one that a gadget may set"),
        ("cflags: [-D, '@file']\n", "the flag \"@file\""),
        ("ebpfsource: -o/etc/passwd\n", ":1:13: ebpfsource cannot be"),
        ("cflags: -O1\ncflags: -O2\n", ":2:1: cflags stands here twice"),
        ("- a\n", ":1:1: expected a mapping"),
        ("cflags: 'open\n", "not valid YAML"),
        ("ebpfsource: nowhere.c\n", "nowhere.c: there is no such file"),
        (nested.as_str(), "build.yaml:1:"),
        (huge.as_str(), "larger than 64 KiB"),
    ];
    for (content, expected) in cases {
        std::fs::write(&path, content).unwrap();
        let begin = std::time::Instant::now();
        let (code, error) = program.fails(&["image", "build", "--local", text(folder.path())]);
        assert!(code == 1 && error.contains(expected), "{expected:?} is not in {error}");
        assert!(begin.elapsed().as_secs() < 20, "{expected:?} took {:?}", begin.elapsed());
    }
    std::fs::remove_file(&path).unwrap();
    let (_, error) = program.fails(&["image", "build", "--local", "-f", text(&path), text(folder.path())]);
    assert!(error.contains("cannot read"), "a file that is named has to be there: {error}");
}

fn has_wasm_target() -> bool {
    let folder = Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-wasip1"]).output();
    folder.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// A module is taken when it is one; one from source is built, or the tool that is missing is named.
#[test]
fn wasm_modules_are_checked_and_built() {
    let (program, folder) = (Gadgetry::new(), tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("gadget.yaml"), "name: module\n").unwrap();
    let arguments = ["image", "build", "--local", text(folder.path())];
    std::fs::write(file("build.yaml"), "wasm: a.wasm\n").unwrap();
    for (content, expected) in [(&b"\0asm\x01\0\0"[..], "it is no WASM module"), (b"\0asm\x0d\0\x01\0", "no module of version 1")] {
        std::fs::write(file("a.wasm"), content).unwrap();
        assert!(program.fails(&arguments).1.contains(expected));
    }
    std::fs::write(file("a.wasm"), b"\0asm\x01\0\0\0").unwrap();
    program.ok(&arguments);
    std::fs::write(file("build.yaml"), "wasm: a.go\n").unwrap();
    std::fs::write(file("a.go"), "package main\nfunc main() {}\n").unwrap();
    let nothing = tempfile::tempdir().unwrap();
    let output = program.command(&arguments).env("PATH", nothing.path()).output().unwrap();
    assert!(stderr(&output).contains("go is not here: install Go"), "{}", stderr(&output));
    // A stand-in for Go tells what it is asked.
    let go = nothing.path().join("go");
    std::fs::write(&go, "#!/bin/sh\necho \"$GOOS $GOARCH $*\" >&2\nexit 1\n").unwrap();
    foreign(Command::new("chmod").args(["755", text(&go)]));
    let output = program.command(&arguments).env("PATH", nothing.path()).output().unwrap();
    assert!(stderr(&output).contains("wasip1 wasm build") && stderr(&output).contains("-buildmode=c-shared"), "{}", stderr(&output));
    std::fs::write(file("build.yaml"), "wasm: a.rs\n").unwrap();
    std::fs::write(file("a.rs"), "#[unsafe(no_mangle)]\npub extern \"C\" fn gadgetAPIVersion() -> u64 { 1 }\n").unwrap();
    let out = file("out");
    let output = program.run(&["image", "build", "--local", "-o", text(&out), text(folder.path())]);
    // Where Rust cannot build modules, that is what has to be said.
    if !has_wasm_target() {
        assert!(!output.status.success() && stderr(&output).contains("rustup target add wasm32-wasip1"), "{}", stderr(&output));
        return;
    }
    assert!(output.status.success(), "{}", stderr(&output));
    let module = std::fs::read(out.join("program.wasm")).unwrap();
    assert!(module.windows(16).any(|part| part == b"gadgetAPIVersion"), "what it exports is in the module");
}

/// With a BTFHub archive, the image has for each object what it needs of the kernel types, under the name that is looked for at run time.
#[test]
fn types_of_old_kernels_are_packed() {
    if Command::new("bpftool").arg("version").output().is_err() || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("SKIPPED btfgen: no bpftool, or the kernel has no BTF");
        return;
    }
    let (program, folder, hub) = (Gadgetry::new(), sample("exits"), tempfile::tempdir().unwrap());
    let kernels = hub.path().join("debian/10/x86_64");
    std::fs::create_dir_all(&kernels).unwrap();
    std::fs::copy("/sys/kernel/btf/vmlinux", kernels.join("4.19.0.btf")).unwrap();
    foreign(Command::new("tar").args(["-C", text(&kernels), "-cJf", text(&kernels.join("4.19.1.btf.tar.xz")), "4.19.0.btf"]));
    let out = folder.path().join("out");
    let build = ["image", "build", "--local", "--arch", "amd64", "--btfgen", "--btfhub-archive", text(hub.path()), "-o", text(&out)];
    let arguments: Vec<&str> = build.into_iter().chain([text(folder.path())]).collect();
    let first = program.ok(&arguments);
    let listed = foreign(Command::new("tar").arg("-tvzf").arg(out.join("btfs-x86_64.tar.gz")));
    for name in ["debian/10/x86_64/4.19.0.btf", "debian/10/x86_64/4.19.1.btf"] {
        assert!(listed.contains(name), "{listed}");
    }
    let whole = std::fs::metadata("/sys/kernel/btf/vmlinux").unwrap().len();
    assert!(std::fs::metadata(out.join("btfs-x86_64.tar.gz")).unwrap().len() < whole / 100);
    assert_eq!(digest(&first), digest(&program.ok(&arguments)), "the same input gives the same digest");
    let (_, error) = program.fails(&["image", "build", "--local", "--btfgen", text(folder.path())]);
    assert!(error.contains("--btfgen requires --btfhub-archive"), "{error}");
}

/// An image with clang and llvm-strip, made of this machine's own files.
fn builder_image(engine: &Engine, folder: &Path) {
    let script = r#"
        cd "$1"; mkdir -p root/usr/bin root/tmp; chmod 1777 root/tmp
        clang=$(readlink -f "$(command -v clang-16)"); strip=$(readlink -f "$(command -v llvm-strip-16)")
        ln -s "$clang" root/usr/bin/clang-of-image; ln -s "$strip" root/usr/bin/llvm-strip
        for file in "$clang" "$strip" $(ldd "$clang" "$strip" | grep -o '/[^ )]*' | grep -v ':$' | sort -u); do
            [ -f "$file" ] && mkdir -p "root$(dirname "$file")" && cp -L "$file" "root$file"
        done
        resources=$("$clang" -print-resource-dir); mkdir -p "root$resources"; cp -rL "$resources/include" "root$resources/"
        tar -C root -cf image.tar ."#;
    foreign(Command::new("bash").args(["-ec", script, "-", text(folder)]));
    engine.docker(&["import", "-c", "ENV CLANG=clang-of-image", text(&folder.join("image.tar")), "localhost/builder:1"]);
    std::fs::remove_dir_all(folder.join("root")).unwrap();
    std::fs::remove_file(folder.join("image.tar")).unwrap();
}

/// In a container of a builder image the same comes out as with the tools of this machine, messages included; nothing is left behind, and
/// an engine or an image that is not there is said to be.
#[test]
fn builds_in_a_builder_image() {
    let (program, folder) = (Gadgetry::new(), sample("exits"));
    let nowhere = folder.path().join("nowhere.sock");
    let with = |socket: &Path, image: &str, pull: &str, path: &Path| {
        let socket = ["--docker-socketpath", text(socket)];
        let image = ["--builder-image", image, "--builder-image-pull", pull, text(path)];
        program.run(&[&["image", "build"][..], &socket, &image].concat())
    };
    let output = with(&nowhere, "localhost/builder:1", "never", folder.path());
    assert!(stderr(&output).contains("nowhere.sock") && stderr(&output).contains("--local builds with the tools"), "{}", stderr(&output));
    let (_, error) = program.fails(&["image", "build", "--local", "--builder-image", "x", text(folder.path())]);
    assert!(error.contains("--local and --builder-image cannot be used at the same time"), "{error}");
    let Some(mut engine) = Engine::prepare("builder-image") else { return };
    engine.start();
    let socket: PathBuf = engine.socket();
    let output = with(&socket, "localhost/builder:1", "never", folder.path());
    assert!(stderr(&output).contains("not to be pulled"), "{}", stderr(&output));
    let output = with(&socket, "localhost/pause:1", "never", folder.path());
    assert!(stderr(&output).contains("it has no clang"), "{}", stderr(&output));
    let scratch = tempfile::tempdir().unwrap();
    builder_image(&engine, scratch.path());
    let output = with(&socket, "localhost/builder:1", "missing", folder.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let local = program.command(&["image", "build", "--local", text(folder.path())]).env("CLANG", "clang-16").output().unwrap();
    assert_eq!(digest(&String::from_utf8_lossy(&output.stdout)), digest(&String::from_utf8_lossy(&local.stdout)));
    let broken = sample("broken");
    let expected = std::fs::read_to_string(broken.path().join("expected.txt")).unwrap();
    let output = with(&socket, "localhost/builder:1", "missing", broken.path());
    assert_eq!(stderr(&output), expected.replace("FOLDER", text(broken.path())));
    assert_eq!(engine.docker(&["ps", "-aq"]), "", "no container is left");
}
