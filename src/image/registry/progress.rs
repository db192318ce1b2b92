//! How far a transfer is.

/// Told how transfers go; from several tasks at once.
pub trait Progress: Send + Sync {
    /// A blob of `total` bytes begins; `what` is for people: "manifest", "eBPF layer (amd64)", "signature".
    fn begin(&self, digest: &str, what: &str, total: u64);
    /// So many bytes of it have been moved, counted from its start; may go back when an attempt begins anew.
    fn at(&self, digest: &str, bytes: u64);
    /// It is there; `skipped`: it was there before.
    fn end(&self, digest: &str, skipped: bool);
    /// Something worth a line: a further attempt, a mirror that does not answer.
    fn note(&self, text: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: &str, _: u64) {}
    fn at(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: bool) {}
    fn note(&self, _: &str) {}
}
