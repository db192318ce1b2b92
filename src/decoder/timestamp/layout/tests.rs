//! Layouts, compared with what Go's time package prints for them.

use super::*;

const ZONE: &[u8] = b"CEST";

/// Sunday 2024-05-05 14:07:09.012300000 in a zone two hours east of Greenwich.
fn text(layout: &str) -> String {
    render(layout, 1_714_910_829, 12_300_000, 7200, ZONE)
}

fn render(layout: &str, second: i64, nanoseconds: u64, offset: i64, zone: &[u8]) -> String {
    let mut name = [0; ZONE_NAME];
    name.iter_mut().zip(zone).for_each(|(to, from)| *to = *from);
    let moment = Moment::new(second, offset, name);
    let mut out = Vec::new();
    Custom::new(layout).0.iter().for_each(|item| moment.push(item, nanoseconds, &mut out));
    String::from_utf8(out).unwrap()
}

/// Every part of the reference time, alone.
#[test]
fn each_part_is_known() {
    for (layout, expected) in [
        ("2006", "2024"),
        ("06", "24"),
        ("_2006", "_2024"),
        ("January", "May"),
        ("Jan", "May"),
        ("01", "05"),
        ("1", "5"),
        ("Monday", "Sunday"),
        ("Mon", "Sun"),
        ("02", "05"),
        ("2", "5"),
        ("_2", " 5"),
        ("002", "126"),
        ("__2", "126"),
        ("15", "14"),
        ("03", "02"),
        ("3", "2"),
        ("04", "07"),
        ("4", "7"),
        ("05", "09"),
        ("5", "9"),
        ("PM", "PM"),
        ("pm", "pm"),
        (".000", ".012"),
        (".000000000", ".012300000"),
        (",000", ",012"),
        (".999999999", ".0123"),
        (".9", ""),
        (",99", ",01"),
        (".00000000000", ".012300000"),
        (".001", ".005"),
        (".0", ".0"),
        ("MST", "CEST"),
        ("-0700", "+0200"),
        ("-07:00", "+02:00"),
        ("-07", "+02"),
        ("-070000", "+020000"),
        ("-07:00:00", "+02:00:00"),
        ("Z0700", "+0200"),
        ("Z07:00", "+02:00"),
        ("Z07", "+02"),
        ("Z070000", "+020000"),
        ("Z07:00:00", "+02:00:00"),
    ] {
        assert_eq!(text(layout), expected, "{layout}");
    }
}

/// Whole layouts, the predefined ones of Go among them, and text that only looks like a part.
#[test]
fn layouts_are_written_as_go_writes_them() {
    for (layout, expected) in [
        ("2006-01-02T15:04:05.000000000Z07:00", "2024-05-05T14:07:09.012300000+02:00"),
        ("Mon Jan _2 15:04:05 2006", "Sun May  5 14:07:09 2024"),
        ("Mon, 02 Jan 2006 15:04:05 MST", "Sun, 05 May 2024 14:07:09 CEST"),
        ("3:04PM", "2:07PM"),
        ("02/Jan/06 at 15h04", "05/May/24 at 14h07"),
        ("Month Janus plain", "Month Janus plain"),
        ("gr\u{fc}n 15", "gr\u{fc}n 14"),
        ("", ""),
    ] {
        assert_eq!(text(layout), expected, "{layout}");
    }
}

/// Midnight, noon, UTC, zones west of Greenwich or without a name, ends of years.
#[test]
fn the_edges_of_days_years_and_zones() {
    let at = |layout, second, offset, zone: &str| render(layout, second, 0, offset, zone.as_bytes());
    assert_eq!(at("3PM 03pm", 1_704_067_200, 0, "UTC"), "12AM 12am");
    assert_eq!(at("3PM", 1_704_067_200 + 43_200, 0, "UTC"), "12PM");
    assert_eq!(at("Z07:00 Z0700 Z07 -0700 MST", 0, 0, "UTC"), "Z Z Z +0000 UTC");
    assert_eq!(at("2006-002 __2 Z07:00", 1_704_067_200, -12_600, ""), "2023-365 365 -03:30");
    assert_eq!(at("002 __2 MST", 1_704_067_200, 0, ""), "001   1 +00");
    assert_eq!(at("MST", 0, 20_700, ""), "+0545");
    assert_eq!(at("002", 1_735_603_200, 0, "UTC"), "366");
    assert_eq!(at("15:04:05.999", 0, 0, "UTC"), "00:00:00");
}

proptest::proptest! {
    /// Any layout gives some text, never a panic.
    #[test]
    fn survives_any_layout(layout: String, unix_ns: u64) {
        Custom::new(&layout).push(unix_ns, &mut Vec::new());
    }
}
