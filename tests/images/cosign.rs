//! Signatures: those of the real cosign, 2 and 3, verified here; those made here verified by the real cosign; and those that openssl makes as
//! the format says.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Gadgetry, Kind, Registry, foreign, layout, tool};

const TWO: &str = "image-tools/usr/bin/cosign";
const THREE: &str = "newer-image-tools/usr/bin/cosign";
const ORAS: &str = "image-tools/usr/bin/oras";
/// Where nobody answers: a check that fails asks the registry for more signatures.
const NAME: &str = "127.0.0.1:9/team/trace_open:1";

/// A folder to work in, a registry, and the tools.
struct Bench {
    folder: tempfile::TempDir,
    registry: Registry,
    two: PathBuf,
    three: PathBuf,
    oras: PathBuf,
}

impl Bench {
    fn new(test: &str) -> Option<Self> {
        let (two, three, oras) = (tool(test, TWO)?, tool(test, THREE)?, tool(test, ORAS)?);
        Some(Bench { folder: tempfile::tempdir().unwrap(), registry: Registry::start(Kind::Plain), two, three, oras })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder, with no password and no home of anybody's.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).env("HOME", self.folder.path()).env("COSIGN_PASSWORD", "");
        command
    }

    /// Pushes what a layout has under a digest.
    fn push(&self, from: &Path, digest: &str, to: &str) {
        let from = format!("{}@{digest}", from.display());
        let to = format!("{}/{to}", self.registry.host);
        foreign(&mut self.command(&self.oras, &["cp", "-r", "--from-oci-layout", &from, "--to-plain-http", &to]));
    }

    /// Fetches an image with all that refers to it, and cosign's tag if there is one.
    fn fetch(&self, repository: &str, digest: &str, tagged: bool) -> PathBuf {
        let to = self.at(&format!("{repository}-layout"));
        let copy = |tag: &str, recursive: &[&str]| {
            let from = format!("{}/{repository}:{tag}", self.registry.host);
            let to = format!("{}:{tag}", to.display());
            let mut command = self.command(&self.oras, &["cp", "--from-plain-http", &from, "--to-oci-layout", &to]);
            foreign(command.args(recursive));
        };
        copy("1", &["-r"]);
        if tagged {
            copy(&format!("{}.sig", digest.replace(':', "-")), &[]);
        }
        to
    }

    fn sign_with(&self, program: &Path, key: &str, repository: &str, digest: &str, more: &[&str]) {
        let image = format!("{}/{repository}@{digest}", self.registry.host);
        let mut command = self.command(program, &["sign", "--yes", "--key", key, "--tlog-upload=false", "--allow-http-registry"]);
        foreign(command.args(more).arg(image).env("COSIGN_EXPERIMENTAL", "1"));
    }

    fn cosign_verifies(&self, program: &Path, key: &str, repository: &str, digest: &str) -> bool {
        let image = format!("{}/{repository}@{digest}", self.registry.host);
        let arguments = ["verify", "--key", key, "--insecure-ignore-tlog=true", "--allow-http-registry", &image];
        self.command(program, &arguments).output().unwrap().status.success()
    }
}

