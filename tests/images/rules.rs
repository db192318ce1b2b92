//! What may run: signatures, allowed gadgets, pulling, from the registry to the kernel; alone and in the collector.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::harness::{Gadgetry, Kind, Registry, foreign};
use crate::support::receivers::otlp::{Otlp, Protocol, Received};
use crate::support::{Collector, can_trace, wait_for};

/// A key pair by openssl: PKCS#8 and PKIX.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        let keys = Keys { folder: tempfile::tempdir().unwrap() };
        let folder = keys.folder.path();
        foreign(
            Command::new("openssl")
                .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"])
                .arg(keys.private()),
        );
        foreign(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(keys.private()).arg("-out").arg(folder.join("key.pub")));
        keys
    }

    fn private(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn public(&self) -> PathBuf {
        self.folder.path().join("key.pub")
    }

    /// As the flag takes it.
    fn flag(&self) -> String {
        format!("@{}", self.public().display())
    }
}

/// Publishes an embedded gadget under a name, signed by that key or by nobody; gives its digest.
fn publish(gadget: &str, name: &str, host: &str, keys: Option<&Keys>) -> String {
    let author = Gadgetry::new();
    author.ok(&["image", "tag", gadget, name]);
    if let Some(keys) = keys {
        author.ok(&["image", "sign", name, "--key", keys.private().to_str().unwrap()]);
    }
    let said = author.ok(&["image", "push", name, "--insecure-registries", host]);
    said.rsplit_once('@').unwrap().1.trim().to_owned()
}

fn rows(text: &str) -> usize {
    serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|e| panic!("{e}: {text}")).as_array().unwrap().len()
}

/// A signed image is pulled, verified and run by one command; with another key, or without a signature, nothing runs and the words say why.
#[test]
fn only_signed_images_run() {
    if !can_trace("run images of a registry") {
        return;
    }
    let (registry, keys, other) = (Registry::start(Kind::Plain), Keys::new(), Keys::new());
    let host = registry.host.clone();
    let host = host.as_str();
    let (signed, unsigned) = (format!("{host}/me/snap:v1"), format!("{host}/me/unsigned:v1"));
    publish("snapshot_process", &signed, host, Some(&keys));
    // Another gadget: signatures bind the digest, in whatever repository they are.
    publish("trace_exec", &unsigned, host, None);
    let user = Gadgetry::new();
    let call = |image: &str, keys: &Keys, more: &[&str]| -> Vec<String> {
        let key = keys.flag();
        let flags = ["run", image, "--host", "-o", "json", "--insecure-registries", host, "--public-keys", &key];
        flags.iter().chain(more).map(|text| (*text).to_owned()).collect()
    };
    let refused = |arguments: Vec<String>, words: &[&str]| {
        let (code, error) = user.fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(code == 1 && error.contains("Error: "), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "{word:?} is missing in {error}"));
    };
    let ok = |arguments: Vec<String>| user.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    refused(call(&signed, &other, &[]), &["may not run", "no signature of"]);
    refused(call(&unsigned, &keys, &[]), &["may not run", "has no signature"]);
    assert!(rows(&ok(call(&signed, &keys, &[]))) > 1);
    assert!(ok(call(&unsigned, &keys, &["--verify-image=false", "--help"])).contains("Parameters of the gadget"));
    refused(call(&signed, &other, &[]), &["may not run"]);
    drop(registry);
    assert!(rows(&ok(call(&signed, &keys, &[]))) > 1, "what is here runs without the registry");
    refused(call(&signed, &keys, &["--pull", "always"]), &["cannot pull", host]);
}

