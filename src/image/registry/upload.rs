//! Blobs and manifests into a repository: by oci-client, and by hand where the registry wants a client certificate, which it cannot show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::{RegistryToken, RegistryTokenType};
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::{HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Progress;
use super::fault::Fault;
use super::link::USER_AGENT;
use super::remote::{Ask, Proof, Remote};

/// Bytes that are handed over at a time.
const PIECE: usize = 64 << 10;
/// How often is told how far it is.
const TICK: Duration = Duration::from_millis(100);

/// Sends a blob.
pub(super) async fn blob(remote: &Remote, digest: &str, bytes: Bytes, progress: &dyn Progress) -> Result<(), Fault> {
    let proof = remote.introduce().await?;
    if remote.certificates.identity.is_some() {
        return by_hand(remote, digest, bytes).await;
    }
    let client = client(remote, proof).await?;
    let (sent, size) = (Arc::new(AtomicU64::new(0)), bytes.len() as u64);
    let counted = sent.clone();
    let pieces = (0..bytes.len()).step_by(PIECE).map(move |from| {
        let piece = bytes.slice(from..bytes.len().min(from + PIECE));
        counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(piece)
    });
    let target = target(remote, None);
    let upload = client.push_blob_stream(&target, stream::iter(pieces), digest, Some(size));
    watched(remote, upload, || progress.at(digest, sent.load(Ordering::Relaxed)), &sent).await.map(|_| ())
}

/// Sends a manifest or index under a tag or its digest.
pub(super) async fn manifest(remote: &Remote, name: &str, media_type: &str, bytes: Bytes) -> Result<(), Fault> {
    let proof = remote.introduce().await?;
    let kind = HeaderValue::from_str(media_type).map_err(|_| Fault::Final(format!("its type is malformed: {media_type:?}")))?;
    if remote.certificates.identity.is_some() {
        let ask = Ask { body: Some((media_type.to_owned(), bytes)), ..Ask::new(Method::PUT, remote.url(&format!("manifests/{name}"))) };
        let response = remote.send(&ask).await?;
        return match response.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(Fault::of_answer(response, remote.link.patience.stall).await),
        };
    }
    let client = client(remote, proof).await?;
    let target = target(remote, Some(name));
    let upload = client.push_manifest_raw(&target, bytes, kind);
    watched(remote, upload, || (), &AtomicU64::new(0)).await.map(|_| ())
}

/// Waits for an upload as long as it moves.
async fn watched<T>(
    remote: &Remote,
    upload: impl Future<Output = Result<T, OciDistributionError>>,
    tell: impl Fn(),
    sent: &AtomicU64,
) -> Result<T, Fault> {
    let mut upload = std::pin::pin!(upload);
    let mut tick = tokio::time::interval(TICK);
    let (mut since, mut before) = (Instant::now(), 0);
    loop {
        tokio::select! {
            done = &mut upload => return done.map_err(|error| fault(remote, error)),
            _ = tick.tick() => {
                tell();
                let now = sent.load(Ordering::Relaxed);
                if now != before {
                    (since, before) = (Instant::now(), now);
                } else if since.elapsed() > remote.link.patience.stall.saturating_mul(2) {
                    return Err(Fault::stalled(since.elapsed()));
                }
            }
        }
    }
}

/// One POST for the place, one PUT for the content (OCI distribution spec 1.1, "Pushing a blob monolithically").
async fn by_hand(remote: &Remote, digest: &str, bytes: Bytes) -> Result<(), Fault> {
    let stall = remote.link.patience.stall;
    let begun =
        remote.send(&Ask { body: Some((String::new(), Bytes::new())), ..Ask::new(Method::POST, remote.url("blobs/uploads/")) }).await?;
    if begun.status() != StatusCode::ACCEPTED {
        return Err(Fault::of_answer(begun, stall).await);
    }
    let place = begun.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let place: Option<Url> = place.and_then(|place| begun.url().join(place).ok());
    let mut place = place.ok_or_else(|| Fault::Final("it does not say where to upload to".to_owned()))?;
    place.query_pairs_mut().append_pair("digest", digest);
    let body = Some(("application/octet-stream".to_owned(), bytes));
    let done = remote.send(&Ask { body, ..Ask::new(Method::PUT, place.into()) }).await?;
    match done.status() {
        StatusCode::CREATED => Ok(()),
        _ => Err(Fault::of_answer(done, stall).await),
    }
}

fn target(remote: &Remote, name: Option<&str>) -> Reference {
    let (host, repository) = (remote.place.address().to_owned(), remote.place.repository.clone());
    match name {
        Some(digest) if digest.starts_with("sha256:") => Reference::with_digest(host, repository, digest.to_owned()),
        tag => Reference::with_tag(host, repository, tag.unwrap_or("latest").to_owned()),
    }
}

/// A client that has the proof already and asks nobody for another.
async fn client(remote: &Remote, proof: Option<Proof>) -> Result<Client, Fault> {
    let unusable = |error: OciDistributionError| Fault::Final(format!("its certificates cannot be used: {error}"));
    let ders = remote.certificates.authorities.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem).flatten());
    let config = ClientConfig {
        protocol: if remote.place.plain { ClientProtocol::Http } else { ClientProtocol::Https },
        use_monolithic_push: true,
        extra_root_certificates: ders.map(|der| Certificate { encoding: CertificateEncoding::Der, data: der.to_vec() }).collect(),
        read_timeout: Some(remote.link.patience.stall.saturating_mul(2)),
        connect_timeout: Some(remote.link.patience.stall),
        user_agent: USER_AGENT,
        ..ClientConfig::default()
    };
    let client = Client::try_from(config).map_err(unusable)?;
    let (host, target) = (remote.place.address(), target(remote, None));
    match proof {
        None => {}
        Some(Proof::Bearer(token)) => {
            client.store_auth_if_needed(host, &RegistryAuth::Bearer(token.clone())).await;
            let token = RegistryTokenType::Bearer(RegistryToken::Token { token });
            client.tokens.insert(&target, RegistryOperation::Push, token).await;
        }
        Some(Proof::Basic(user, password)) => {
            client.store_auth_if_needed(host, &RegistryAuth::Anonymous).await;
            client.tokens.insert(&target, RegistryOperation::Push, RegistryTokenType::Basic(user, password)).await;
        }
    }
    Ok(client)
}

fn fault(remote: &Remote, error: OciDistributionError) -> Fault {
    match error {
        OciDistributionError::RequestError(error) => remote.link.broken(&error),
        OciDistributionError::ServerError { code, message, .. } => match StatusCode::from_u16(code) {
            Ok(status) => Fault::of_status(status, None, message.as_bytes()),
            Err(_) => Fault::Final(format!("it answers with the status {code}")),
        },
        OciDistributionError::UnauthorizedError { .. } => Fault::Denied("HTTP 401 Unauthorized".to_owned()),
        OciDistributionError::AuthenticationFailure(text) => Fault::Denied(text.chars().filter(|c| !c.is_control()).take(200).collect()),
        OciDistributionError::IoError(error) => Fault::passing(error.to_string()),
        other => Fault::Final(other.to_string().chars().filter(|c| !c.is_control()).take(200).collect()),
    }
}