/// The digest of the only image of a layout.
fn digest_of(folder: &Path) -> String {
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

fn verify(gadgetry: &Gadgetry, key: &Path, image: &str) -> Result<String, String> {
    let output = gadgetry.run(&["image", "verify", "--public-keys", &format!("@{}", key.display()), image]);
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    match output.status.code() {
        Some(0) => {
            assert_eq!(out, format!("Verifying image: {image}\nImage verified successfully!\n"));
            Ok(error)
        }
        code => {
            assert_eq!((code, out.as_str()), (Some(1), format!("Verifying image: {image}\n").as_str()), "{error}");
            Err(error)
        }
    }
}

/// What cosign 2 signs (by tag and as a referrer) and cosign 3 (as a bundle) is verified with the key, and refused with another and for another
/// image.
#[test]
fn real_signatures_are_verified() {
    let Some(bench) = Bench::new("real_signatures_are_verified") else { return };
    let source = layout("trace_open");
    let digest = digest_of(&source);
    let gadgetry = Gadgetry::new();
    for prefix in ["mine", "other"] {
        foreign(&mut bench.command(&bench.two, &["generate-key-pair", "--output-key-prefix", prefix]));
    }
    let three = ["--use-signing-config=false"];
    let forms: [(&str, &Path, &[&str], bool, &str); 3] = [
        ("tag", &bench.two, &[], true, "cosign signature (tag)"),
        ("referrer", &bench.two, &["--registry-referrers-mode=oci-1-1"], false, "cosign signature (referrer)"),
        ("bundle", &bench.three, &three, false, "sigstore bundle"),
    ];
    for (form, program, more, tagged, called) in forms {
        bench.push(&source, &digest, &format!("{form}:1"));
        bench.sign_with(program, "mine.key", form, &digest, more);
        let fetched = bench.fetch(form, &digest, tagged);
        let image = format!("{}:1", fetched.display());
        let by = verify(&gadgetry, &bench.at("mine.pub"), &image).unwrap();
        assert!(by.starts_with("Signed by cosign key sha256:"), "{form}: {by}");
        let error = verify(&gadgetry, &bench.at("other.pub"), &image).unwrap_err();
        assert!(error.starts_with("Error: ") && error.contains(called) && error.contains("has not signed it as it is"), "{form}: {error}");
        // In a tar, too.
        let tar = bench.at(&format!("{form}.tar"));
        foreign(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&fetched).arg("."));
        verify(&gadgetry, &bench.at("mine.pub"), &format!("{}:1", tar.display())).unwrap();
    }
}

/// A store with an embedded gadget under another name, as if it had been pulled.
fn stored(gadgetry: &Gadgetry) -> String {
    let source = layout("trace_open");
    foreign(Command::new("cp").arg("-r").arg(&source).arg(gadgetry.store()));
    let index = std::fs::read_to_string(source.join("index.json")).unwrap();
    let renamed = index.replace("ghcr.io/inspektor-gadget/gadget/trace_open:latest", NAME);
    assert_ne!(renamed, index);
    std::fs::write(gadgetry.store().join("index.json"), renamed).unwrap();
    digest_of(&source)
}

