//! Tests of flags, build.yaml and messages.

use std::path::Path;

use super::cflags;
use super::file::BuildFile;
use super::messages::relocated;

/// Flags are split as a shell splits them; what is quoted stays together, and an open quote is an error.
#[test]
fn flags_are_split() {
    let split = |text| cflags::split(text).unwrap();
    assert_eq!(split(r#" -DA=1  '-DB=x y' -DC="a\"b" -I\ d "" "#), ["-DA=1", "-DB=x y", "-DC=a\"b", "-I d", ""]);
    assert_eq!(split("  "), [""; 0]);
    assert!(cflags::split("-D'A").is_err());
}

/// Flags that shape code pass; those that load, write, or read other flags do not, not even as values of others.
#[test]
fn flags_are_chosen() {
    for good in ["-DX=1", "-Iinclude", "-Wno-unused", "-O1", "-std=gnu11", "-fno-builtin", "-mcpu=v3", "-include"] {
        assert_eq!(cflags::check(None, good), Ok(()), "{good}");
    }
    for bad in ["-fplugin=x.so", "-Xclang", "-o", "@flags", "x.c", "-Wl,-x", "-mllvm", "-fprofile-dir=/etc", "--config=x", "-B.", ""] {
        assert!(cflags::check(None, bad).is_err(), "{bad}");
    }
    assert_eq!(cflags::check(Some("-include"), "a.h"), Ok(()));
    assert!(cflags::check(Some("-include"), "-o").is_err() && cflags::check(Some("-D"), "@x").is_err());
}

/// Whatever is not said is the default; nothing at all is a file too.
#[test]
fn what_is_not_said_is_the_default() {
    for nothing in ["", "# only a comment\n", "---\n", "null\n", "wasm:\ncflags: ~\n"] {
        assert_eq!(BuildFile::parse(nothing).unwrap(), (BuildFile::default(), false), "{nothing:?}");
    }
    let (file, named) = BuildFile::parse("ebpfsource: src/a.c\nwasm: b.wasm\nmetadata: c.yaml\ncflags: -O1 -DX\n").unwrap();
    assert!(named && file.ebpf_source.as_deref() == Some(Path::new("src/a.c")) && file.wasm.as_deref() == Some(Path::new("b.wasm")));
    assert_eq!((file.metadata.as_path(), file.cflags), (Path::new("c.yaml"), vec!["-O1".to_owned(), "-DX".to_owned()]));
    assert_eq!(BuildFile::parse("ebpfsource: ''\n").unwrap().0.ebpf_source, None, "a gadget without a program says so");
}

/// Paths in messages are the user's, in colours too; lines of source stay what they are.
#[test]
fn messages_have_the_paths_of_the_user() {
    let output = "In file included from a.c:3:\n                 from ./b.h:4:\n\x1b[1ma.c:9:2: \x1b[0m\x1b[0;1;31merror: \x1b[0mno\n    9 | x ? a:1: b;\n/h/ebpf/x.h:1:2: note: here\n";
    let expected = "In file included from d/a.c:3:\n                 from d/b.h:4:\n\x1b[1md/a.c:9:2: \x1b[0m\x1b[0;1;31merror: \x1b[0mno\n    9 | x ? a:1: b;\n<headers>/ebpf/x.h:1:2: note: here";
    assert_eq!(relocated(output, Path::new("d"), Path::new("/h")), expected);
}
