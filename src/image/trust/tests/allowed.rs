//! The allowed gadgets.

use super::super::{Allowance, Policy};
use super::reference;
use crate::image::images::Settings;
use crate::image::reference::Names;

const D1: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const D2: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

fn policy(entries: &[&str]) -> Policy {
    Policy { allowed: entries.iter().map(|entry| (*entry).to_owned()).collect(), ..Policy::default() }
}

fn allows(entry: &str, image: &str, digest: Option<&str>) -> bool {
    policy(&[entry]).allow(&reference(image), digest).is_ok()
}

/// Names are completed on both sides, so that short and full ones mean the same.
#[test]
fn names_are_completed() {
    let full = "ghcr.io/inspektor-gadget/gadget/trace_open:latest";
    for entry in ["trace_open", "trace_open:latest", "ghcr.io/trace_open", full, " trace_open ", "inspektor-gadget/gadget/trace_open"] {
        assert!(allows(entry, full, None) && allows(entry, "trace_open", Some(D1)), "{entry}");
    }
    for entry in ["trace_open:v1", "trace_exec", "myorg/trace_open", "docker.io/inspektor-gadget/gadget/trace_open", "trace_ope", "Trace!"]
    {
        assert!(!allows(entry, full, None), "{entry}");
    }
}

/// Rules are completed as the configuration says, like the names of images.
#[test]
fn names_are_completed_as_configured() {
    let allows = |folder: Option<&str>, entry: &str, image: &str| {
        let names = Names::new(Some("reg.corp:5000"), folder).unwrap();
        let settings = Settings { names: names.clone(), allowed: vec![entry.to_owned()], ..Settings::default() };
        settings.policy().unwrap().allow(&names.parse(image).unwrap(), None).is_ok()
    };
    for entry in ["trace_open", "trace_*", "trace_open:latest", "reg.corp:5000/trace_open", "reg.corp:5000/*"] {
        for image in ["trace_open", "reg.corp:5000/trace_open:latest"] {
            assert!(allows(None, entry, image), "{entry} {image}");
        }
        for image in ["ghcr.io/inspektor-gadget/gadget/trace_open:latest", "ghcr.io/trace_open", "team/trace_exec", "localhost/trace_open"]
        {
            assert!(!allows(None, entry, image) || (entry, image) == ("reg.corp:5000/*", "team/trace_exec"), "{entry} {image}");
        }
    }
    assert!(allows(Some("team"), "trace_*", "reg.corp:5000/team/trace_open:v1") && !allows(Some("team"), "trace_*", "other/trace_open"));
    assert!(allows(Some("team"), "other/*", "reg.corp:5000/other/trace_open") && !allows(Some("team"), "other/*", "trace_open"));
    assert!(allows(None, "ghcr.io/*", "ghcr.io/inspektor-gadget/gadget/trace_open"));
}

/// A registry that full names could not begin with is refused, as its images could neither be named nor allowed.
#[test]
fn a_registry_is_known_again_in_full_names() {
    for domain in ["registry", "reg-corp", "ghcr"] {
        let error = Names::new(Some(domain), None).unwrap_err().to_string();
        assert!(error.contains("needs a dot, a port or to be localhost"), "{domain}: {error}");
    }
    for domain in ["localhost", "registry:5000", "reg.corp", "127.0.0.1:5000", "ghcr.io"] {
        for folder in [None, Some("team/gadgets")] {
            let names = Names::new(Some(domain), folder).unwrap();
            let full = names.parse("trace_open").unwrap();
            assert_eq!((names.parse(&full.to_string()).unwrap(), full.domain.as_str()), (full.clone(), domain));
        }
    }
}

/// Without rules, everything may run; blank ones are none.
#[test]
fn no_rules_allow_everything() {
    for entries in [&[][..], &[""], &["  ", ""]] {
        let policy = policy(entries);
        assert!(policy.allow(&reference("trace_open"), None).is_ok() && policy.allow_path(std::path::Path::new("/tmp")).is_ok());
    }
    assert!(policy(&["", "trace_exec", " "]).allow(&reference("trace_open"), None).is_err());
}