/// What is signed here is verified here and, once it has been pushed, by cosign 2 and 3; a bundle by cosign 3.
#[test]
fn our_signatures_are_verified_by_cosign() {
    let Some(bench) = Bench::new("our_signatures_are_verified_by_cosign") else { return };
    foreign(&mut bench.command(&bench.two, &["generate-key-pair"]));
    foreign(&mut bench.command(&bench.two, &["generate-key-pair", "--output-key-prefix", "other"]));
    for (form, programs) in [("tag", vec![&bench.two, &bench.three]), ("bundle", vec![&bench.three])] {
        let gadgetry = Gadgetry::new();
        let digest = stored(&gadgetry);
        let key = bench.at("cosign.key");
        let mut command = gadgetry.command(&["image", "sign", NAME, "--form", form, "--key", key.to_str().unwrap()]);
        let said = foreign(command.env("COSIGN_PASSWORD", ""));
        assert_eq!(said, format!("Successfully signed {NAME}@{digest}\n"));
        verify(&gadgetry, &bench.at("cosign.pub"), NAME).unwrap();
        let error = verify(&gadgetry, &bench.at("other.pub"), NAME).unwrap_err();
        assert!(error.contains("has not signed it as it is") && error.contains("asking the registry for signatures"), "{error}");
        bench.push(&gadgetry.store(), &digest, &format!("{form}:1"));
        if form == "tag" {
            let index: Value = serde_json::from_slice(&std::fs::read(gadgetry.store().join("index.json")).unwrap()).unwrap();
            let tag = format!("{}.sig", digest.replace(':', "-"));
            let is_signature = |root: &&Value| root["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().ends_with(&tag);
            let signature = index["manifests"].as_array().unwrap().iter().find(is_signature).unwrap();
            bench.push(&gadgetry.store(), signature["digest"].as_str().unwrap(), &format!("{form}:{tag}"));
        }
        for program in programs {
            assert!(bench.cosign_verifies(program, "cosign.pub", form, &digest), "{form} {}", program.display());
            assert!(!bench.cosign_verifies(program, "other.pub", form, &digest), "{form} {}", program.display());
        }
    }
}

/// A key pair made here is one that cosign signs and verifies with; its private file is for its owner alone, and no file is overwritten.
#[test]
fn our_keys_are_cosigns() {
    let Some(bench) = Bench::new("our_keys_are_cosigns") else { return };
    let source = layout("trace_open");
    let (gadgetry, digest) = (Gadgetry::new(), digest_of(&source));
    let generate = || {
        let mut command = gadgetry.command(&["image", "sign", "--generate-key-pair", "--output-key-prefix", "ours"]);
        command.current_dir(bench.folder.path()).env("COSIGN_PASSWORD", "").output().unwrap()
    };
    let made = generate();
    assert_eq!(String::from_utf8_lossy(&made.stdout), "Private key written to ours.key\nPublic key written to ours.pub\n");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&bench.at("ours.key").metadata().unwrap().permissions()) & 0o777, 0o600);
    let before = std::fs::read(bench.at("ours.key")).unwrap();
    let again = generate();
    assert!(String::from_utf8_lossy(&again.stderr).contains("ours.key exists already"), "{again:?}");
    assert_eq!(std::fs::read(bench.at("ours.key")).unwrap(), before);
    bench.push(&source, &digest, "ours:1");
    bench.sign_with(&bench.two, "ours.key", "ours", &digest, &[]);
    assert!(bench.cosign_verifies(&bench.three, "ours.pub", "ours", &digest));
    verify(&gadgetry, &bench.at("ours.pub"), &format!("{}:1", bench.fetch("ours", &digest, true).display())).unwrap();
}

/// Puts a signature under cosign's tag into a layout by hand.
fn put_signature(folder: &Path, digest: &str, payload: &[u8], signature: &[u8]) {
    let put = |bytes: &[u8]| {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(folder.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({"size": bytes.len(), "digest": format!("sha256:{hex}")})
    };
    let mut layer = put(payload);
    layer["mediaType"] = json!("application/vnd.dev.cosign.simplesigning.v1+json");
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": STANDARD.encode(signature)});
    let mut config = put(b"{}");
    config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let mut root = put(json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}).to_string().as_bytes());
    root["mediaType"] = json!(kind);
    root["annotations"] = json!({"org.opencontainers.image.ref.name": format!("{}.sig", digest.replace(':', "-"))});
    let path = folder.join("index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    index["manifests"].as_array_mut().unwrap().push(root);
    std::fs::write(path, index.to_string()).unwrap();
}

fn openssl(folder: &Path, arguments: &str) {
    foreign(Command::new("openssl").args(arguments.split(' ')).current_dir(folder));
}

