//! Types: what becomes of every kind of member and every type that the host knows by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use gadgetry::kubernetes::{Address, Addresses, Handle, NamedPod};
use serde_json::{Value, json};

use crate::harness::{Run, Setup, assert_golden, compiled, seen, with_each_compiler};
use crate::trigger::{getppid, thread};

fn setup(more: &[(&str, &str)]) -> Setup {
    Setup::params(&[&[("thread", thread().as_str())], more].concat())
}

/// The one event of a gadget whose data source is called `calls`.
fn event(gadget: &str, compiler: &str, more: &[(&str, &str)]) -> Value {
    let run = Run::start(gadget, compiler, &setup(more));
    getppid(1);
    let event = run.event_of("calls", |_| true);
    assert_eq!(run.stop().len(), 1, "{gadget} by {compiler}");
    event
}

/// Numbers of every width and sign, truth values, floats, text, arrays, unions, nested and anonymous structs and bit fields have their
/// values; pointers, 128-bit numbers, arrays of structs, typedef'd structs, empty arrays and `__` names are no fields.
#[test]
fn kinds() {
    with_each_compiler(|compiler| assert_golden("kinds", &event("kinds", compiler, &[]), &[]));
    seen("types: every kind of member");
    seen("types: bit fields, unions, nested and anonymous structs");
}

/// Every special type has its text, under the name that the rules give it.
#[test]
fn special() {
    let times = ["timestamp", "timestamp_raw", "later_raw", "weekday", "bare"];
    with_each_compiler(|compiler| {
        let mut event = event("special", compiler, &[]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        for raw in ["timestamp_raw", "later_raw", "bare"] {
            let stamp = event[raw].as_u64().unwrap();
            assert!(now.abs_diff(stamp) < 60_000_000_000, "{raw}: {stamp} is not now ({now})");
        }
        assert_eq!(event["timestamp"].as_str().unwrap().find('T'), Some(10));
        assert_eq!(event["weekday"].as_str().unwrap().len(), "Mon 2006".len());
        without_users(&mut event);
        assert_golden("special", &event, &times);
    });
    seen("types: every special type");
}

/// Endpoints have the names of pods and services where Kubernetes is asked; an address without an owner is raw, no address is nothing.
#[test]
fn named_endpoints() {
    let addresses = Arc::new(Addresses::default());
    let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    let pod = NamedPod { namespace: "prod".to_owned(), name: "web-1".to_owned(), labels: labels.clone(), ..NamedPod::default() };
    addresses.put("p", vec!["10.0.0.1".parse().unwrap()], Address::Pod(pod));
    let service = Address::Service { namespace: "prod".to_owned(), name: "front".to_owned(), labels: BTreeMap::new(), selector: labels };
    addresses.put("s", vec!["10.0.0.2".parse().unwrap()], service);
    addresses.publish(Instant::now());
    let run = Run::start("special", "clang-16", &Setup { kubernetes: Some(Handle::of(addresses)), ..setup(&[]) });
    getppid(1);
    let event = run.event_of("calls", |_| true);
    run.stop();
    let names = |kind: &str, name: &str, labels: &str, selector: &str| {
        let namespace = if name.is_empty() { "" } else { "prod" };
        json!({"kind": kind, "name": name, "namespace": namespace, "labels": labels, "podSelector": selector})
    };
    assert_eq!(event["router"]["k8s"], names("pod", "web-1", "app=web", ""));
    assert_eq!(event["src"]["k8s"], names("svc", "front", "", "app=web"));
    assert_eq!(event["dst"]["k8s"], names("raw", "", "", ""));
    assert_eq!(event["nowhere"]["k8s"], names("", "", "", ""));
}

/// A machine without `/etc/passwd` has no names of users, and so no fields for them.
fn without_users(event: &mut Value) {
    if std::path::Path::new("/etc/passwd").exists() && std::path::Path::new("/etc/group").exists() {
        return;
    }
    assert!(event.get("uid").is_none() && event["proc"]["creds"].get("user").is_none());
    event["uid"] = "uid:4000000003".into();
    event["gid"] = "gid:4000000004".into();
    event["proc"]["creds"]["user"] = "uid:4000000001".into();
    event["proc"]["creds"]["group"] = "gid:4000000002".into();
}

/// Enumerators have names: the running kernel's where it knows the enum, else the object's; bit sets are joined; the rest stays numbers.
#[test]
fn enums() {
    with_each_compiler(|compiler| {
        let mut event = event("enums", compiler, &[]);
        if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
            assert_eq!(event["of_kernel"], "OBJECT_ONE");
            event["of_kernel"] = "HRTIMER_RESTART".into();
        }
        // clang says since version 15 that an enum has a sign; the name is found with and without.
        let number = event["color_raw"].as_i64().unwrap();
        assert_eq!(number, if compiler == "clang-14" { 0xffff_fffe } else { -2 });
        assert_golden("enums", &event, &["color_raw"]);
    });
    seen("types: enums of the object, enums of the kernel, bit sets");
}

