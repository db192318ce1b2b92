//! Encoding of parameter values.

use super::*;

fn spec(kind: ParamKind, size: u32) -> ParamSpec {
    ParamSpec { key: "key".into(), variable: "v".into(), kind, default: String::new(), description: String::new(), tags: Vec::new(), size }
}

/// Integers keep their width and sign, and their limits are inclusive.
#[test]
fn encodes_integers_within_range() {
    assert_eq!(spec(ParamKind::Int(2), 2).encode("-2").unwrap(), [0xfe, 0xff]);
    assert_eq!(spec(ParamKind::Int(1), 1).encode("-128").unwrap(), [0x80]);
    assert_eq!(spec(ParamKind::Uint(4), 4).encode("4294967295").unwrap(), [0xff; 4]);
    assert_eq!(spec(ParamKind::Uint(8), 8).encode("18446744073709551615").unwrap(), [0xff; 8]);
    for (kind, bad) in
        [(ParamKind::Int(1), "128"), (ParamKind::Int(8), "9223372036854775808"), (ParamKind::Uint(4), "-1"), (ParamKind::Uint(2), "1.5")]
    {
        assert!(spec(kind, 8).encode(bad).is_err(), "{bad}");
    }
}

/// An error names the parameter, the value and what is allowed.
#[test]
fn errors_say_what_is_allowed() {
    let error = spec(ParamKind::Uint(1), 1).encode("300").unwrap_err().to_string();
    assert_eq!(error, r#"parameter "key" cannot be "300": allowed are whole numbers from 0 to 255"#);
    let error = spec(ParamKind::Text(4), 4).encode("hello").unwrap_err().to_string();
    assert!(error.contains("at most 4 bytes"), "{error}");
}

/// Texts are padded and may fill their variable; addresses have the layout of `gadget_l3endpoint_t`.
#[test]
fn encodes_text_and_addresses() {
    assert_eq!(spec(ParamKind::Text(4), 4).encode("ab").unwrap(), *b"ab\0\0");
    assert_eq!(spec(ParamKind::Text(4), 4).encode("abcd").unwrap(), *b"abcd");
    let bytes = spec(ParamKind::Ip, 32).encode("10.0.0.1").unwrap();
    assert_eq!((bytes.len(), &bytes[..5], bytes[16]), (32, &[10, 0, 0, 1, 0][..], 4));
    assert_eq!(spec(ParamKind::Ip, 32).encode("::1").unwrap()[15..17], [1, 6]);
    assert_eq!(spec(ParamKind::Bool, 1).encode("true").unwrap(), [1]);
    assert!(spec(ParamKind::Bool, 1).encode("yes").is_err());
}

/// Intervals and counts are one value or one per source, never mixed.
#[test]
fn checks_per_source_values() {
    let interval = spec(ParamKind::Interval, 0);
    for good in ["500ms", "a:1s,b:2s"] {
        assert_eq!(interval.encode(good).unwrap(), [0u8; 0], "{good}");
    }
    for bad in ["", "1", "a:1s,2s", "1s,2s", ":1s", "a:"] {
        assert!(interval.encode(bad).is_err(), "{bad}");
    }
    assert!(spec(ParamKind::Count, 0).encode("a:3,b:0").is_ok());
}

/// Initial bytes become the text users would write.
#[test]
fn shows_initial_values() {
    assert_eq!(ParamKind::Int(4).text(&(-5i32).to_le_bytes()), "-5");
    assert_eq!(ParamKind::Uint(4).text(&u32::MAX.to_le_bytes()), "4294967295");
    assert_eq!(ParamKind::Bool.text(&[1]), "true");
    assert_eq!(ParamKind::Uint(8).text(&[]), "0");
}

/// Full and bare names are the same parameter.
#[test]
fn answers_to_full_names() {
    let param = spec(ParamKind::Bool, 1);
    assert!(param.answers_to("operator.oci.ebpf.key") && param.answers_to("KEY"));
    assert!(!param.answers_to("operator.oci.ebpf.") && !param.answers_to("keys"));
}

/// Names that differ in case only are different parameters, as long as each is spelled as it is.
#[test]
fn prefers_the_exact_name() {
    let named = |key: &str| ParamSpec { key: key.into(), ..spec(ParamKind::Bool, 1) };
    let params = [named("Limit"), named("limit"), named("other")];
    let keys = |name: &str| called(&params, name).iter().map(|p| p.key.as_str()).collect::<Vec<_>>();
    assert_eq!(keys("limit"), ["limit"]);
    assert_eq!(keys("operator.oci.ebpf.Limit"), ["Limit"]);
    assert_eq!(keys("LIMIT"), ["Limit", "limit"]);
    assert_eq!(keys("OTHER"), ["other"]);
    assert_eq!(keys("none"), [""; 0]);
}

/// Floating point numbers keep their width and may not overflow it.
#[test]
fn encodes_floats() {
    assert_eq!(spec(ParamKind::Float(4), 4).encode("-0.5").unwrap(), (-0.5f32).to_le_bytes());
    assert_eq!(spec(ParamKind::Float(8), 8).encode("1e300").unwrap(), 1e300f64.to_le_bytes());
    assert!(spec(ParamKind::Float(4), 4).encode("inf").is_ok());
    let error = spec(ParamKind::Float(4), 4).encode("1e39").unwrap_err().to_string();
    assert!(error.contains("to 3.40282"), "{error}");
    assert!(spec(ParamKind::Float(8), 8).encode("half").is_err());
}
