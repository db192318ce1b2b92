//! Daemons that lie, hang and flood: each ends in a short error, soon, and in little memory.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use prost::Message;
use tonic::Code;

use super::fixture::{Act, Fake};
use super::wire::{Fields, Malformed, Value};
use super::{Call, Channel, GrpcError, ITEM_LIMIT};

const CALL: Call<'static> = Call { doing: "list things", method: "/a.Things/List", namespace: "" };

/// A message with a field of every kind that is read.
#[derive(Clone, PartialEq, Message)]
struct Thing {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(int64, tag = "3")]
    signed: i64,
    #[prost(map = "string, string", tag = "4")]
    labels: HashMap<String, String>,
    #[prost(fixed64, tag = "5")]
    fixed: u64,
    #[prost(message, optional, tag = "6")]
    stamp: Option<Stamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Stamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Things {
    #[prost(message, repeated, tag = "1")]
    things: Vec<Thing>,
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

async fn list(fake: &Fake, stream: bool) -> Result<Vec<String>, GrpcError> {
    let channel = Channel::connect(&fake.socket()).await?;
    let mut names = Vec::new();
    let each = |item: Value<'_>| {
        for field in item.fields()? {
            if let (1, name) = field? {
                names.push(name.text()?);
            }
        }
        Ok(())
    };
    let listed = if stream { channel.list_stream(CALL, Nothing {}, each).await } else { channel.list(CALL, Nothing {}, each).await };
    listed.map(|()| names)
}

async fn error(fake: Fake, stream: bool) -> String {
    let start = Instant::now();
    let error = list(&fake, stream).await.expect_err("an error").full();
    assert!(start.elapsed() < Duration::from_secs(4), "took {:?}", start.elapsed());
    assert!(error.len() <= 400 && !error.contains('\n'), "{error}");
    error
}

