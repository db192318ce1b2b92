//! Tests of names, layouts and packing.

use super::*;

/// Each gadget built in opens through the layout, with metadata and an ELF object for this machine.
#[test]
fn every_embedded_gadget_opens() {
    for name in embedded_names() {
        let image = open(name).unwrap();
        assert_eq!(image.reference, format!("ghcr.io/inspektor-gadget/gadget/{name}:latest"));
        assert!(image.ebpf.unwrap().starts_with(b"\x7fELF"), "{name}");
        assert!(image.metadata.starts_with(b"name: "), "{name}");
        assert_eq!(image.version, env!("CARGO_PKG_VERSION"));
    }
    assert!(embedded_names().contains(&"trace_open"));
}
