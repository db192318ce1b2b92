//! The signed attributes of an envelope, whatever its format: what is there, what is critical, what fits together.
//! Contract: "signature-specification", section "Signed Attributes"; "signing-scheme".

use super::refusal::shown;
use super::time;

pub(super) const SCHEME: &str = "io.cncf.notary.signingScheme";
pub(super) const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
pub(super) const AUTHENTIC_SIGNING_TIME: &str = "io.cncf.notary.authenticSigningTime";
pub(super) const EXPIRY: &str = "io.cncf.notary.expiry";
pub(super) const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
pub(super) const PLUGIN_VERSION: &str = "io.cncf.notary.verificationPluginMinVersion";
const CONTENT_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

/// Headers as they stand in an envelope; times in seconds since the Unix epoch.
#[derive(Debug, Default)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) critical: Vec<String>,
    pub(super) scheme: Option<String>,
    pub(super) signing_time: Option<i64>,
    pub(super) authentic_signing_time: Option<i64>,
    pub(super) expiry: Option<i64>,
    /// The signature asks for a verification plugin.
    pub(super) plugin: bool,
}

/// By what the time of signing is vouched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// By nothing.
    X509,
    /// By the signer: the time in seconds since the Unix epoch.
    SigningAuthority(i64),
}

/// Signed attributes that hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) scheme: Scheme,
    /// Seconds since the Unix epoch.
    pub(super) expiry: Option<i64>,
}

impl Headers {
    /// Checks them against the specification.
    pub(super) fn check(self) -> Result<Attributes, String> {
        match self.content_type.as_deref() {
            Some(CONTENT_TYPE) => {}
            Some(other) => return Err(format!("its content type is {:?}, not {CONTENT_TYPE}", shown(other))),
            None => return Err("it has no content type".to_owned()),
        }
        if self.plugin {
            return Err("it asks for a verification plugin, which cannot be run here".to_owned());
        }
        let (scheme, signed) = self.signing()?;
        self.check_critical(scheme)?;
        if let Some(expiry) = self.expiry.filter(|expiry| *expiry <= signed) {
            return Err(format!("it expires ({}) before it was made ({})", time::shown(expiry), time::shown(signed)));
        }
        Ok(Attributes { scheme, expiry: self.expiry })
    }

    /// The scheme and when it says that the signature was made.
    fn signing(&self) -> Result<(Scheme, i64), String> {
        let scheme = self.scheme.as_deref().ok_or_else(|| format!("it has no {SCHEME}"))?;
        let missing = |name| format!("it has no {name}, which its scheme {scheme} demands");
        let excess = |name| format!("it has {name}, which its scheme {scheme} excludes");
        match (scheme, self.signing_time, self.authentic_signing_time) {
            ("notary.x509", _, Some(_)) => Err(excess(AUTHENTIC_SIGNING_TIME)),
            ("notary.x509", None, _) => Err(missing(SIGNING_TIME)),
            ("notary.x509", Some(time), None) => Ok((Scheme::X509, time)),
            ("notary.x509.signingAuthority", Some(_), _) => Err(excess(SIGNING_TIME)),
            ("notary.x509.signingAuthority", None, None) => Err(missing(AUTHENTIC_SIGNING_TIME)),
            ("notary.x509.signingAuthority", None, Some(time)) => Ok((Scheme::SigningAuthority(time), time)),
            (other, ..) => Err(format!("its signing scheme {:?} is unknown", shown(other))),
        }
    }

    /// The headers that have to be critical are, and no others.
    fn check_critical(&self, scheme: Scheme) -> Result<(), String> {
        let mut expected = vec![SCHEME];
        if scheme != Scheme::X509 {
            expected.push(AUTHENTIC_SIGNING_TIME);
        }
        if self.expiry.is_some() {
            expected.push(EXPIRY);
        }
        for name in &self.critical {
            match expected.iter().position(|expected| expected == name) {
                Some(at) => drop(expected.remove(at)),
                None => return Err(format!("the header {:?} is marked critical, but unknown, absent or named twice", shown(name))),
            }
        }
        if expected.is_empty() { Ok(()) } else { Err(format!("{} must be marked critical", expected.join(", "))) }
    }
}