/// Sockets behind which no gRPC is spoken.
#[tokio::test]
async fn other_protocols() {
    let absent = Channel::connect(Path::new("/nonexistent/s")).await.err().unwrap().full();
    assert!(absent.contains("connect") && absent.contains("No such file"), "{absent}");
    let http1 = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    for (fake, expected) in [
        (Fake::raw(b"", 0, true), ""),
        (Fake::raw(b"", 0, false), "no answer within"),
        (Fake::raw(http1, 1, false), ""),
        (Fake::raw(http1, 1, true), ""),
        (Fake::raw(b"\0\0\0garbage\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1, false), ""),
        // A gigabyte, if it were read.
        (Fake::raw(&[0x55; 4096], 1 << 18, false), ""),
        // An endless head: frames of headers that never end.
        (Fake::raw(b"\0\0\x04\x09\0\0\0\0\x01aaaa", 1 << 20, false), ""),
    ] {
        let said = error(fake, false).await;
        assert!(said.starts_with("list things: ") || said.starts_with("connect"), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

/// Answers that are refused, late, too long, too many, cut short or of another type.
#[tokio::test]
async fn bad_answers() {
    let many = || [0x0a, 0x00].repeat(ITEM_LIMIT + 1);
    let framed = |compressed: u8, length: u32, body: &[u8]| [&[compressed], length.to_be_bytes().as_slice(), body].concat();
    let cases: Vec<(Act, bool, &str)> = vec![
        (Act::Refuse(Code::Internal, "sad\nface"), false, "list things: sadface"),
        (Act::Refuse(Code::Unavailable, ""), false, "list things: "),
        (Act::Silence, false, "list things: no answer within"),
        (Act::Silence, true, "list things: no answer within"),
        (Act::Stay(Vec::new()), true, "list things: no answer within"),
        (Act::Say(Vec::new()), false, "list things: "),
        (Act::Say(vec![many()]), false, "more than 100000 items"),
        (Act::Repeat([0x0a, 0x00].repeat(1000)), true, "more than 100000 items"),
        (Act::Repeat(Vec::new()), true, "no answer within"),
        (Act::Repeat(vec![0xff; 7]), true, "cannot be understood"),
        (Act::Say(vec![vec![0x08, 0x01]]), false, "cannot be understood"),
        (Act::Say(vec![b"\x0a\x05abc".to_vec()]), false, "cannot be understood"),
        (Act::Say(vec![vec![0; 2 << 20]]), false, "list things: "),
        (Act::Say(vec![vec![0; 5 << 20]]), true, "list things: "),
        (Act::Raw(framed(0, u32::MAX, b"")), false, "list things: "),
        (Act::Raw(framed(0, u32::MAX, b"")), true, "list things: "),
        (Act::Raw(framed(0, 100, b"abc")), false, "list things: "),
        (Act::Raw(framed(1, 3, b"abc")), false, "list things: "),
        (Act::Raw(framed(9, 3, b"abc")), false, "list things: "),
        (Act::Raw(b"<html>".to_vec()), false, "list things: "),
    ];
    for (number, (act, stream, expected)) in cases.into_iter().enumerate() {
        let act = std::sync::Mutex::new(Some(act));
        let fake = Fake::start(move |_| act.lock().unwrap().take().unwrap());
        let said = error(fake, stream).await;
        assert!(said.contains(expected), "case {number}: {said}");
    }
}

/// A connection that broke stays broken: nobody hides that the daemon is another one now.
#[tokio::test]
async fn a_connection_is_made_once() {
    let fake = Fake::raw(b"", 0, true);
    let channel = Channel::connect(&fake.socket()).await.unwrap();
    for _ in 0..2 {
        let error = channel.ask(CALL, Nothing {}).await.unwrap_err();
        assert!(error.code().is_some(), "{error:?}");
    }
}

/// The namespace goes into containerd's header; one that cannot is an error.
#[tokio::test]
async fn namespaces() {
    let fake = Fake::start(|asked| Act::say(Things { things: vec![Thing { name: asked.namespace.clone(), ..Thing::default() }] }));
    let channel = Channel::connect(&fake.socket()).await.unwrap();
    let ask = async |namespace| channel.ask(Call { namespace, ..CALL }, Nothing {}).await;
    assert!(Things::decode(ask("k8s.io").await.unwrap()).unwrap().things[0].name == "k8s.io");
    assert!(ask("a\nb").await.is_err());
}

fn read(bytes: &[u8]) -> Result<Thing, Malformed> {
    let mut thing = Thing::default();
    for field in Fields(bytes) {
        match field? {
            (1, name) => thing.name = name.text()?,
            (2, number) => thing.number = number.number()?,
            (3, number) => thing.signed = number.signed()?,
            (4, entry) => {
                let (key, value) = entry.entry()?;
                thing.labels.insert(String::from_utf8_lossy(key).into_owned(), String::from_utf8_lossy(value).into_owned());
            }
            (5, number) => thing.fixed = number.number()?,
            (6, stamp) => {
                let ns = stamp.timestamp()?;
                thing.stamp = Some(Stamp { seconds: ns / 1_000_000_000, nanos: (ns % 1_000_000_000) as i32 });
            }
            _ => {}
        }
    }
    Ok(thing)
}

proptest! {
    /// What prost writes is read the same, field by field.
    #[test]
    fn reads_what_prost_writes(
        name in "\\PC{0,40}", number: u32, signed: i64, fixed: u64,
        labels in prop::collection::hash_map("[a-z]{0,9}", "\\PC{0,9}", 0..5), seconds in 1_i64..9_000_000_000, nanos in 0..1_000_000_000,
    ) {
        let stamp = Some(Stamp { seconds, nanos });
        let thing = Thing { name, number, signed, labels, fixed, stamp };
        prop_assert_eq!(read(&thing.encode_to_vec()), Ok(thing));
    }

    /// Any bytes end in a message or an error, and so does a message with a byte that is not its own.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, byte: u8) {
        let _ = read(&bytes);
        let mut message = Thing { name: "n".repeat(20), number: 7, ..Thing::default() }.encode_to_vec();
        *at.get_mut(&mut message) = byte;
        if let Ok(thing) = read(&message) {
            prop_assert!(thing.name.len() <= 3 * message.len());
        }
    }
}
