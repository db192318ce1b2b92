//! The rows are what the columns say.

use std::time::Instant;

use super::row::Layout;
use super::{Sampler, processes::Processes, programs::Programs};
use crate::batch::Kind;
use crate::gadget::polled::{PROCESSES, PROGRAMS, layout};

fn column<'a>(columns: &[crate::gadget::polled::Column], row: &'a [u8], name: &str) -> &'a [u8] {
    let index = columns.iter().position(|c| c.name == name).unwrap();
    let start = layout(columns).0[index] as usize;
    &row[start..start + columns[index].size as usize]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap()).into_owned()
}

/// This process is among them, its CPU usage that of the time between the looks.
#[test]
fn processes_are_compared_with_the_last_look() {
    let mut sampler = Processes::new(Instant::now());
    sampler.sample(Instant::now(), &mut Vec::new()).unwrap();
    let busy = Instant::now();
    while busy.elapsed().as_millis() < 300 {
        std::hint::black_box(0u64);
    }
    let mut rows = Vec::new();
    sampler.sample(Instant::now(), &mut rows).unwrap();
    let own = rows.chunks(layout(PROCESSES).1 as usize).find(|row| column(PROCESSES, row, "pid") == std::process::id().to_le_bytes());
    let own = own.expect("this process");
    let usage = f64::from_le_bytes(column(PROCESSES, own, "cpuUsage").try_into().unwrap());
    assert!(usage > 20.0, "{usage}");
    assert!(["R", "S"].contains(&text(column(PROCESSES, own, "state")).as_str()));
    assert_eq!(text(column(PROCESSES, own, "startTimeStr")).as_bytes()[10], b'T');
    assert!(u64::from_le_bytes(column(PROCESSES, own, "mountnsid").try_into().unwrap()) > 0);
}

#[test]
fn programs_are_listed_with_their_maps() {
    let mut sampler = Programs::new(Instant::now(), false);
    let mut rows = Vec::new();
    match sampler.sample(Instant::now(), &mut rows) {
        Ok(()) => assert_eq!(rows.len() % layout(PROGRAMS).1 as usize, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
}

/// Columns do not overlap, and text that is too long is cut.
#[test]
fn columns_lie_behind_each_other() {
    for columns in [PROCESSES, PROGRAMS] {
        let (starts, size) = layout(columns);
        let ends: Vec<u32> = starts.iter().zip(columns).map(|(start, column)| start + column.size).collect();
        assert!(starts.iter().skip(1).zip(&ends).all(|(start, end)| start >= end));
        assert!(ends.last().unwrap() <= &size);
        assert!(starts.iter().zip(columns).all(|(start, c)| c.kind == Kind::Text || start % c.size == 0));
    }
    let mut rows = Vec::new();
    Layout::new(PROGRAMS).append(&mut rows).text("nodeName", &[b'x'; 200]).text("gadgetID", b"id");
    assert_eq!(text(column(PROGRAMS, &rows, "nodeName")).len(), 63);
    assert_eq!(text(column(PROGRAMS, &rows, "gadgetID")), "id");
}
