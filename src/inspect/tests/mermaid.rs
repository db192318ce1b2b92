//! As much of Mermaid's grammar as the diagrams use.

use regex::Regex;

/// Every line of a flow chart is a node, an edge, or begins or ends a group; every edge joins nodes that are there.
pub(in crate::inspect) fn check_flowchart(text: &str) {
    let label = r#""[^"\[\]<>`;]*(?:#[0-9]+;[^"\[\]<>`;]*)*""#;
    let node = Regex::new(&format!(r"^(\w+)(\[\({label}\)\]|\(\[{label}\]\)|\[{label}\])$")).unwrap();
    let group = Regex::new(&format!(r"^subgraph (\w+)\[{label}\]$")).unwrap();
    let edge = Regex::new(r#"^(\w+) -- "[A-Za-z+]+" --> (\w+)$"#).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("flowchart LR"));
    let (mut nodes, mut ends, mut open) = (std::collections::HashSet::new(), Vec::new(), false);
    for line in lines {
        if let Some(found) = node.captures(line) {
            assert!(nodes.insert(word(&found[1])), "{line:?} comes twice");
        } else if let Some(found) = group.captures(line) {
            assert!(!std::mem::replace(&mut open, true), "{line:?} is inside of a group");
            word(&found[1]);
        } else if let Some(found) = edge.captures(line) {
            ends.extend([word(&found[1]), word(&found[2])]);
        } else {
            assert_eq!(line, "end");
            assert!(std::mem::replace(&mut open, false), "an end without a group");
        }
    }
    assert!(!open && ends.iter().all(|end| nodes.contains(end)), "{text}");
}

/// Every line of a sequence diagram is a participant in a box, or a message between participants that are there.
pub(in crate::inspect) fn check_sequence(text: &str) {
    let participant = Regex::new(r#"^participant (\w+)(?: as (?:[^"\[\]<>`;#]|#[0-9]+;)+)?$"#).unwrap();
    let message = Regex::new(r"^(\w+)->>(\w+): [A-Za-z]+$").unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("sequenceDiagram"));
    let (mut known, mut open) = (std::collections::HashSet::new(), false);
    for line in lines {
        if let Some(found) = participant.captures(line) {
            assert!(open && known.insert(word(&found[1])), "{line:?}");
        } else if let Some(found) = message.captures(line) {
            assert!(!open && known.contains(&found[1]) && known.contains(&found[2]), "{line:?}");
        } else if line.starts_with("box eBPF ") {
            assert!(!std::mem::replace(&mut open, true), "{line:?} is inside of a box");
        } else {
            assert_eq!(line, "end");
            assert!(std::mem::replace(&mut open, false), "an end without a box");
        }
    }
    assert!(!open, "{text}");
}

/// A name that means nothing to Mermaid.
fn word(id: &str) -> String {
    assert!(!["end", "graph", "subgraph", "class", "style", "click", "default"].contains(&id.to_lowercase().as_str()), "{id:?}");
    assert!(!id.starts_with(|c: char| c.is_ascii_digit()), "{id:?}");
    id.to_owned()
}
