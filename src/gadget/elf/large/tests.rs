//! An ELF file made by hand, and its section found.

use super::*;

/// An ELF file of no particular machine with one section besides the names.
pub(in crate::gadget) fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut file = vec![0u8; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let strings = format!("\0names\0{name}\0");
    let places = [(0, 0, 0), (1, 64, strings.len()), (7, 64 + strings.len(), content.len())];
    file.extend_from_slice(strings.as_bytes());
    file.extend_from_slice(content);
    let table = file.len() as u64;
    for (name, at, len) in places {
        let mut header = [0u8; 64];
        header[..4].copy_from_slice(&u32::to_le_bytes(name));
        header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(len as u64).to_le_bytes());
        file.extend_from_slice(&header);
    }
    file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    file[0x3c..0x40].copy_from_slice(&[3, 0, 1, 0]);
    file
}

/// A section is found in a file of any machine; other files have none, cut ones do no harm.
#[test]
fn finds_sections_of_large_files() {
    let file = with_section(".BTF", b"content");
    let (at, len) = find_section(&mut std::io::Cursor::new(&file), ".BTF").unwrap().unwrap();
    assert_eq!(&file[at as usize..][..len as usize], b"content");
    assert_eq!(find_section(&mut std::io::Cursor::new(&file), ".BT").unwrap(), None);
    for len in 0..file.len() {
        let _ = find_section(&mut std::io::Cursor::new(&file[..len]), ".BTF");
    }
}
