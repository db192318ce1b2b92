//! The reader and the edits, on the running kernel's BTF and on hostile bytes.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;

#[test]
fn kernel_types_parse_and_their_subset_is_accepted_by_aya() {
    let Ok(kernel) = Btf::kernel() else { return };
    let start = Instant::now();
    let subset = kernel.subset(&BTreeSet::from(["task_struct"])).unwrap();
    let took = start.elapsed();
    let bytes = subset.to_bytes();
    eprintln!("kernel {} types, subset {} types {} bytes, {took:?}", kernel.len(), subset.len(), bytes.len());
    assert!(subset.len() * 10 < kernel.len());
    let t = subset.structure("task_struct").unwrap();
    assert_eq!(subset.size(t).unwrap(), kernel.size(kernel.structure("task_struct").unwrap()).unwrap());
    aya_obj::btf::Btf::parse(&bytes, aya::Endianness::default()).unwrap();
}