/// A prefix ends where it says: neither a neighbour's folder nor somebody's registry is let in.
#[test]
fn prefixes_are_not_fooled() {
    for (entry, image) in [
        ("*", "evil.example/x"),
        ("trace_*", "trace_open:v1"),
        ("trace_open:v0.4*", "trace_open:v0.44.0"),
        ("ghcr.io/inspektor-gadget/*", "trace_open"),
        ("inspektor-gadget/*", "trace_open"),
        ("localhost:5000/*", "localhost:5000/a/b:1"),
        ("ghcr.io/foo*", "ghcr.io/foobar/x"),
        ("ghcr.io/*", "ghcr.io/foobar/x"),
    ] {
        assert!(allows(entry, image, None), "{entry} {image}");
    }
    for (entry, image) in [
        ("ghcr.io/inspektor-gadget/*", "ghcr.io/inspektor-gadget-evil/x"),
        ("trace_*", "myorg/trace_open"),
        ("top*", "top.evil.example/x"),
        ("g*", "ghcr.io/evil/x"),
        ("trace_*", "evil.example/trace_open"),
        ("localhost:5000/*", "localhost:50001/a"),
        ("ghcr.io/foo*", "foo"),
        ("/*", "trace_open"),
        // Nobody has checked the tag beside a digest.
        ("trace_open:v1*", &format!("trace_open:v1@{D2}")),
        ("trace_open:v1", &format!("trace_open:v1@{D2}")),
    ] {
        assert!(!allows(entry, image, None), "{entry} {image}");
    }
    assert!(allows("trace_*", &format!("trace_open:v1@{D2}"), None));
}

/// Rules with a digest decide once it is known, by repository and digest, and by the tag if both have one.
#[test]
fn digests_decide() {
    let (by_digest, by_both) = (format!("trace_open@{D1}"), format!("trace_open:v1@{D1}"));
    let answers = |entry: &str, image: &str, digest| policy(&[entry]).allowance(&reference(image), digest);
    assert_eq!(answers(&by_digest, "trace_open:v1", None), Allowance::DependsOnDigest);
    assert_eq!(answers(&by_digest, "trace_open:v1", Some(D1)), Allowance::Allowed);
    assert_eq!(answers(&by_digest, "trace_open:v1", Some(D2)), Allowance::Refused);
    assert_eq!(answers(&by_digest, &by_both, None), Allowance::Allowed);
    assert_eq!(answers(&by_digest, &format!("trace_open@{D2}"), None), Allowance::Refused);
    // The reference says what will be run, whoever claims to know another digest.
    assert_eq!(answers(&by_digest, &format!("trace_open@{D2}"), Some(D1)), Allowance::Refused);
    assert_eq!(answers(&by_digest, "trace_exec", None), Allowance::Refused);
    assert_eq!(answers(&by_digest, "trace_exec", Some(D1)), Allowance::Refused);
    assert_eq!(answers(&by_both, "trace_open:v2", Some(D1)), Allowance::Refused);
    assert_eq!(answers(&by_both, "trace_open:v1", Some(D1)), Allowance::Allowed);
    assert!(policy(&[&by_digest]).asks_for_digest() && !policy(&["trace_open"]).asks_for_digest());
    assert!(!allows(&by_digest, "trace_open", None), "an unknown digest allows nothing");
    assert_eq!(policy(&[&by_digest, "trace_*"]).allowance(&reference("trace_open"), None), Allowance::Allowed);
}

/// The message names the image, its digest where that decided, and the rules.
#[test]
fn the_refusal_names_the_rules() {
    let error = policy(&["trace_exec", " top_* "]).allow(&reference("trace_open"), Some(D1)).unwrap_err().to_string();
    assert_eq!(error, "ghcr.io/inspektor-gadget/gadget/trace_open:latest is not part of the allowed gadgets (trace_exec, top_*)");
    let error = policy(&[&format!("trace_open@{D1}")]).allow(&reference("trace_open"), Some(D2)).unwrap_err().to_string();
    assert!(error.starts_with(&format!("ghcr.io/inspektor-gadget/gadget/trace_open:latest@{D2} is not part of")), "{error}");
}

/// Places on disk are compared as they really are, links followed on both sides.
#[test]
fn places_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("good/a")).unwrap();
    std::fs::create_dir_all(root.join("goodbye/a")).unwrap();
    std::os::unix::fs::symlink(root.join("goodbye/a"), root.join("good/link")).unwrap();
    std::os::unix::fs::symlink(root.join("good"), root.join("alias")).unwrap();
    let allows = |entry: String, path: &str| policy(&[&entry]).allow_path(&root.join(path)).is_ok();
    let at = |path: &str| root.join(path).display().to_string();
    assert!(allows(at("good/*"), "good/a") && allows(at("good/a"), "good/a") && allows(at("alias/*"), "good/a"));
    assert!(allows(at("good/a"), "alias/a") && allows(at("alias/a"), "good/a") && allows("*".to_owned(), "good/a"));
    assert!(!allows(at("good/*"), "goodbye/a") && !allows(at("good/*"), "good/link") && !allows(at("good/*"), "good/../goodbye/a"));
    assert!(!allows(at("good"), "good/a") && !allows("trace_*".to_owned(), "good/a") && !allows(at("good/*"), "good/../no/such"));
}
