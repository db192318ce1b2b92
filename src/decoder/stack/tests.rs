//! Frames as text. Lookups in maps that programs fill are in `tests/objects`.

use super::*;

/// A map of this type and these sizes; `None` where the kernel lets nobody make maps.
fn map(kind: u32, key: u32, value: u32) -> Option<OwnedFd> {
    let mut attr: Vec<u8> = [kind, key, value, 16].into_iter().flat_map(u32::to_ne_bytes).collect();
    attr.resize(72, 0);
    bpf::call_for_fd(bpf::MAP_CREATE, &mut attr).ok()
}

fn text(decoder: &dyn Decode, raw: &[u8]) -> String {
    let mut out = Vec::new();
    decoder.decode(raw, &mut out);
    String::from_utf8(out).unwrap()
}

/// What is no map of stacks is refused before anything is read into a buffer that does not fit.
#[test]
fn other_maps_are_refused() {
    let Some(hash) = map(HASH, 4, 1016) else { return };
    let error = StackMap::addresses("ig_kstack", hash).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("map \"ig_kstack\" has type 1, keys of 4 and values of 1016 bytes"), "{error}");
    assert!(StackMap::build_ids("ig_build_id", map(HASH, 4, 64).unwrap()).is_err());
    assert!(StackMap::addresses("ig_ustack", map(STACK_TRACE, 4, 1016).unwrap()).is_ok());
    assert!(StackMap::addresses("ig_ustack", std::fs::File::open("/").unwrap().into()).is_err());
}

/// Ids without a stack, negative ids and records that are too short give no text.
#[test]
fn lost_stacks_are_empty() {
    let Some(fd) = map(STACK_TRACE, 4, 1016) else { return };
    let stacks = StackMap::addresses("ig_kstack", fd).unwrap();
    let kernel = KernelStack::new(stacks.clone(), None);
    for raw in [&3u32.to_ne_bytes()[..], &(-14i32).to_ne_bytes(), b"", b"x"] {
        assert_eq!(text(&kernel, raw), "");
    }
    let layout = Layout { inode: 8, stack_id: 16 };
    for length in 0..24 {
        assert_eq!(text(&Addresses(layout, stacks.clone()), &vec![1; length]), "");
        assert_eq!(text(&UserSymbols(layout, stacks.clone()), &vec![1; length]), "");
    }
}

/// Build ids are read from the map under the stack's id, up to the first frame without one, and only when a stack was taken.
#[test]
fn build_ids_are_hexadecimal() {
    let Some(fd) = map(HASH, 4, 4064) else { return };
    let mut value = vec![0u8; 4064];
    value[0] = 1;
    value[4..24].copy_from_slice(&[0xab; 20]);
    value[24..32].copy_from_slice(&0x1f0u64.to_ne_bytes());
    value[32] = 2;
    value[56..64].copy_from_slice(&0xffu64.to_ne_bytes());
    value[96] = 2;
    let shape = Shape { key: 4, value: 4064 };
    bpf::update(fd.as_fd(), shape, &5u32.to_ne_bytes(), &value).unwrap();
    let decoder = BuildIds(Layout { inode: 0, stack_id: 8 }, Some(StackMap::build_ids("ig_build_id", fd).unwrap()));
    let record = |inode: u64, id: u32| [&inode.to_ne_bytes()[..], &id.to_ne_bytes()].concat();
    assert_eq!(text(&decoder, &record(1, 5)), format!("{} +1f0; ff; ", "ab".repeat(20)));
    assert_eq!((text(&decoder, &record(0, 5)), text(&decoder, &record(1, 6))), (String::new(), String::new()));
    assert_eq!(text(&BuildIds(decoder.0, None), &record(1, 5)), "");
}

#[test]
fn addresses_have_sixteen_digits() {
    let mut out = Vec::new();
    push_address(0x7f12_3456, &mut out);
    assert_eq!(out, b"0x000000007f123456");
}
