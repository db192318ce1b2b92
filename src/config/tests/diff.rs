//! What a reload does.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::component::ComponentId;

fn plan(gadgets: &[(u8, u8, Vec<u8>)], settings: &BTreeMap<u8, u8>) -> Plan {
    let base = load_text(GOOD).unwrap();
    let id = |n: &u8| format!("file/{n}").parse::<ComponentId>().unwrap();
    let gadget = |(name, pid, exporters): &(u8, u8, Vec<u8>)| GadgetPlan {
        name: format!("g{name}"),
        params: BTreeMap::from([("pid".to_owned(), pid.to_string())]),
        exporters: exporters.iter().filter(|e| settings.contains_key(e)).map(id).collect(),
        ..base.gadgets[0].clone()
    };
    let mut unique = BTreeMap::new();
    gadgets.iter().for_each(|g| drop(unique.insert(g.0, gadget(g))));
    let exporters = settings.iter().map(|(n, v)| ExporterPlan { id: id(n), settings: json!(v) }).collect();
    Plan { gadgets: unique.into_values().collect(), exporters, ..base }
}

/// Proves that a gadget is replaced when its exporter's settings change, and others are not.
#[test]
fn changed_exporter_restarts_its_gadgets() {
    let old = plan(&[(1, 0, vec![1]), (2, 0, vec![2])], &BTreeMap::from([(1, 0), (2, 0)]));
    let new = plan(&[(1, 0, vec![1]), (2, 0, vec![2])], &BTreeMap::from([(1, 5), (2, 0)]));
    let diff = diff(&old, &new);
    assert_eq!((diff.restart, diff.keep), (vec!["g1".to_owned()], vec!["g2".to_owned()]));
    assert_eq!(diff.exporters.restart[0].to_string(), "file/1");
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let gadget = (0..6_u8, 0..2_u8, proptest::collection::vec(0..4_u8, 0..3));
    (proptest::collection::vec(gadget, 0..6), proptest::collection::btree_map(0..4_u8, 0..2_u8, 0..4))
        .prop_map(|(gadgets, settings)| plan(&gadgets, &settings))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Proves that the lists cover both plans once each, that kept gadgets are equal with equal exporters, and that a plan differs not from itself.
    #[test]
    fn diff_partitions_both_plans(old in any_plan(), new in any_plan()) {
        let d = diff(&old, &new);
        let sorted = |mut names: Vec<String>| { names.sort(); names };
        let names = |plan: &Plan| sorted(plan.gadgets.iter().map(|g| g.name.clone()).collect());
        prop_assert_eq!(sorted([d.start.clone(), d.restart.clone(), d.keep.clone()].concat()), names(&new));
        prop_assert_eq!(sorted([d.stop.clone(), d.restart.clone(), d.keep.clone()].concat()), names(&old));
        for name in d.keep.iter().chain(&d.restart) {
            let of = |plan: &Plan| plan.gadgets.iter().find(|g| g.name == *name).cloned().unwrap();
            let settings = |plan: &Plan| of(plan).exporters.iter().map(|id| plan.exporters.iter().find(|e| e.id == *id).unwrap().settings.clone()).collect::<Vec<_>>();
            prop_assert_eq!(d.keep.contains(name), of(&old) == of(&new) && settings(&old) == settings(&new));
        }
        prop_assert!(diff(&old, &old).is_empty());
    }
}
