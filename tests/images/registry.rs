//! Images moved between stores and real registries, by us and by others.

use std::path::Path;
use std::process::Command;

use gadgetry::image::layout::Files;
use gadgetry::image::store::{Store, set_name};

use crate::harness::{Gadgetry, Kind, PASSWORD, Registry, USER, foreign, layout, tool};

/// Puts an embedded gadget into a store under that name; gives its digest.
pub fn seed(store: &Path, gadget: &str, name: &str) -> String {
    let folder = layout(gadget);
    let store = Store::at(store.to_owned());
    let stage = store.stage().unwrap();
    for blob in std::fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        stage.put(&std::fs::read(blob.unwrap().path()).unwrap()).unwrap();
    }
    let mut root = Files::Folder(folder).roots().unwrap().remove(0);
    set_name(&mut root, name);
    let digest = root.digest().to_string();
    stage.commit(vec![root]).unwrap();
    digest
}

/// The names of the blobs in a layout, and that each is what its name says.
pub fn blobs(layout: &Path) -> Vec<String> {
    let folder = layout.join("blobs/sha256");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in &names {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(gadgetry::image::pack::digest_of(&bytes), format!("sha256:{name}"));
    }
    names
}

/// Pushes from one store and pulls into another with these flags; all of it must arrive, under the same digest.
fn there_and_back(host: &str, flags: &[&str], prepare: impl Fn(&Gadgetry)) {
    let name = format!("{host}/gadgets/trace_open:v1");
    let (from, to) = (Gadgetry::new(), Gadgetry::new());
    prepare(&from);
    prepare(&to);
    let digest = seed(&from.store(), "trace_open", &name);
    let said = from.ok(&[&["image", "push", &name], flags].concat());
    assert_eq!(said, format!("Pushing {name}...\nSuccessfully pushed {name}@{digest}\n"));
    let said = to.ok(&[&["image", "pull", &name], flags].concat());
    assert_eq!(said, format!("Pulling {name}...\nSuccessfully pulled {name}@{digest}\n"));
    assert_eq!(blobs(&to.store()), blobs(&layout("trace_open")));
    let opened = Store::at(to.store()).named(&name).unwrap().unwrap();
    assert_eq!(opened.digest().to_string(), digest);
    assert!(!to.store().join("ingest").exists() || std::fs::read_dir(to.store().join("ingest")).unwrap().next().is_none());
}

/// A plain registry takes and gives images.
#[test]
fn plain() {
    let registry = Registry::start(Kind::Plain);
    there_and_back(&registry.host, &["--insecure-registries", &registry.host], |_| ());
}

/// With TLS: the authority of `--cert-dir` is trusted, without it the error says what is missing.
#[test]
fn private_authority() {
    let registry = Registry::start(Kind::Tls);
    let certificates = registry.folder.path().join("certs");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(registry.authority(), certificates.join("ca.crt")).unwrap();
    there_and_back(&registry.host, &["--cert-dir", certificates.to_str().unwrap()], |_| ());
    let (code, error) = Gadgetry::new().fails(&["image", "pull", &format!("{}/gadgets/trace_open:v1", registry.host)]);
    assert_eq!(code, 1);
    assert!(error.contains("unknown authority") && error.contains("--cert-dir"), "{error}");
    assert!(!error.contains("attempt"), "an unknown authority is not tried again: {error}");
}