/// Signatures by openssl with every kind of key are verified, and refused once a byte of the payload differs.
#[test]
fn openssls_signatures_are_verified() {
    let gadgetry = Gadgetry::new();
    let work = tempfile::tempdir().unwrap();
    let folder = work.path();
    let (plain, pss) = ("dgst -sha256 -sign key -out signature payload", " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest");
    let (dgst384, padded) =
        ("dgst -sha384 -sign key -out signature payload", format!("dgst -sha256{pss} -sign key -out signature payload"));
    for (make, sign) in [
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key", plain),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key", plain),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key", dgst384),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key", plain),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key", &padded),
        ("genpkey -algorithm ED25519 -out key", "pkeyutl -sign -rawin -inkey key -in payload -out signature"),
    ] {
        for name in ["good", "bad"] {
            let _ = std::fs::remove_dir_all(folder.join(name));
            foreign(Command::new("cp").arg("-r").arg(layout("trace_open")).arg(folder.join(name)));
        }
        let digest = digest_of(&folder.join("good"));
        let payload = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"x"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
        );
        std::fs::write(folder.join("payload"), &payload).unwrap();
        openssl(folder, make);
        openssl(folder, "pkey -in key -pubout -out key.pub");
        openssl(folder, sign);
        let signature = std::fs::read(folder.join("signature")).unwrap();
        put_signature(&folder.join("good"), &digest, payload.as_bytes(), &signature);
        put_signature(&folder.join("bad"), &digest, payload.replace("null", "{}").as_bytes(), &signature);
        let image = |name: &str| folder.join(name).display().to_string();
        verify(&gadgetry, &folder.join("key.pub"), &image("good")).unwrap_or_else(|error| panic!("{make}, {sign}: {error}"));
        let error = verify(&gadgetry, &folder.join("key.pub"), &image("bad")).unwrap_err();
        assert!(error.contains("has not signed it as it is"), "{make}: {error}");
        // The default key is the project's, which has signed neither.
        assert!(gadgetry.fails(&["image", "verify", &image("good")]).1.contains("has not signed it as it is"));
    }
}

