//! Settings and environment: what comes from where, and what is refused.

use super::*;
use crate::exporter::otlp::config::{Destination, Protocol, Settings, Signal};
use crate::exporter::otlp::env::Environment;
use crate::exporter::otlp::{grpc, http};

fn destination(settings: Value, protocol: Protocol, signal: Signal, env: &[(&str, &str)]) -> Result<Destination, String> {
    let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let settings = Settings::parse(&settings).map_err(|e| e.to_string())?;
    settings.destination(signal, protocol, &Environment(&lookup)).map_err(|e| e.to_string())
}

fn uri(settings: Value, protocol: Protocol, signal: Signal, env: &[(&str, &str)]) -> String {
    destination(settings, protocol, signal, env).map_or_else(|e| e, |d| d.uri.to_string())
}

#[test]
fn endpoints_get_scheme_and_path_as_in_the_collector() {
    use Protocol::{Grpc, Http};
    use Signal::{Logs, Metrics};
    assert_eq!(uri(json!({"endpoint": "http://h:4317"}), Grpc, Logs, &[]), "http://h:4317/");
    assert_eq!(uri(json!({"endpoint": "h:4317"}), Grpc, Logs, &[]), "https://h:4317/");
    assert_eq!(uri(json!({"endpoint": "h:4317", "tls": {"insecure": true}}), Grpc, Metrics, &[]), "http://h:4317/");
    assert_eq!(uri(json!({"endpoint": "http://h:4318/otlp/"}), Http, Logs, &[]), "http://h:4318/otlp/v1/logs");
    assert_eq!(uri(json!({"endpoint": "http://h:4318"}), Http, Metrics, &[]), "http://h:4318/v1/metrics");
    let own = json!({"endpoint": "http://h:4318", "logs_endpoint": "http://other/in"});
    assert_eq!(uri(own.clone(), Http, Logs, &[]), "http://other/in");
    assert_eq!(uri(own, Http, Metrics, &[]), "http://h:4318/v1/metrics");
    assert_eq!(uri(json!({"endpoint": "http://[::1]:4317"}), Grpc, Logs, &[]), "http://[::1]:4317/");
}

#[test]
fn the_environment_fills_what_the_settings_leave_out() {
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:9/x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc, x-empty=,broken,x-b=1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
    ];
    let logs = destination(json!({}), Protocol::Http, Signal::Logs, &env).ok().unwrap();
    assert_eq!((logs.uri.to_string().as_str(), logs.timeout, logs.gzip), ("http://env:4318/v1/logs", Duration::from_millis(1500), false));
    assert_eq!((&logs.headers["authorization"], &logs.headers["x-b"]), (&"Basic abc".parse().unwrap(), &"1".parse().unwrap()));
    assert_eq!((logs.headers.len(), logs.tls.ca_file), (3, Some("/ca.pem".into())));
    let metrics = destination(json!({}), Protocol::Http, Signal::Metrics, &env).ok().unwrap();
    assert_eq!((metrics.uri.to_string().as_str(), metrics.gzip), ("http://metrics:9/x", true));
    let own = json!({"endpoint": "http://yaml", "headers": {}, "timeout": "0s", "compression": "gzip"});
    let own = destination(own, Protocol::Http, Signal::Logs, &env).ok().unwrap();
    assert_eq!((own.uri.to_string().as_str(), own.timeout, own.gzip, own.headers.len()), ("http://yaml/v1/logs", Duration::ZERO, true, 0));
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_place() {
    let first = |settings: Value| (grpc::KIND.check)(&settings).into_iter().next().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(first(json!({"endpoint": "http://h:1"})), "");
    assert_eq!(first(json!({})), "endpoint: is missing: say where to send, like http://127.0.0.1:4317");
    assert!(first(json!({"endpoint": "ftp://h"})).starts_with("endpoint: \"ftp://h\" is not an endpoint"));
    assert!(first(json!({"endpoint": "http://h:99999"})).starts_with("endpoint: "));
    assert_eq!(first(json!({"endpoint": "http://h", "headers": {"a b": "c"}})), "headers.a b: is not a header name");
    assert!(first(json!({"endpoint": "http://h", "tls": {"insecure_skip_verify": true}})).starts_with("tls.insecure_skip_verify: "));
    assert!(first(json!({"endpoint": "http://h", "tls": {"cert_file": "x"}})).starts_with("tls.cert_file: "));
    assert!(first(json!({"endpoint": "http://h", "timeout": "5"})).contains("\"5\" is not a duration"));
    assert!(first(json!({"endpoint": "http://h", "compression": "zstd"})).contains("zstd"));
    assert!(first(json!({"endpoint": "http://h", "endpont": 1})).contains("endpont"));
    assert!(first(json!({"endpoint": "http://h", "sending_queue": {"storage": "disk"}})).contains("not supported yet"));
    assert!((http::KIND.check)(&json!({"endpoint": "http://h", "tls": {"server_name_override": "x"}})).len() == 1);
}

#[tokio::test]
async fn a_missing_certificate_file_is_named() {
    let settings = json!({"endpoint": "https://127.0.0.1:1", "tls": {"ca_file": "/nonexistent/ca.pem"}});
    for kind in [&grpc::KIND, &http::KIND] {
        let error = (kind.build)(&settings, &context(kind)).err().unwrap();
        assert_eq!(error.to_string(), "read certificate authorities /nonexistent/ca.pem");
    }
}

#[test]
fn the_json_schema_knows_every_setting_and_refuses_others() {
    let schema = (grpc::KIND.schema)().to_value();
    let properties = schema["properties"].as_object().unwrap();
    for key in ["endpoint", "headers", "compression", "timeout", "tls", "sending_queue", "retry_on_failure", "metrics_interval"] {
        assert!(properties.contains_key(key), "{key}");
    }
    assert_eq!(schema["additionalProperties"], json!(false));
}
