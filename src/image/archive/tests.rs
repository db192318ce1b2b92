//! Tests of archives: what is read, what is refused, what is written.

use std::io::{Read, Write};
use std::path::Path;

use super::*;

const BLOB: &str = "blobs/sha256/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A header with its checksum.
fn header(name: &str, size: &[u8], kind: u8) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..124 + size.len()].copy_from_slice(size);
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn entry(name: &str, content: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = header(name, format!("{:011o}\0", content.len()).as_bytes(), kind);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let body: String = records
        .iter()
        .map(|(key, value)| {
            let rest = key.len() + value.len() + 3;
            let length = (1..).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
            format!("{length} {key}={value}\n")
        })
        .collect();
    entry("PaxHeaders/x", body.as_bytes(), b'x')
}

fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

fn open(bytes: Vec<u8>) -> Result<Archive, ImageError> {
    Archive::of_bytes(Path::new("a.tar"), bytes)
}

fn refusal(bytes: Vec<u8>) -> String {
    open(bytes).unwrap_err().to_string()
}

/// What is written is read again, and depends on nothing but names, contents and times.
#[test]
fn written_archives_are_read() {
    let write = || {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in [("index.json", &b"{}"[..]), (BLOB, &[7; 512]), ("oci-layout", b"")] {
            writer.file(name, content.len() as u64, 1_700_000_000).unwrap();
            writer.write(content).unwrap();
        }
        writer.finish().unwrap()
    };
    let bytes = write();
    assert_eq!(bytes, write());
    assert_eq!(bytes.len() % 512, 0);
    let archive = open(bytes).unwrap();
    assert_eq!(archive.read(BLOB, 512).unwrap(), [7; 512]);
    assert_eq!(archive.read("index.json", 512).unwrap(), b"{}");
    assert!(archive.contains("oci-layout") && !archive.contains("other"));
    assert!(archive.read(BLOB, 511).is_err(), "more than allowed");
}

/// A file that is not as long as announced is no archive.
#[test]
fn writing_checks_lengths() {
    let mut writer = Writer::new(Vec::new());
    writer.file("index.json", 2, 0).unwrap();
    assert!(writer.write(b"123").is_err());
    assert!(writer.file("oci-layout", 0, 0).is_err());
    assert!(writer.finish().is_err());
    assert!(Writer::new(Vec::new()).file("index.json", 1 << 40, 0).is_err());
}

/// Long names and sizes as pax, GNU tar and Go write them.
#[test]
fn extended_headers_are_read() {
    let cut = header("index.json", b"00000000000\0", b'0');
    let big = [&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[2]].concat();
    let padded = |bytes: &[u8]| [bytes.to_vec(), vec![0; 510]].concat();
    for parts in [
        vec![pax(&[("path", BLOB), ("mtime", "1.5")]), entry("short", b"ab", b'0')],
        vec![entry("././@LongLink", format!("{BLOB}\0").as_bytes(), b'L'), entry("short", b"ab", b'0')],
        vec![entry("g", b"20 comment=whatever\n", b'g'), entry(BLOB, b"ab", b'0')],
        vec![pax(&[("size", "2"), ("path", BLOB)]), cut, padded(b"ab")],
        vec![header(BLOB, &big, b'0'), padded(b"ab")],
        vec![entry("./blobs/", b"", b'5'), entry(&format!("./blobs//sha256/./{}", &BLOB[13..]), b"ab", 0)],
    ] {
        let archive = open(archive(&parts)).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), [BLOB]);
        assert_eq!(archive.read(BLOB, 2).unwrap(), b"ab");
    }
}

/// What no image archive has, or what two readers could understand in two ways, is refused with the reason.
#[test]
fn hostile_archives_are_refused() {
    let file = || entry(BLOB, b"ab", b'0');
    let mut dirty = archive(&[file()]);
    dirty[512 + 100] = 1;
    let mut behind = archive(&[file()]);
    *behind.last_mut().unwrap() = 1;
    let negative = [0xff; 12];
    let overflowing = [&[0x80, 1][..], &[0; 10]].concat();
    for (bytes, expected) in [
        (archive(&[entry("blobs/../index.json", b"", b'0')]), "leads out of it"),
        (archive(&[entry("/index.json", b"", b'0')]), "leads out of it"),
        (archive(&[pax(&[("path", "../x")]), file()]), "leads out of it"),
        (archive(&[entry(BLOB, b"", b'2')]), "is a symbolic link"),
        (archive(&[entry("other", b"", b'1')]), "is a hard link"),
        (archive(&[entry(BLOB, b"", b'3')]), "is a device"),
        (archive(&[entry(BLOB, b"", b'6')]), "is a pipe"),
        (archive(&[entry(BLOB, b"", b'S')]), "is a sparse file"),
        (archive(&[pax(&[("GNU.sparse.major", "1")]), file()]), "it has a sparse file"),
        (archive(&[entry(BLOB, b"", b'M')]), "is of an unknown type"),
        (archive(&[file(), file()]), "twice"),
        (archive(&[file(), entry(&format!("./{BLOB}"), b"cd", b'0')]), "twice"),
        (archive(&[pax(&[("path", BLOB)]), pax(&[("path", "a")]), file()]), "two names or sizes"),
        (archive(&[entry("g", b"10 path=a\n", b'g'), file()]), "to all files"),
        (archive(&[pax(&[("size", "99999999999999999999")]), file()]), "no number"),
        (archive(&[entry("x", b"8 path=a\n", b'x'), file()]), "malformed"),
        (archive(&[entry("x", b"999999 path=a\n", b'x'), file()]), "malformed"),
        (archive(&[header(BLOB, &negative, b'0')]), "no number"),
        (archive(&[header(BLOB, &overflowing, b'0')]), "no number"),
        (archive(&[header(BLOB, b"77777777777\0", b'0')]), "reaches beyond its end"),
        (archive(&[header(BLOB, &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], b'0')]), "reaches beyond its end"),
        (archive(&[entry("x", &[b'x'; 70_000], b'L'), file()]), "an extended header of 70000 bytes"),
        (dirty, "between its files"),
        (behind, "behind its end"),
        (file(), "cut short"),
    ] {
        let text = refusal(bytes);
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

/// One block of zeros is an end, too: some tools write no second.
#[test]
fn one_block_of_zeros_is_an_end() {
    let bytes = archive(&[entry(BLOB, b"ab", b'0')]);
    assert!(open(bytes[..1536].to_vec()).unwrap().contains(BLOB));
}

/// Streams and compressed archives are bounded; what is larger than is kept in memory goes through a file.
#[test]
fn streams_are_bounded() {
    let large = archive(&[entry(BLOB, &vec![b'x'; 9 << 20], b'0')]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&large).unwrap();
    let compressed = encoder.finish().unwrap();
    for bytes in [&large, &compressed] {
        let archive = Archive::of_stream(Path::new("s"), &mut bytes.as_slice(), 16 << 20).unwrap();
        assert!(matches!(archive.source, Source::File(_)));
        let mut content = Vec::new();
        archive.content(BLOB).unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content.len(), 9 << 20);
        assert!(Archive::of_stream(Path::new("s"), &mut bytes.as_slice(), 1 << 20).unwrap_err().to_string().contains("more than 1 MiB"));
    }
    let text = Archive::of_stream(Path::new("s"), &mut &b"hello"[..], 1 << 20).unwrap_err().to_string();
    assert!(text.contains("neither a tar archive"), "{text}");
}