/// Private keys as openssl writes them sign: PKCS#8 (ECDSA, RSA, Ed25519) and SEC 1; what cannot be signed with is refused.
#[test]
fn openssls_keys_sign() {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path();
    let key = folder.join("key");
    for make in [
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key",
        "ecparam -name prime256v1 -genkey -noout -out key",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key",
        "genpkey -algorithm ED25519 -out key",
    ] {
        let gadgetry = Gadgetry::new();
        stored(&gadgetry);
        openssl(folder, make);
        openssl(folder, "pkey -in key -pubout -out key.pub");
        gadgetry.ok(&["image", "sign", "--key", key.to_str().unwrap(), NAME]);
        verify(&gadgetry, &folder.join("key.pub"), NAME).unwrap_or_else(|error| panic!("{make}: {error}"));
    }
    let gadgetry = Gadgetry::new();
    stored(&gadgetry);
    openssl(folder, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key");
    let (code, error) = gadgetry.fails(&["image", "sign", "--key", key.to_str().unwrap(), NAME]);
    assert!(code == 1 && error.starts_with("Error: the private key cannot be used: it is neither an ECDSA key on P-256"), "{error}");
}

/// A password comes from standard input or the environment, a wrong one is told from none, and neither shows up in what is said.
#[test]
fn passwords() {
    let gadgetry = Gadgetry::new();
    stored(&gadgetry);
    let work = tempfile::tempdir().unwrap();
    let prefix = work.path().join("k").display().to_string();
    let with = |arguments: &[&str], variable: Option<&str>, input: &str| {
        use std::io::Write;
        let mut command = gadgetry.command(arguments);
        command.env_remove("COSIGN_PASSWORD").envs(variable.map(|value| ("COSIGN_PASSWORD", value)));
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read has closed its end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    };
    let made = with(&["image", "sign", "--generate-key-pair", "--output-key-prefix", &prefix, "--password-stdin"], None, "s3cret\n");
    assert_eq!(made.0, Some(0), "{}", made.1);
    let key = format!("{prefix}.key");
    let sign = ["image", "sign", "--key", &key, NAME];
    for (variable, code, text) in [
        (Some("s3cret"), Some(0), "Successfully signed "),
        (Some("wr0ng"), Some(1), "the password does not open it"),
        (None, Some(1), "set COSIGN_PASSWORD or use --password-stdin"),
    ] {
        let (found, said) = with(&sign, variable, "");
        assert!(found == code && said.contains(text) && !said.contains("s3cret") && !said.contains("wr0ng"), "{said}");
    }
    let (code, said) = with(&["image", "sign", "--key", &key, NAME, "--password-stdin"], Some("wr0ng"), "s3cret\n");
    assert!(code == Some(0), "{said}");
}

/// What is not in the store is neither signed nor verified, and an embedded gadget is told from an unknown one.
#[test]
fn what_is_not_stored_is_said() {
    let gadgetry = Gadgetry::new();
    let work = tempfile::tempdir().unwrap();
    openssl(work.path(), "genpkey -algorithm ED25519 -out key");
    let key = work.path().join("key").display().to_string();
    for arguments in [vec!["image", "sign", "--key", &key, "trace_open"], vec!["image", "verify", "trace_open"]] {
        let (code, error) = gadgetry.fails(&arguments);
        assert!(code == 1 && error.contains("trace_open:latest is built into this program and has no signature of its own"), "{error}");
    }
    for arguments in [vec!["image", "sign", "--key", &key, "myorg/none"], vec!["image", "verify", "myorg/none"]] {
        let (code, error) = gadgetry.fails(&arguments);
        assert!(code == 1 && error.contains("no gadget image \"ghcr.io/myorg/none:latest\" found"), "{error}");
    }
    let (code, error) = gadgetry.fails(&["image", "verify", "--public-keys", "nonsense", "trace_open"]);
    assert!(code == 1 && error.contains("a public key cannot be used: it is not PEM"), "{error}");
}

/// An image is signed and verified by the beginning of its digest, too, under the name it has; where it has none, or several, that is said.
#[test]
fn digests_are_taken() {
    let gadgetry = Gadgetry::new();
    let digest = stored(&gadgetry);
    let work = tempfile::tempdir().unwrap();
    openssl(work.path(), "genpkey -algorithm ED25519 -out key");
    openssl(work.path(), "pkey -in key -pubout -out key.pub");
    let key = work.path().join("key").display().to_string();
    let sign = |image: &str| ["image", "sign", "--key", &key, image].map(str::to_owned);
    let ok = |image: &str| gadgetry.ok(&sign(image).each_ref().map(String::as_str));
    let fails = |image: &str| gadgetry.fails(&sign(image).each_ref().map(String::as_str)).1;
    assert_eq!(ok(&digest[..19]), format!("Successfully signed {NAME}@{digest}\n"));
    for image in [NAME, &digest, &digest[..19]] {
        verify(&gadgetry, &work.path().join("key.pub"), image).unwrap_or_else(|error| panic!("{image}: {error}"));
    }
    assert!(fails("sha256:0000").contains("the store has no image"), "{}", fails("sha256:0000"));
    assert!(verify(&gadgetry, &work.path().join("key.pub"), "sha256:0000").unwrap_err().contains("sha256:0000"));
    gadgetry.ok(&["image", "tag", NAME, "quay.io/other/repository:1"]);
    assert!(fails(&digest[..19]).contains("means several images: 127.0.0.1:9/team/trace_open:1"), "{}", fails(&digest[..19]));
}

/// Credentials for asking the registry are those of the data directory, not those of the folder somebody is in.
#[test]
fn verifying_reads_the_data_directorys_credentials() {
    let gadgetry = Gadgetry::new();
    stored(&gadgetry);
    let elsewhere = tempfile::tempdir().unwrap();
    let said = || {
        let mut command = gadgetry.command(&["image", "verify", NAME]);
        String::from_utf8(command.current_dir(elsewhere.path()).output().unwrap().stderr).unwrap()
    };
    std::fs::write(elsewhere.path().join("config.json"), "broken").unwrap();
    assert!(!said().contains("config.json"), "{}", said());
    std::fs::write(gadgetry.data.path().join("config.json"), "broken").unwrap();
    let place = gadgetry.data.path().join("config.json").display().to_string();
    assert!(said().contains(&place), "{}", said());
}
