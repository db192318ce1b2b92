//! Programs that keep credentials: `docker-credential-NAME`, told what to do by their argument, asked and answering as JSON.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::document::Login;
use super::{Credentials, Secret};

/// Longest answer, in bytes.
const LIMIT: usize = 64 << 10;
/// How long a helper may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The user of what is an identity token.
pub(super) const TOKEN_USER: &str = "<token>";
/// How helpers say that they have nothing.
const NOTHING: &str = "credentials not found";

/// A helper could not be used. Messages have nothing of what it wrote.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// Its name could lead elsewhere.
    #[error("{name:?} is no name of a credential helper: letters, digits, dots, dashes and underscores are allowed")]
    Name {
        /// The name, shortened.
        name: String,
    },
    /// The program could not be started or spoken to.
    #[error("cannot run the credential helper {program}")]
    Run {
        /// The program.
        program: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("the credential helper {program} does not answer within {} s", PATIENCE.as_secs())]
    Timeout {
        /// The program.
        program: String,
    },
    /// It wrote more than anyone would.
    #[error("the credential helper {program} answers with more than {LIMIT} bytes")]
    Size {
        /// The program.
        program: String,
    },
    /// It says that it failed; how is not told, since that might be secret.
    #[error("the credential helper {program} fails ({status})")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Its answer is not the JSON it should be.
    #[error("the credential helper {program} answers with something else than JSON with Username and Secret")]
    Answer {
        /// The program.
        program: String,
    },
}

/// A helper.
#[derive(Debug, Clone)]
pub(super) struct Helper {
    program: String,
    patience: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept<'a> {
    #[serde(rename = "ServerURL", default)]
    server: std::borrow::Cow<'a, str>,
    username: std::borrow::Cow<'a, str>,
    secret: std::borrow::Cow<'a, str>,
}

impl Helper {
    /// The helper of that name.
    pub(super) fn new(name: &str) -> Result<Self, HelperError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
            return Err(HelperError::Name { name: name.chars().take(64).collect() });
        }
        Ok(Helper { program: format!("docker-credential-{name}"), patience: PATIENCE })
    }

    /// A program anywhere, waited for so long.
    #[cfg(test)]
    pub(super) fn at(program: &std::path::Path, patience: Duration) -> Self {
        Helper { program: program.display().to_string(), patience }
    }

    /// What it has for a server.
    pub(super) fn get(&self, server: &str) -> Result<Option<Login>, HelperError> {
        let Some(answer) = self.ask("get", server.as_bytes())? else { return Ok(None) };
        let malformed = || HelperError::Answer { program: self.program.clone() };
        let kept: Kept<'_> = serde_json::from_slice(&answer).map_err(|_| malformed())?;
        let secret = Secret::new(kept.secret.into_owned());
        Ok(match kept.username.as_ref() {
            _ if secret.reveal().is_empty() => None,
            TOKEN_USER => Some(Login { user: TOKEN_USER.to_owned(), credentials: Credentials::Identity(secret) }),
            "" => return Err(malformed()),
            user => {
                let credentials = Credentials::Basic { user: user.to_owned(), password: secret };
                Some(Login { user: user.to_owned(), credentials })
            }
        })
    }

    /// Keeps user and password for a server.
    pub(super) fn store(&self, server: &str, user: &str, password: &Secret) -> Result<(), HelperError> {
        let kept = Kept { server: server.into(), username: user.into(), secret: password.reveal().into() };
        // Strings always serialise.
        let text = Zeroizing::new(serde_json::to_vec(&kept).unwrap_or_default());
        match self.ask("store", &text)? {
            Some(_) => Ok(()),
            None => Err(HelperError::Answer { program: self.program.clone() }),
        }
    }

    /// Forgets a server; whether there was something.
    pub(super) fn erase(&self, server: &str) -> Result<bool, HelperError> {
        self.ask("erase", server.as_bytes()).map(|answer| answer.is_some())
    }

    /// Whether the program is not there at all.
    pub(super) fn is_absent(error: &HelperError) -> bool {
        matches!(error, HelperError::Run { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// One question. None: it has nothing under that name.
    fn ask(&self, verb: &str, input: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, HelperError> {
        let failed = |source| HelperError::Run { program: self.program.clone(), source };
        tracing::debug!(program = self.program, verb, "asking a credential helper");
        let mut command = Command::new(&self.program);
        // What it says on standard error might be as secret as its answer.
        command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let answer = self.converse(&mut child, input);
        if answer.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let (output, status) = answer?;
        if status.success() {
            return Ok(Some(output));
        }
        if String::from_utf8_lossy(&output).to_ascii_lowercase().contains(NOTHING) {
            return Ok(None);
        }
        Err(HelperError::Failed { program: self.program.clone(), status })
    }

    /// Both pipes are served by threads of their own, since a program may leave either alone. A thread outlives this where something that
    /// the helper started keeps its pipe.
    fn converse(&self, child: &mut Child, input: &[u8]) -> Result<(Zeroizing<Vec<u8>>, ExitStatus), HelperError> {
        let failed = |source| HelperError::Run { program: self.program.clone(), source };
        let timeout = || HelperError::Timeout { program: self.program.clone() };
        let deadline = Instant::now() + self.patience;
        if let Some(mut stdin) = child.stdin.take() {
            let input = Zeroizing::new(input.to_vec());
            // One that does not listen may answer all the same.
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut output = Zeroizing::new(Vec::new());
                let read = stdout.take(LIMIT as u64 + 1).read_to_end(&mut output);
                let _ = sender.send(read.map(|_| output));
            });
        }
        let left = || deadline.saturating_duration_since(Instant::now());
        let output = receiver.recv_timeout(left()).map_err(|_| timeout())?.map_err(failed)?;
        if output.len() > LIMIT {
            return Err(HelperError::Size { program: self.program.clone() });
        }
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok((output, status));
            }
            if left().is_zero() {
                return Err(timeout());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
