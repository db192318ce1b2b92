//! A signature with all its parts, each of which a test may spoil before it is put together as JWS or COSE and verified.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use coset::cbor::value::Value as Cbor;
use gadgetry::image::trust::{Artifact, Kind, Policy, Subject, notation::Trust};
use rcgen::KeyPair;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::keys::{Authority, Signer, authority, elliptic, signer};

pub const JWS: &str = "application/jose+json";
pub const COSE: &str = "application/cose";
/// Names of the specification's headers begin so.
pub const NOTARY: &str = "io.cncf.notary.";

/// All that a verification depends on.
pub struct Bench {
    pub root: Authority,
    pub intermediate: Authority,
    pub signer: Signer,
    /// What comes with the signature, the signer's first.
    pub chain: Vec<Vec<u8>>,
    /// Protected headers, with the names of JWS; times in seconds.
    pub headers: Map<String, Value>,
    pub payload: Value,
    /// Unprotected headers besides the chain.
    pub unprotected: Map<String, Value>,
    /// Changed after signing: payload, protected header or signature.
    pub tampered: Option<&'static str>,
    pub annotations: Map<String, Value>,
    pub trusted: Vec<String>,
    pub policy: Value,
    pub subject: Subject,
}

pub fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A policy that trusts everybody whom the trusted certificates vouch for.
pub fn policy() -> Value {
    json!({"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"}, "trustStores": ["ca:acme"], "trustedIdentities": ["*"]}]})
}