/// What follows the struct is a field if the metadata names one, as long as the length field says or the record is; a record shorter than
/// its struct counts as filled with zeros.
#[test]
fn rest() {
    with_each_compiler(|compiler| {
        let run = Run::start("rest", compiler, &setup(&[]));
        getppid(1);
        run.event_of("limited", |e| e["length"] == 100 && e["payload"] == "");
        run.event_of("open", |_| true);
        run.event_of("plain", |_| true);
        let of = |source: &str| -> Vec<Value> { run.events().into_iter().filter(|e| e.source == source).map(|e| e.json).collect() };
        let event = |length: u32, numbers: [u32; 2], text: &str| serde_json::json!({"length": length, "numbers": numbers, "text": text});
        let with = |mut event: Value, rest: &str| {
            event["payload"] = rest.into();
            event
        };
        let full = event(3, [1, 2], "abc");
        // Samples of perf buffers are padded: without a length the padding is part of the rest.
        let open = of("open");
        assert!(open.len() == 1 && open[0]["payload"].as_str().unwrap().starts_with("deadbeef05060708"), "{open:?}");
        assert_eq!(of("plain"), std::slice::from_ref(&full));
        let limited = of("limited");
        assert_eq!(limited[0], with(full, "deadbe"));
        assert!(limited[1]["payload"].as_str().unwrap().starts_with("deadbeef05060708"), "{limited:?}");
        assert_eq!(limited[1]["length"], 100);
        assert_eq!(limited[2]["numbers"][0], 1);
        assert_eq!(limited[2]["text"], "");
        assert_eq!(limited.len(), 3);
        run.stop();
    });
    seen("types: bytes behind the struct, records that are too short");
}

/// A kernel stack is the functions from the tracepoint down to the system call's entry; an id that leads nowhere is empty text.
#[test]
fn kernel_stack() {
    with_each_compiler(|compiler| {
        let event = event("kernel_stack", compiler, &[]);
        let stack = event["kstack"].as_str().unwrap();
        assert!(stack.ends_with("; ") && stack.matches("; ").count() >= 2, "{event:#}");
        if !std::fs::read_to_string("/proc/sys/kernel/kptr_restrict").is_ok_and(|text| text.trim() == "2") {
            assert!(stack.contains("do_syscall_64; ") || stack.contains("el0_svc; "), "{stack:?}");
        }
        assert_eq!(event["renamed"], event["kstack"]);
        assert_eq!((&event["lost"], &event["failed"]), (&"".into(), &"".into()));
        assert_eq!((&event["lost_raw"], &event["failed_raw"]), (&9999.into(), &(u32::MAX - 13).into()));
    });
    seen("types: kernel stacks");
}

/// A kernel stack needs the map of the header that offers it.
#[test]
fn kernel_stack_without_map() {
    with_each_compiler(|compiler| {
        let error = Run::try_start(&compiled("no_stack_map", compiler), &setup(&[])).map(drop).unwrap_err();
        assert!(error.contains("\"kstack_raw\" is a stack, but the gadget has no map \"ig_kstack\""), "{error}");
    });
}

/// A user stack is addresses, and nothing when nobody asked for it.
#[test]
fn user_stack() {
    with_each_compiler(|compiler| {
        let off = &event("user_stack", compiler, &[])["ustack"];
        assert_eq!((&off["addresses"], &off["buildid"], &off["symbols"], &off["inode"]), (&"".into(), &"".into(), &"".into(), &0.into()));
        let on = event("user_stack", compiler, &[("collect-ustack", "true"), ("collect-build-id", "true")]);
        let stack = &on["ustack"];
        let addresses: Vec<&str> = stack["addresses"].as_str().unwrap().split_terminator("; ").collect();
        assert!(!addresses.is_empty() && addresses.iter().all(|a| a.len() == 18 && a.starts_with("0x")), "{stack:#}");
        let symbols: Vec<&str> = stack["symbols"].as_str().unwrap().split_terminator("; ").collect();
        assert_eq!(symbols.len(), addresses.len());
        let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        assert_eq!(number(symbols[0]), number(addresses[0]));
        let builds: Vec<&str> = stack["buildid"].as_str().unwrap().split_terminator("; ").collect();
        assert!(!builds.is_empty() && builds.len() <= addresses.len(), "{stack:#}");
        assert!(builds.iter().all(|b| b.split(" +").all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))), "{builds:?}");
    });
    seen("types: user stacks, build ids");
}

/// Endpoints and enums in a map's key have their texts too.
#[test]
fn endpoint_map() {
    with_each_compiler(|compiler| {
        let run = Run::start("endpoint_map", compiler, &setup(&[]));
        getppid(1);
        let event = run.event_of("flows", |_| true);
        assert_golden("endpoint_map", &event, &[]);
        run.stop();
    });
    seen("types: endpoints in the key of a map");
}
