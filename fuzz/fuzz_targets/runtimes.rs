//! Any bytes as the answers and events of containerd and of runtimes that speak CRI: they end in records of bounded size, or in none.
#![no_main]

use gadgetry::container::runtime::{containerd, cri};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for record in containerd::look_at(bytes).into_iter().chain(cri::look_at(bytes)) {
        assert!(record.labels.len() <= 256 && record.annotations.len() <= 256);
        assert!(record.labels.iter().chain(&record.annotations).all(|(key, value)| key.len() + value.len() <= 4096));
        let runtime = &record.runtime;
        assert!([&runtime.container_name, &runtime.container_image_name, &record.k8s.pod_name].iter().all(|text| text.len() <= 4096));
        assert!(!runtime.container_id.is_empty() && !runtime.container_id.contains('/'));
    }
});