/// Writes an auth file with user and password for a registry.
fn auth_file(folder: &Path, host: &str, password: &str) -> String {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
    let path = folder.join("auth.json");
    std::fs::write(&path, format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// User and password out of an auth file; without them the error names `gadgetry login`, and without TLS they are not told.
#[test]
fn basic_authentication() {
    let registry = Registry::start(Kind::TlsAuth);
    let certificates = registry.folder.path().join("certs");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(registry.authority(), certificates.join("ca.crt")).unwrap();
    let (folder, certificates) = (tempfile::tempdir().unwrap(), certificates.to_str().unwrap());
    let file = auth_file(folder.path(), &registry.host, PASSWORD);
    there_and_back(&registry.host, &["--cert-dir", certificates, "--authfile", &file], |_| ());
    let name = format!("{}/gadgets/trace_open:v1", registry.host);
    let wrong = auth_file(folder.path(), &registry.host, "wrong");
    for flags in [&[][..], &["--authfile", &wrong]] {
        let (code, error) = Gadgetry::new().fails(&[&["image", "pull", &name, "--cert-dir", certificates], flags].concat());
        assert_eq!(code, 1);
        assert!(error.contains("HTTP 401") && error.contains(&format!("gadgetry login {}", registry.host)), "{error}");
        assert!(!error.contains("wrong"), "{error}");
    }
    let plain = Registry::start(Kind::PlainAuth);
    let file = auth_file(folder.path(), &plain.host, PASSWORD);
    let name = format!("{}/gadgets/trace_open:v1", plain.host);
    let (_, error) = Gadgetry::new().fails(&["image", "pull", &name, "--insecure-registries", &plain.host, "--authfile", &file]);
    assert!(error.contains("HTTP 401"), "{error}");
}

/// A registry that wants a client certificate gets it, both ways; without one the error says so.
#[test]
fn client_certificate() {
    let registry = Registry::start(Kind::Tls);
    let port = crate::support::free_port();
    let dir = registry.folder.path();
    let config = std::fs::read_to_string(dir.join("config.yml")).unwrap();
    let old = registry.host.rsplit(':').next().unwrap().to_owned();
    let asks = format!("clientcas: [{}/ca.crt], certificate:", dir.display());
    let config = config.replace(&format!("127.0.0.1:{old}"), &format!("127.0.0.1:{port}")).replace("certificate:", &asks);
    std::fs::write(dir.join("mutual.yml"), config.replace("/data}", "/mutual}")).unwrap();
    let mut server = Command::new("docker-registry")
        .arg("serve")
        .arg(dir.join("mutual.yml"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    crate::support::wait_for(10, "the registry", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let host = format!("localhost:{port}");
    let certificates = dir.join("certs");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(dir.join("ca.crt"), certificates.join("ca.crt")).unwrap();
    let result = std::panic::catch_unwind(|| {
        let flags = ["--cert-dir", certificates.to_str().unwrap()];
        let name = format!("{host}/gadgets/trace_open:v1");
        let (_, error) = Gadgetry::new().fails(&[&["image", "pull", &name][..], &flags].concat());
        assert!(error.contains("client certificate") && error.contains("--cert-dir"), "{error}");
        // The registry's own certificate will do: it is of the authority that it asks for.
        std::fs::copy(dir.join("reg.crt"), certificates.join("client.cert")).unwrap();
        std::fs::copy(dir.join("reg.key"), certificates.join("client.key")).unwrap();
        there_and_back(&host, &flags, |_| ());
    });
    server.kill().unwrap();
    server.wait().unwrap();
    result.unwrap();
}

/// What the registry has not: said once, with the name; what does not speak TLS: said with the flag that helps.
#[test]
fn what_is_not_there() {
    let registry = Registry::start(Kind::Plain);
    let name = format!("{}/gadgets/none:v1", registry.host);
    let (code, error) = Gadgetry::new().fails(&["image", "pull", &name, "--insecure-registries", &registry.host]);
    assert_eq!((code, error), (1, format!("Error: cannot fetch image {name}: registry {} does not have it\n", registry.host)));
    let (_, error) = Gadgetry::new().fails(&["image", "pull", &name]);
    assert!(error.contains(&format!("--insecure-registries {}", registry.host)), "{error}");
}

/// A push of what the store has not: nothing is printed but an error, with what may have been meant, or how a built-in one gets there.
#[test]
fn pushed_out_of_nowhere() {
    let program = Gadgetry::new();
    seed(&program.store(), "trace_open", "127.0.0.1:9/gadgets/trace_open:v1");
    let fails = |name: &str| {
        let output = program.run(&["image", "push", name, "--insecure-registries", "127.0.0.1:9"]);
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(1), String::new()));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        fails("127.0.0.1:9/gadgets/trace_opne:v1"),
        "Error: the store has no image \"127.0.0.1:9/gadgets/trace_opne:v1\", did you mean \"127.0.0.1:9/gadgets/trace_open:v1\"?\n"
    );
    let error = fails("trace_open");
    let said = ["built into this program", "gadgetry image tag trace_open REGISTRY/NAME:TAG"];
    assert!(said.iter().all(|words| error.contains(words)), "{error}");
    assert!(!fails("trace_open:v7").contains("built into"), "another tag is not built in");
}

/// A pull of what is built in, too: a note says which one is run, before a registry (here a proxy that is silent) is asked.
#[test]
fn pulled_though_built_in() {
    for (name, noted) in [("trace_open", true), ("trace_open:v7", false)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let program = Gadgetry::new();
        let mut command = program.command(&["image", "pull", name]);
        for variable in ["NO_PROXY", "no_proxy"] {
            command.env_remove(variable);
        }
        for variable in ["HTTPS_PROXY", "https_proxy"] {
            command.env(variable, format!("http://{}", listener.local_addr().unwrap()));
        }
        let child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
        let _silent = listener.accept().unwrap();
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
        let error = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert_eq!(error.contains("built into this program: `run` uses that one unless told `--pull always`"), noted, "{error}");
    }
}

/// Pushed by us, fetched by oras: the same index and the same blobs. Moved on by oras and by skopeo to another registry and pulled by us:
/// what they left there, byte for byte.
#[test]
fn moved_by_others() {
    let Some(oras) = tool("moved_by_others", "image-tools/usr/bin/oras") else { return };
    let (first, second) = (Registry::start(Kind::Plain), Registry::start(Kind::Plain));
    let (from, folder) = (Gadgetry::new(), tempfile::tempdir().unwrap());
    let name = format!("{}/gadgets/trace_open:v1", first.host);
    let digest = seed(&from.store(), "trace_open", &name);
    from.ok(&["image", "push", &name, "--insecure-registries", &first.host]);

    let out = folder.path().join("oras");
    let target = format!("{}:v1", out.display());
    foreign(Command::new(&oras).args(["cp", "--from-plain-http", "--to-oci-layout", &name, &target]));
    assert_eq!(blobs(&out), blobs(&layout("trace_open")));
    assert_eq!(Files::Folder(out).roots().unwrap().remove(0).digest().to_string(), digest);
    let insecure = ["--insecure-registries", &second.host];
    let skopeo = ["--insecure-policy", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let moved = [format!("{}/by/oras:v1", second.host), format!("{}/by/skopeo:v1", second.host)];
    foreign(Command::new(&oras).args(["cp", "--from-plain-http", "--to-plain-http", &name, &moved[0]]));
    foreign(Command::new("skopeo").args(skopeo).args([format!("docker://{name}"), format!("docker://{}", moved[1])]));
    for (name, same) in moved.iter().zip([true, false]) {
        let (to, raw) = (
            Gadgetry::new(),
            foreign(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false"]).arg(format!("docker://{name}"))),
        );
        let theirs = gadgetry::image::pack::digest_of(raw.as_bytes());
        assert!(to.ok(&[&["image", "pull", name][..], &insecure].concat()).contains(&theirs));
        // This skopeo writes indexes anew without the type of the artifact; the rest stays as it is.
        assert_eq!(theirs == digest, same);
        let rest = |store: &Path, index: &str| blobs(store).into_iter().filter(|name| !index.ends_with(name)).collect::<Vec<_>>();
        assert_eq!(rest(&to.store(), &theirs), rest(&layout("trace_open"), &digest));
    }
}

/// Signatures go along: cosign's tag and, without a referrers API, the list of referrers, which others find too.
#[test]
fn signatures_go_along() {
    let Some(cosign2) = tool("signatures_go_along", "image-tools/usr/bin/cosign") else { return };
    let Some(newer) = tool("signatures_go_along", "newer-image-tools/usr/bin/cosign") else { return };
    let (first, second) = (Registry::start(Kind::Plain), Registry::start(Kind::Plain));
    let (one, other, folder) = (Gadgetry::new(), Gadgetry::new(), tempfile::tempdir().unwrap());
    let name = |host: &str| format!("{host}/gadgets/trace_open:v1");
    let digest = seed(&one.store(), "trace_open", &name(&first.host));
    one.ok(&["image", "push", &name(&first.host), "--insecure-registries", &first.host]);
    let cosign = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path()).env("COSIGN_PASSWORD", "").env("HOME", folder.path());
        foreign(&mut command)
    };
    cosign(&cosign2, &["generate-key-pair"]);
    let by_digest = |host: &str| format!("{host}/gadgets/trace_open@{digest}");
    let sign = ["sign", "--yes", "--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry"];
    cosign(&cosign2, &[&sign[..], &[&by_digest(&first.host)]].concat());
    cosign(&newer, &[&sign[..], &["--use-signing-config=false", &by_digest(&first.host)]].concat());

    other.ok(&["image", "pull", &name(&first.host), "--insecure-registries", &first.host]);
    let store = Store::at(other.store());
    let hex = digest.strip_prefix("sha256:").unwrap();
    assert!(store.named(&format!("{}/gadgets/trace_open:sha256-{hex}.sig", first.host)).unwrap().is_some());
    assert_eq!(store.referrers(&digest).unwrap().len(), 1);

    // Another repository: the names move along, then all is pushed there and verified by their makers.
    store.tag(&name(&first.host), &name(&second.host)).unwrap();
    let signature = |host: &str| format!("{host}/gadgets/trace_open:sha256-{hex}.sig");
    store.tag(&signature(&first.host), &signature(&second.host)).unwrap();
    other.ok(&["image", "push", &name(&second.host), "--insecure-registries", &second.host]);
    let verify = ["verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry"];
    cosign(&cosign2, &[&verify[..], &[&by_digest(&second.host)]].concat());
    cosign(&newer, &[&verify[..], &[&by_digest(&second.host)]].concat());
    let listed = foreign(
        Command::new("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false"])
            .arg(format!("docker://{}/gadgets/trace_open:sha256-{hex}", second.host)),
    );
    assert!(listed.contains("sigstore") && !listed.contains("io.gadgetry"), "{listed}");
}

/// SIGTERM in the middle of a transfer: nothing is left in the store.
#[test]
fn a_signal_leaves_nothing_behind() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let program = Gadgetry::new();
    let mut command = program.command(&["image", "pull", &format!("{host}/a/b:c"), "--insecure-registries", &host]);
    let child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let _silent = listener.accept().unwrap();
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "Error: terminated\n");
    let left = std::fs::read_dir(program.store().join("ingest")).map_or(0, |entries| entries.count());
    assert_eq!((left, blobs(&program.store())), (0, Vec::new()));
}
