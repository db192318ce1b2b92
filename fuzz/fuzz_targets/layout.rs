//! Any documents as a layout. They are separated by NUL bytes, the first is `index.json`; in each, `@1@` is the digest and `#1#` the size of
//! the second document and so on, so that digests are right whatever becomes of the documents.
#![no_main]

use gadgetry::image::layout::Files;
use gadgetry::image::pack::digest_of;
use gadgetry::image::reference::Reference;
use gadgetry::image::transfer::{Naming, survey};
use gadgetry::image::trust;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut sections: Vec<String> = bytes.split(|b| *b == 0).take(12).map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    let mut files = Vec::new();
    for at in (0..sections.len()).rev() {
        let (digest, size) = (digest_of(sections[at].as_bytes()), sections[at].len().to_string());
        for other in &mut sections[..at] {
            if other.len() < 1 << 16 {
                *other = other.replace(&format!("@{at}@"), &digest).replace(&format!("#{at}#"), &size);
            }
        }
        let path = if at == 0 { "index.json".to_owned() } else { format!("blobs/{}", digest.replacen(':', "/", 1)) };
        files.push((path, sections[at].clone().into_bytes()));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let files = Files::Memory(&files);
    let Ok(roots) = files.documents() else { return };
    let Ok(name) = Reference::parse("quay.io/me/x:v1") else { return };
    for root in roots.iter().take(16) {
        let _ = files.parts(root, "fuzz", "amd64");
        let _ = trust::artifacts(&files, &roots, &name, &root.digest().to_string());
    }
    let _ = (survey(&files, &Naming::default()), Naming::by("toy:v1").map(|naming| survey(&files, &naming)));
});
