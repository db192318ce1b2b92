//! The section about images: where keys come from, what is wrong with them, and what a gadget's own `pull` does.

use super::*;

fn with(images: &str) -> String {
    format!("{GOOD}images: {images}\n")
}

/// Proves that without the section signatures are required, anything may be pulled, and the names are upstream's.
#[test]
fn verification_is_required_by_default() {
    assert_eq!(load_text(GOOD).unwrap().images, crate::image::Settings::default());
}

/// Proves that what is said about registries arrives where it is used.
#[test]
fn registries_are_taken_over() {
    let yaml = "{default_registry: 'localhost:5000', mirrors: {ghcr.io: ['m:5000/g']}, insecure_registries: ['localhost:5000'], authfile: /a, cert_dir: /c, disallow_pulling: true, allowed: [trace_*], verify: {enabled: false}}";
    let images = load_text(&with(yaml)).unwrap().images;
    assert_eq!(images.names.parse("mine").unwrap().to_string(), "localhost:5000/mine:latest");
    assert_eq!(images.registries.mirrors["ghcr.io"], ["m:5000/g"]);
    assert_eq!(
        (images.registries.insecure.as_slice(), images.allowed.as_slice()),
        (&["localhost:5000".to_owned()][..], &["trace_*".to_owned()][..])
    );
    assert_eq!((images.registries.authfile, images.registries.cert_dir), (Some("/a".into()), Some("/c".into())));
    assert!(images.disallow_pulling && !images.verify);
}

/// Proves that every key that cannot be used is reported at its own place.
#[test]
fn unusable_keys_are_reported_where_they_stand() {
    let yaml = format!("{GOOD}images:\n  default_registry: 'a b'\n  verify:\n    public_keys:\n      - /nonexistent.pub\n");
    let all = complaints(&yaml);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].starts_with("12:21: images.default_registry: ") && all[0].contains("malformed"), "{}", all[0]);
    assert!(all[1].starts_with("15:9: images.verify.public_keys[0]: cannot read /nonexistent.pub"), "{}", all[1]);
    let unusable = complaint(&with("{verify: {public_keys: ['-----BEGIN NONSENSE']}}"));
    assert!(unusable.contains("images.verify: ") && unusable.contains("public key"), "{unusable}");
}

/// Proves that words that are no pull policy are refused, with those that are.
#[test]
fn the_pull_policy_is_checked() {
    let text = complaint(&GOOD.replace("image: trace_exec", "image: trace_exec\n    pull: sometimes"));
    assert!(text.contains("sometimes") && text.contains("missing"), "{text}");
    assert!(load_text(&GOOD.replace("image: trace_exec", "image: trace_exec\n    pull: always")).is_ok());
}