/// Images that are not allowed are not even asked for; a digest that is allowed lets exactly that image through.
#[test]
fn only_allowed_images_are_pulled() {
    let (registry, keys) = (Registry::start(Kind::Plain), Keys::new());
    let host = registry.host.as_str();
    let name = format!("{host}/me/snap:v1");
    let digest = publish("snapshot_process", &name, host, Some(&keys));
    let user = Gadgetry::new();
    let key = keys.flag();
    let call = |allowed: &str| {
        let arguments = ["run", &name, "--help", "--insecure-registries", host, "--public-keys", &key, "--allowed-gadgets", allowed];
        user.run(&arguments)
    };
    for allowed in ["trace_open", &format!("{host}/you/*"), &format!("{host}/me/snap@sha256:{}", "0".repeat(64))] {
        let output = call(allowed);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains("allowed gadgets") && error.contains(allowed), "{error}");
        assert!(!user.store().join("index.json").exists(), "something was pulled for {allowed}");
    }
    for allowed in [format!("{host}/me/snap@{digest}"), name.clone(), format!("{host}/me/*")] {
        let output = call(&allowed);
        assert!(output.status.success(), "{allowed}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The configuration of a collector with one gadget out of a registry.
fn config(image: &str, host: &str, key: &Path, more: &str) -> String {
    format!(
        "version: v1\ngadgets:\n  - {{name: g, image: '{image}', exporters: [file]}}\n  - {{name: opens, image: trace_open, exporters: [file/opens]}}\nexporters:\n  file: {{path: DIR/events.jsonl}}\n  file/opens: {{path: DIR/opens.jsonl}}\nimages:\n  insecure_registries: ['{host}']\n  verify: {{public_keys: ['{}']}}\n{more}service:\n  telemetry: {{endpoint: \"\"}}\n",
        key.display()
    )
}

/// A moved tag is pulled at the next reload and replaces the gadget; an image that may not run, and a registry that is gone, change nothing.
#[test]
fn the_collector_pulls_pins_and_refuses() {
    if !can_trace("collect with images of a registry") {
        return;
    }
    let (registry, keys, other) = (Registry::start(Kind::Plain), Keys::new(), Keys::new());
    let host = registry.host.clone();
    let name = format!("{host}/me/gadget:v1");
    publish("trace_open", &name, &host, Some(&keys));
    let data = tempfile::tempdir().unwrap();
    let environment = [("GADGETRY_DATA", data.path().to_str().unwrap()), ("HOME", data.path().to_str().unwrap())];
    let always = "  pull: always\n";
    let collector = Collector::spawn_with(&config(&name, &host, &keys.public(), always), &environment);
    collector.wait_log(30, "gadgetry is collecting");
    let touch = |config: &str, expected: &str| {
        let before = collector.log().matches(expected).count();
        collector.rewrite(config);
        wait_for(40, expected, || (collector.log().matches(expected).count() > before).then_some(()));
    };
    touch(&config(&name, &host, &keys.public(), &format!("{always}# the same\n")), "kept 2");
    publish("trace_exec", &name, &host, Some(&keys));
    touch(&config(&name, &host, &keys.public(), &format!("{always}# moved\n")), "restarted g");
    wait_for(10, "an event of the gadget that the tag names now", || {
        assert!(Command::new("true").status().unwrap().success());
        collector.events("events.jsonl").iter().find(|event| event.get("args").is_some()).cloned()
    });
    touch(&config(&name, &host, &other.public(), &format!("{always}# another key\n")), "configuration refused, nothing changed");
    assert!(collector.log().contains("may not run"), "{}", collector.log());
    drop(registry);
    touch(&config(&name, &host, &keys.public(), &format!("{always}# gone\n")), "configuration refused, nothing changed");
    assert!(collector.log().contains("cannot pull"), "{}", collector.log());
    touch(&config(&name, &host, &keys.public(), "  pull: never\n"), "kept 2");
    let (code, log) = collector.stop();
    assert_eq!(code, 0, "{log}");
}

/// Settings of images are checked before anything starts: a gadget that is not allowed is an error with its place.
#[test]
fn validate_knows_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    let text = "version: v1\ngadgets:\n  - {name: a, image: trace_open, exporters: [file]}\n  - {name: b, image: 'localhost:1/x/y:1', exporters: [file]}\nexporters:\n  file: {path: /tmp/x}\nimages:\n  allowed: [trace_exec, 'localhost:1/*']\n";
    std::fs::write(&file, text).unwrap();
    let user = Gadgetry::new();
    let output = user.run(&["validate", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains(":3:22: error:") && said.contains("allowed gadgets"), "{said}");
    assert!(said.contains(":4:22: warning:") && said.contains("not on this machine"), "{said}");
}

/// A gadget pinned by its digest stays what it is when the tag moves, and the digest that ran stands on the scope of its records.
#[test]
fn a_pinned_digest_stays_and_is_told() {
    if !can_trace("collect with a pinned image") {
        return;
    }
    let (registry, keys) = (Registry::start(Kind::Plain), Keys::new());
    let host = registry.host.clone();
    let name = format!("{host}/me/gadget:v1");
    let digest = publish("trace_exec", &name, &host, Some(&keys));
    publish("trace_open", &name, &host, Some(&keys));
    let received = Arc::new(Received::default());
    let otlp = Otlp::start(Protocol::Grpc, 0, &received);
    let data = tempfile::tempdir().unwrap();
    let environment = [("GADGETRY_DATA", data.path().to_str().unwrap()), ("HOME", data.path().to_str().unwrap())];
    let pinned = format!("{host}/me/gadget@{digest}");
    let config = format!(
        "version: v1\ngadgets:\n  - {{name: g, image: '{pinned}', pull: always, exporters: [otlp_grpc]}}\nexporters:\n  otlp_grpc: {{endpoint: '{}'}}\nimages:\n  insecure_registries: ['{host}']\n  verify: {{public_keys: ['{}']}}\nservice:\n  telemetry: {{endpoint: \"\"}}\n",
        otlp.url,
        keys.public().display()
    );
    let collector = Collector::spawn_with(&config, &environment);
    collector.wait_log(30, "gadgetry is collecting");
    let scope = wait_for(20, "a record of the pinned gadget", || {
        assert!(Command::new("true").status().unwrap().success());
        received.records().first().map(|(_, scope, _)| scope.clone())
    });
    let told = scope.attributes.iter().find(|pair| pair.key == "gadgetry.gadget.digest").unwrap();
    assert!(format!("{:?}", told.value).contains(&digest), "{told:?}");
    assert!(
        scope.name.contains("trace_exec") || scope.attributes.iter().any(|pair| format!("{:?}", pair.value).contains(&pinned)),
        "{scope:?}"
    );
    let (code, log) = collector.stop();
    assert_eq!(code, 0, "{log}");
}