pub fn subject() -> Subject {
    let digest = format!("sha256:{}", "1f".repeat(32));
    let media_type = "application/vnd.oci.image.index.v1+json".to_owned();
    Subject {
        reference: "localhost:5000/gadgets/a:1".to_owned(),
        repository: "localhost:5000/gadgets/a".to_owned(),
        digest,
        size: 1234,
        media_type,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Bench {
    /// A good signature by an EC P-256 key, with a root and an intermediate authority.
    pub fn good() -> Self {
        Self::with(signer(), elliptic(), "ES256")
    }

    pub fn with(params: rcgen::CertificateParams, key: KeyPair, algorithm: &str) -> Self {
        let root = Authority::root(authority("root"));
        let intermediate = root.authority(authority("intermediate"));
        let signer = intermediate.signer(&params, key);
        let subject = subject();
        let headers = json!({"alg": algorithm, "cty": "application/vnd.cncf.notary.payload.v1+json", "crit": [format!("{NOTARY}signingScheme")],
            (format!("{NOTARY}signingScheme")): "notary.x509", (format!("{NOTARY}signingTime")): now() - 60});
        let payload = json!({"targetArtifact": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}});
        let (trusted, chain) = (vec![root.pem.clone()], vec![signer.der.clone(), intermediate.der.clone(), root.der.clone()]);
        let mut bench = Bench {
            root,
            intermediate,
            signer,
            chain,
            headers: headers.as_object().unwrap().clone(),
            payload,
            unprotected: Map::new(),
            tampered: None,
            annotations: Map::new(),
            trusted,
            policy: policy(),
            subject,
        };
        bench.thumbprints();
        bench
    }

    /// Sets the annotation to the digests of the chain.
    pub fn thumbprints(&mut self) {
        let digests: Vec<_> = self.chain.iter().map(|der| hex(&Sha256::digest(der))).collect();
        self.annotations.insert("io.cncf.notary.x509chain.thumbprint#S256".to_owned(), json!(json!(digests).to_string()));
    }

    /// Puts another chain, of which the first signs, in the place of the one that is there.
    pub fn chained(&mut self, signer: Signer, others: &[&Authority]) {
        self.chain = std::iter::once(signer.der.clone()).chain(others.iter().map(|authority| authority.der.clone())).collect();
        self.signer = signer;
        self.thumbprints();
    }

    pub fn header(&mut self, name: &str, value: Value) {
        self.headers.insert(format!("{NOTARY}{name}"), value);
    }

    pub fn critical(&mut self, name: &str) {
        self.headers["crit"].as_array_mut().unwrap().push(json!(format!("{NOTARY}{name}")));
    }

    /// The only policy.
    pub fn statement(&mut self) -> &mut Value {
        &mut self.policy["trustPolicies"][0]
    }

    fn algorithm(&self) -> &str {
        self.headers["alg"].as_str().unwrap()
    }

    fn altered(&self, what: &str, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.tampered == Some(what) {
            // A digit of the payload's size or of the header's time; any bit of a signature.
            let at = bytes.iter().rposition(|byte| what != "signature" && byte.is_ascii_digit()).unwrap_or(7);
            bytes[at] ^= 1;
        }
        bytes
    }

    /// As JWS in flattened JSON.
    pub fn jws(&self) -> Vec<u8> {
        let mut headers = self.headers.clone();
        for (_, value) in headers.iter_mut().filter(|(name, _)| is_time(name)) {
            if let Some(seconds) = value.as_i64() {
                *value = json!(rfc3339(seconds));
            }
        }
        let headers = serde_json::to_vec(&headers).unwrap();
        let payload = serde_json::to_vec(&self.payload).unwrap();
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signature = self.signer.sign(self.algorithm(), format!("{}.{}", encode(&headers), encode(&payload)).as_bytes());
        let mut unprotected = self.unprotected.clone();
        unprotected.insert("x5c".to_owned(), self.chain.iter().map(|der| BASE64_STANDARD.encode(der)).collect());
        let payload = self.altered("payload", payload);
        let envelope = json!({"payload": encode(&payload), "protected": encode(&self.altered("protected", headers)), "header": unprotected,
            "signature": encode(&self.altered("signature", signature))});
        serde_json::to_vec(&envelope).unwrap()
    }

    /// As `COSE_Sign1_Tagged`.
    pub fn cose(&self) -> Vec<u8> {
        let entries = self.headers.iter().map(|(name, value)| match (name.as_str(), value) {
            ("alg", name) => (Cbor::from(1), Cbor::from(number(name.as_str().unwrap()))),
            ("crit", names) => {
                (Cbor::from(2), Cbor::Array(names.as_array().unwrap().iter().map(|name| Cbor::from(name.as_str().unwrap())).collect()))
            }
            ("cty", kind) => (Cbor::from(3), Cbor::from(kind.as_str().unwrap())),
            (name, Value::Number(seconds)) if is_time(name) => {
                (Cbor::from(name), Cbor::Tag(1, Box::new(Cbor::from(seconds.as_i64().unwrap()))))
            }
            (name, value) => (Cbor::from(name), Cbor::from(value.as_str().unwrap())),
        });
        let protected = bytes(&Cbor::Map(entries.collect()));
        let payload = serde_json::to_vec(&self.payload).unwrap();
        let parts = ["Signature1".into(), Cbor::Bytes(protected.clone()), Cbor::Bytes(vec![]), Cbor::Bytes(payload.clone())];
        let signature = self.signer.sign(self.algorithm(), &bytes(&Cbor::Array(parts.into())));
        let mut unprotected: Vec<_> =
            self.unprotected.iter().map(|(name, value)| (Cbor::from(name.as_str()), Cbor::from(value.as_str().unwrap()))).collect();
        unprotected.push((Cbor::from(33), Cbor::Array(self.chain.iter().cloned().map(Cbor::Bytes).collect())));
        let altered = |what: &str, content: Vec<u8>| Cbor::Bytes(self.altered(what, content));
        // The header's last digit is that of a name or value there.
        let parts =
            vec![altered("protected", protected), Cbor::Map(unprotected), altered("payload", payload), altered("signature", signature)];
        bytes(&Cbor::Tag(18, Box::new(Cbor::Array(parts))))
    }

    /// Who has signed, or why the signature is refused.
    pub fn verdict(&self, format: &str) -> Result<String, String> {
        let envelope = if format == JWS { self.jws() } else { self.cose() };
        self.verdict_on(format, envelope)
    }

    /// The same for an envelope that is given.
    pub fn verdict_on(&self, format: &str, envelope: Vec<u8>) -> Result<String, String> {
        let trust = Trust::new(&self.trusted, &self.policy.to_string()).map_err(|error| error.to_string())?;
        verify(trust, &self.subject, vec![artifact(format, envelope, &self.annotations)])
    }

    /// From when on the signature, good now in both formats, would not be.
    pub fn until(&self) -> Option<i64> {
        let trust = Trust::new(&self.trusted, &self.policy.to_string()).unwrap();
        let [jws, cose] = [(JWS, self.jws()), (COSE, self.cose())].map(|(media_type, envelope)| {
            let signature = gadgetry::image::trust::notation::Signature { media_type, envelope: &envelope, thumbprints: None };
            trust.verify_at(&self.subject, &signature, now()).unwrap().until
        });
        assert_eq!(jws, cose);
        jws
    }

    /// In both formats the signature is good.
    pub fn passes(&self) {
        for format in [JWS, COSE] {
            assert_eq!(self.verdict(format).map(|by| by.contains("CN=signer")), Ok(true), "{format}");
        }
    }

    /// In both formats the signature is refused, and these words say why.
    pub fn fails(&self, reason: &str) {
        for format in [JWS, COSE] {
            let refused = self.verdict(format).expect_err(reason);
            assert!(refused.contains(reason), "{format}: {refused:?} lacks {reason:?}");
        }
    }
}

/// A signature as it lies in a layout.
pub fn artifact(media_type: &str, envelope: Vec<u8>, annotations: &Map<String, Value>) -> Artifact {
    let digest = format!("sha256:{}", hex(&Sha256::digest(&envelope)));
    let manifest = json!({"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.notary.signature", "size": 2, "digest": digest},
        "layers": [{"mediaType": media_type, "digest": digest, "size": envelope.len()}], "annotations": annotations});
    Artifact { kind: Kind::Notation, digest, manifest: serde_json::from_value(manifest).unwrap(), layers: vec![envelope] }
}

/// Through the policy that images are held against.
pub fn verify(trust: Trust, subject: &Subject, artifacts: Vec<Artifact>) -> Result<String, String> {
    let policy = Policy { required: true, keys: Vec::new(), notation: Some(trust), ..Policy::default() };
    policy.verify(subject, &artifacts.into()).map(|verified| verified.by).map_err(|error| error.to_string())
}

fn is_time(name: &str) -> bool {
    ["signingTime", "authenticSigningTime", "expiry"].iter().any(|time| name.strip_prefix(NOTARY) == Some(time))
}

fn number(algorithm: &str) -> i64 {
    match algorithm {
        "ES256" => -7,
        "ES384" => -35,
        "ES512" => -36,
        "PS256" => -37,
        "PS384" => -38,
        "PS512" => -39,
        "HS256" => 5,
        "RS256" => -257,
        other => panic!("{other}"),
    }
}

pub fn bytes(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    coset::cbor::ser::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn rfc3339(seconds: i64) -> String {
    let time = x509_parser::time::ASN1Time::from_timestamp(seconds).unwrap().to_datetime();
    let (date, clock) = (time.date(), time.time());
    format!(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}
