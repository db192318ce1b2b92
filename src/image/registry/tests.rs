//! What the parts of the registry client do without a registry.

use super::*;

#[test]
fn transfers_can_run_on_any_thread() {
    fn sendable<T: Send>(_: T) {}
    let (registry, store) = (Registry::new(Options::default()).unwrap(), Store::at(PathBuf::from("/nowhere")));
    let reference = Reference::parse("a.test/b:c").unwrap();
    sendable(registry.pull(&reference, None, &store, &Silent));
    sendable(registry.push(&reference, &store, &Silent));
    sendable(registry.pull_signatures(&reference, "sha256:", &store));
    sendable(registry.digest(&reference));
}

#[test]
fn mirrors_come_first_and_keep_the_repository() {
    let mirrors = [("ghcr.io".to_owned(), vec!["m.test:5000/cache/".to_owned(), "n.test".to_owned()])].into();
    let options = Options { mirrors, insecure: vec!["n.test".to_owned()], ..Options::default() };
    let places = place::sources(&options, &Reference::parse("trace_open").unwrap());
    let urls: Vec<String> = places.iter().map(|place| format!("{}/{}", place.base(), place.repository)).collect();
    assert_eq!(
        urls,
        [
            "https://m.test:5000/cache/inspektor-gadget/gadget/trace_open",
            "http://n.test/inspektor-gadget/gadget/trace_open",
            "https://ghcr.io/inspektor-gadget/gadget/trace_open"
        ]
    );
}
