//! Parameters: every kind of variable, where their values come from, and what is refused.

use serde_json::Value;

use crate::harness::{Run, Setup, assert_golden, compiled, seen, with_each_compiler};
use crate::trigger::{getppid, thread};

fn echo(compiler: &str, params: &[(&str, &str)]) -> Value {
    let own = thread();
    let mut all = vec![("thread", own.as_str())];
    all.extend(params);
    let run = Run::start("params_all", compiler, &Setup::params(&all));
    getppid(1);
    run.event(|_| true)
}

fn refusal(params: &[(&str, &str)]) -> String {
    Run::try_start(&compiled("params_all", "clang-16"), &Setup::params(params)).err().expect("it should be refused")
}

/// The object's initial values of scalars win over the metadata's defaults, `paramDefaults` over both; texts have the metadata's.
#[test]
fn defaults_have_their_precedence() {
    with_each_compiler(|compiler| {
        let event = echo(compiler, &[]);
        assert_eq!(
            (&event["i32"], &event["un8"], &event["un32"], &event["text"]),
            (&(-32).into(), &88.into(), &3232.into(), &"metadata".into())
        );
        assert_golden("params_defaults", &event, &["user"]);
    });
    seen("params: defaults");
}

/// Every kind of variable takes a value, under every name a parameter has.
#[test]
fn every_kind_is_set() {
    with_each_compiler(|compiler| {
        let params = [
            ("i8", "-128"),
            ("i16", "32767"),
            ("Number", "-2147483648"),
            ("operator.oci.ebpf.i64", "-9223372036854775808"),
            ("un8", "255"),
            ("old-place", "65535"),
            ("OPERATOR.OCI.EBPF.UN32", "4294967295"),
            ("un64", "18446744073709551615"),
            ("on", "false"),
            ("off", "true"),
            ("letter", "122"),
            ("text", "eight ch"),
            ("alias", "short"),
            ("half", "1.5"),
            ("quarter", "-2"),
            ("address", "10.1.2.3"),
            ("pid", "4711"),
            ("uid", "42"),
            ("comm", "sixteen letters."),
            ("collect-ustack", "true"),
            ("elsewhere", "70"),
        ];
        let event = echo(compiler, &params);
        assert_golden("params_set", &event, &["user"]);
        assert_eq!(event["half"], 1.5f32.to_bits());
        let event = echo(compiler, &[("address", "fd00::1")]);
        assert_eq!((event["address"]["addr"].as_str(), event["address"]["version"].as_u64()), (Some("fd00::1"), Some(6)), "{event:#}");
    });
    seen("params: every kind");
}

/// What cannot be is refused before anything runs, with what would be allowed.
#[test]
fn impossible_values_are_refused() {
    for (key, value, reason) in [
        ("i8", "128", "whole numbers from -128 to 127"),
        ("un64", "18446744073709551616", "whole numbers from 0 to 18446744073709551615"),
        ("un8", "-1", "from 0 to 255"),
        ("on", "maybe", "true and false"),
        ("text", "nine char", "at most 8 bytes, these are 9"),
        ("address", "10.1.2", "IPv4 and IPv6 addresses"),
        ("half", "1e39", "decimal numbers from -3.4"),
        ("color", "BLUE", "its type cannot be set"),
        ("trace-pipe", "loud", "true and false"),
    ] {
        let error = refusal(&[(key, value)]);
        assert!(error.contains(reason) && error.contains(key), "{error}");
    }
    let error = refusal(&[("i32", "1")]);
    assert!(error.contains("no parameter \"i32\"") && error.contains("Number") && error.contains("old-place"), "{error}");
}
