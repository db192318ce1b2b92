//! What a registry may answer to credentials but yes.

/// Why credentials are not kept. Messages leave out their `source`, and all that is secret.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It knows nobody of that name and password.
    #[error("{registry} does not take this user and password")]
    Refused {
        /// The registry.
        registry: String,
    },
    /// Something is there, but no registry.
    #[error("there is no registry at {registry}: GET /v2/ is answered with {answer}")]
    NotARegistry {
        /// The address.
        registry: String,
        /// What it answers.
        answer: String,
    },
    /// It asks for something else than user and password, or for nothing that is understood.
    #[error("{registry} asks for a way to log in that is not known: {asked:?}")]
    Unknown {
        /// The registry.
        registry: String,
        /// What it asks for.
        asked: String,
    },
    /// Nothing answers.
    #[error("cannot reach {server}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer does not come.
    #[error("{server} does not answer within {seconds} s")]
    Slow {
        /// Host and port.
        server: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The authority behind its certificate is not trusted.
    #[error(
        "the certificate of {server} is signed by an unknown authority: put that authority's certificate (*.crt) into the folder with certificates"
    )]
    UnknownAuthority {
        /// Host and port.
        server: String,
    },
    /// Its certificate is not good for something else.
    #[error("the certificate of {server} is not valid")]
    Certificate {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: Box<rustls::Error>,
    },
    /// TLS was begun and something else came back.
    #[error("{server} does not speak TLS; with --plain-http it is spoken to without")]
    NoTls {
        /// Host and port.
        server: String,
    },
    /// It was spoken to without TLS, and wants it.
    #[error("{server} speaks TLS, and was spoken to without")]
    OnlyTls {
        /// Host and port.
        server: String,
    },
    /// TLS fails in another way.
    #[error("cannot speak TLS with {server}")]
    Tls {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: Box<rustls::Error>,
    },
    /// It sends to a token server that must not be told a password.
    #[error("the token server that {registry} names is not used: {reason}")]
    Realm {
        /// The registry.
        registry: String,
        /// Why not.
        reason: &'static str,
    },
    /// The token server gives something else than a token.
    #[error("the token server {server} answers with {answer}")]
    Token {
        /// Host and port.
        server: String,
        /// What it answers.
        answer: String,
    },
    /// The client could not be made.
    #[error("cannot set up TLS for {registry}")]
    Client {
        /// The registry.
        registry: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}
