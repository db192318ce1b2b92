//! Transport security: the server's authority must be known, and the server may ask for the client's certificate.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::receiver::{Receiver, listener};
use super::*;
use crate::exporter::otlp::{grpc, http};

/// A certificate and its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// An authority with a certificate each for a server at localhost and for a client.
fn authority() -> (String, Pair, Pair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    };
    let (server, client) = (issue("localhost"), issue("gadgetry"));
    (pem, server, client)
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn grpc_over_tls_trusts_the_given_authority_and_shows_its_own_certificate() {
    let (authority, server, client) = authority();
    crate::exporter::otlp::tls::install_provider();
    let identity = Identity::from_pem(&server.certificate, &server.key);
    let tls = ServerTlsConfig::new().identity(identity).client_ca_root(Certificate::from_pem(&authority));
    let receiver = Receiver::grpc_on(listener().await, [], Some(tls));
    let files = tempfile::tempdir().unwrap();
    let ca_file = write(files.path(), "ca.pem", &authority);
    let cert_file = write(files.path(), "cert.pem", &client.certificate);
    let key_file = write(files.path(), "key.pem", &client.key);
    let more = json!({"tls": {"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}});
    let mut bench = Bench::new(&grpc::KIND, &settings(&format!("localhost:{}", receiver.address.port()), more));
    bench.events(0..10);
    assert_eq!(bench.stop().await.delivered.get(), 10);
    assert_eq!(receiver.state.pids().len(), 10);
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_gets_nothing() {
    let (_, server, _) = authority();
    let (other, _, _) = authority();
    crate::exporter::otlp::tls::install_provider();
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&server.certificate, &server.key));
    let receiver = Receiver::grpc_on(listener().await, [], Some(tls));
    let files = tempfile::tempdir().unwrap();
    let more = json!({"tls": {"ca_file": write(files.path(), "ca.pem", &other)}, "retry_on_failure": {"enabled": false}});
    let mut bench = Bench::new(&grpc::KIND, &settings(&format!("https://localhost:{}", receiver.address.port()), more));
    bench.events(0..10);
    until("failing", || bench.service.status().failing.is_some()).await;
    let failing = bench.service.status().failing.unwrap();
    assert!(failing.contains("certificate"), "{failing}");
    assert_eq!(dropped(&*bench.stop().await, DropReason::RetriesExhausted), 10);
    assert_eq!(*receiver.state.attempts.lock().unwrap(), 0);
}

/// The gRPC receiver does not speak OTLP over HTTP, but its answer says that the connection was trusted, and it must not pass for a success.
#[tokio::test]
async fn http_over_tls_trusts_the_given_authority_only_and_a_grpc_server_does_not_pass_for_a_receiver() {
    let (known, server, _) = authority();
    let (unknown, _, _) = authority();
    crate::exporter::otlp::tls::install_provider();
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&server.certificate, &server.key));
    let receiver = Receiver::grpc_on(listener().await, [], Some(tls));
    let files = tempfile::tempdir().unwrap();
    for (authority, reason, words) in
        [(known, DropReason::Rejected, "application/grpc"), (unknown, DropReason::RetriesExhausted, "certificate")]
    {
        let more = json!({"tls": {"ca_file": write(files.path(), "ca.pem", &authority)}, "retry_on_failure": {"enabled": false}});
        let mut bench = Bench::new(&http::KIND, &settings(&format!("https://localhost:{}", receiver.address.port()), more));
        bench.events(0..10);
        until("failing", || bench.service.status().failing.is_some()).await;
        let failing = bench.service.status().failing.unwrap();
        assert!(failing.contains(words), "{failing}");
        assert_eq!(dropped(&*bench.stop().await, reason), 10);
    }
}
