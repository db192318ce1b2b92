//! Command lines, annotations and states of OCI runtimes.

use std::path::{Path, PathBuf};

use super::command::{Command, parse};
use super::{annotations, config_text, describe, states};

fn line(words: &str) -> Vec<u8> {
    words.split(' ').flat_map(|word| word.bytes().chain([0])).collect()
}

/// The commands that runc, crun, containerd's shim, Docker, Podman and CRI-O give are read; those that make no container are not.
#[test]
fn command_lines() {
    for (text, id, name, bundle) in [
        ("runc run web", "web", "", None),
        ("/usr/bin/runc --root /run/x --log /l --log-format json create --bundle /b/web --pid-file /b/pid web", "web", "", Some("/b/web")),
        ("runc --root=/run/docker/runtime-runc/moby --systemd-cgroup create --bundle=/b abc", "abc", "", Some("/b")),
        ("crun --systemd-cgroup --cgroup-manager cgroupfs run -b rel -d --config c.json x_1", "x_1", "", Some("rel")),
        ("runc restore --image-path /i -b /b web", "web", "", Some("/b")),
        ("/usr/bin/conmon --api-version 1 -c 4711 -u 4711 -r /usr/bin/runc -b /b -n shop --exit-dir /e", "4711", "shop", Some("/b")),
        ("conmon --cid=4711 --name=shop", "4711", "shop", None),
    ] {
        let found = parse(&line(text)).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.id.as_str(), found.name.as_str(), found.bundle.as_deref()), (id, name, bundle.map(Path::new)), "{text}");
    }
    for text in
        ["runc start web", "runc", "runc create", "runc --root", "runc exec web sh", "runc init", "conmon --version", "", "runc run ../x"]
    {
        assert_eq!(parse(&line(text)), None, "{text}");
    }
    assert_eq!(parse(b"runc\0run\0\xff\xfe\0"), None);
    assert_eq!(parse(b"runc\0run\0web"), Some(Command { program: "runc".to_owned(), id: "web".to_owned(), ..Command::default() }));
}

fn described(pairs: &[(&str, &str)]) -> crate::container::Container {
    annotations::container(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

/// Each runtime's annotations give pod, container, sandbox and image.
#[test]
fn annotations_of_runtimes() {
    let c = described(&[
        ("io.kubernetes.cri.container-type", "container"),
        ("io.kubernetes.cri.container-name", "app"),
        ("io.kubernetes.cri.sandbox-name", "shop-0"),
        ("io.kubernetes.cri.sandbox-namespace", "shop"),
        ("io.kubernetes.cri.sandbox-uid", "u1"),
        ("io.kubernetes.cri.sandbox-id", "s1"),
        ("io.kubernetes.cri.image-name", "img:1"),
    ]);
    assert_eq!((c.runtime.runtime_name.as_str(), c.runtime.container_image_name.as_str(), c.sandbox), ("containerd", "img:1", false));
    assert_eq!((c.k8s.pod_name.as_str(), c.k8s.namespace.as_str(), c.k8s.container_name.as_str()), ("shop-0", "shop", "app"));
    assert_eq!((c.k8s.pod_uid.as_str(), c.sandbox_id.as_str()), ("u1", "s1"));

    let c = described(&[
        ("io.container.manager", "cri-o"),
        ("io.kubernetes.cri-o.ContainerType", "sandbox"),
        ("io.kubernetes.container.name", "POD"),
        ("io.kubernetes.pod.name", "shop-0"),
        ("io.kubernetes.pod.namespace", "shop"),
        ("io.kubernetes.pod.uid", "u1"),
        ("io.kubernetes.cri-o.Labels", r#"{"app":"web","io.kubernetes.pod.name":"shop-0"}"#),
        ("io.kubernetes.cri-o.Annotations", r#"{"note":"hello"}"#),
    ]);
    assert_eq!((c.runtime.runtime_name.as_str(), c.sandbox, c.k8s.container_name.as_str()), ("cri-o", true, ""));
    assert_eq!((c.labels["app"].as_str(), c.annotations["note"].as_str()), ("web", "hello"));

    assert_eq!(described(&[("io.container.manager", "libpod")]).runtime.runtime_name, "podman");
    assert_eq!(described(&[("other", "x")]), crate::container::Container::default());
}

/// Configurations that are none, hold wrong types or are huge give nothing or an error, never a panic.
#[test]
fn hostile_configurations() {
    for text in ["", "[1,2]", "{", "null", r#"{"annotations":[1]}"#, r#"{"annotations":{"a":1}}"#] {
        assert!(describe(text).is_none(), "{text}");
    }
    assert!(describe(r#"{"annotations":null}"#).is_some());
    let many: String = (0..10_000).map(|n| format!("\"k{n}\":\"v\",")).collect();
    let text = format!("{{\"annotations\":{{{many}\"io.container.manager\":\"libpod\"}}}}");
    assert!(describe(&text).is_some());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), vec![b' '; (4 << 20) + 1]).unwrap();
    assert!(config_text(dir.path()).unwrap_err().to_string().contains("longer than"));
    let pipe = dir.path().join("p/config.json");
    std::fs::create_dir(dir.path().join("p")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(std::fs::File::options().read(true).write(true).open(&pipe).is_ok_and(|_held| config_text(&dir.path().join("p")).is_err()));
}

/// States of runc and crun give id, process and bundle; broken ones are left out, a folder that is not there is empty.
#[test]
fn states_of_runtimes() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, file: &str, text: &str| {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join(file), text).unwrap();
    };
    put("web", "state.json", r#"{"id":"web","init_process_pid":42,"config":{"labels":["a=b","bundle=/b/web"]}}"#);
    put("db", "status", r#"{"pid":43,"bundle":"/b/db","created":"now"}"#);
    put("bad", "state.json", "{");
    put("odd", "state.json", r#"{"init_process_pid":-7}"#);
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let kept = states::read(dir.path()).unwrap();
    let found: Vec<_> = kept.values().map(|k| (k.id.as_str(), k.pid, k.bundle.clone())).collect();
    assert_eq!(found, [("db", 43, PathBuf::from("/b/db")), ("odd", 0, PathBuf::new()), ("web", 42, PathBuf::from("/b/web"))]);
    assert!(states::read(&dir.path().join("missing")).unwrap().is_empty());
}

proptest::proptest! {
    /// Whatever a process was started with, reading it ends in a command or in nothing.
    #[test]
    fn any_command_line(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"runc\0create\0".as_slice(), &bytes].concat());
        let _ = parse(&[b"conmon\0-c\0".as_slice(), &bytes].concat());
    }
}
