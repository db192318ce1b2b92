//! Foreign bytes: lines however they are cut, objects however they are bent.

use proptest::prelude::*;
use serde_json::json;

use crate::kubernetes::answer::Splitter;
use crate::kubernetes::objects::{Event, List, Pod, Service};

fn split(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::default();
    let mut lines = Vec::new();
    for piece in pieces {
        assert!(splitter.push(piece));
        lines.extend(std::iter::from_fn(|| splitter.line()));
    }
    lines
}

/// A pod as the API server sends it, with every member that is read.
fn pod() -> serde_json::Value {
    json!({
        "metadata": {
            "name": "web", "namespace": "prod", "uid": "u1", "resourceVersion": "7", "labels": {"a": "b"}, "annotations": {"c": "d"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r1", "controller": true}],
        },
        "spec": {"hostNetwork": false, "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "selector": {"a": "b"}},
        "status": {"phase": "Running", "hostIP": "192.0.2.1", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
    })
}

/// Proves that `null` and absence are the same everywhere, as in the API's own types.
#[test]
fn null_is_nothing() {
    let all = ["metadata", "spec", "status"].iter().flat_map(|part| {
        let members: Vec<String> = pod()[part].as_object().unwrap().keys().cloned().collect();
        members.into_iter().map(move |member| (*part, member))
    });
    for (part, member) in all {
        let mut null = pod();
        null[part][&member] = serde_json::Value::Null;
        let mut absent = pod();
        absent[part].as_object_mut().unwrap().remove(&member);
        let read = |value| serde_json::from_value::<Pod>(value).unwrap();
        assert_eq!(read(null), read(absent), "{part}.{member}");
    }
    let list: List<Pod> = serde_json::from_value(json!({"items": null, "metadata": {"continue": null}})).unwrap();
    assert!(list.items.is_empty());
}

/// Proves that labels and annotations cannot take more than their share.
#[test]
fn pairs_are_bounded() {
    let mut large = pod();
    for n in 0..5000 {
        large["metadata"]["labels"][format!("label{n}")] = "v".repeat(60).into();
        large["metadata"]["annotations"][format!("annotation{n}")] = "v".repeat(n).into();
    }
    large["status"]["podIPs"] = (0..1000u32).map(|n| json!({"ip": std::net::Ipv4Addr::from(n).to_string()})).collect();
    let pod: Pod = serde_json::from_value(large).unwrap();
    let size = |pairs: &std::collections::BTreeMap<String, String>| pairs.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    assert!((60_000..=65_536).contains(&size(&pod.metadata.labels)), "{}", size(&pod.metadata.labels));
    assert!((60_000..=65_536).contains(&size(&pod.metadata.annotations)), "{}", size(&pod.metadata.annotations));
    assert!(pod.metadata.annotations.values().all(|value| value.len() <= 4096));
    assert_eq!(pod.addresses().len(), 16);
}

proptest! {
    /// Proves that lines are the same however the network cuts them.
    #[test]
    fn lines_do_not_depend_on_pieces(
        lines in proptest::collection::vec("[a-z ]{0,20}", 0..20),
        cuts in proptest::collection::vec(1usize..40, 1..60),
    ) {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
        let mut rest = text.as_slice();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = tail;
        }
        let expected: Vec<Vec<u8>> = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.clone().into_bytes()).collect();
        prop_assert_eq!(split(&pieces), expected);
    }

    /// Proves that no bytes make the splitter lose its place: what comes out has no line ends.
    #[test]
    fn any_bytes_can_be_split(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..50)) {
        prop_assert!(split(&pieces).iter().all(|line| !line.contains(&b'\n')));
    }

    /// Proves that objects with any byte changed are read or refused, and never more than is allowed comes of them.
    #[test]
    fn bent_objects_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut text = json!({"type": "ADDED", "object": pod()}).to_string().into_bytes();
        let place = at.index(text.len());
        text[place] = byte;
        for bytes in [&text[..], &text[..cut.index(text.len())]] {
            if let Ok(Event::Added(pod)) = serde_json::from_slice::<Event<Pod>>(bytes) {
                prop_assert!(pod.addresses().len() <= 16);
                let _ = (pod.local_uid(), pod.controller());
            }
            if let Ok(Event::Added(service)) = serde_json::from_slice::<Event<Service>>(bytes) {
                prop_assert!(service.addresses().len() <= 16);
            }
        }
    }
}
