//! User and password: from flags, standard input, or the person at the terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use super::Args;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::image::auth::Secret;

/// Longest password from standard input, in bytes (`cli.md` section 2.4).
const PASSWORD_LIMIT: u64 = 100 << 10;
/// Longest name of a user, in bytes.
const USER_LIMIT: u64 = 4 << 10;
/// What a shell says of a command that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// What the arguments say, the rest asked for. Inside of a runtime.
pub(super) fn user_and_password(args: &Args) -> Result<(String, Secret), Failure> {
    if args.password.is_some() {
        output::error("warning: other users of this machine can see a password in the arguments; --password-stdin and the prompt hide it");
    }
    if args.password_stdin && args.username.is_none() {
        return Err(Failure::Usage("--password-stdin needs --username".to_owned()));
    }
    let asks = args.username.is_none() || (args.password.is_none() && !args.password_stdin);
    if asks && !io::stdin().is_terminal() {
        let text = "standard input is no terminal to ask for user and password; give --username and --password-stdin";
        return Err(Failure::Usage(text.to_owned()));
    }
    let user = match &args.username {
        Some(user) => user.clone(),
        None => ask_user()?,
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None if args.password_stdin => read_password(io::stdin().lock())?,
        None => ask_password()?,
    };
    match (user.as_str(), password.reveal()) {
        ("", _) => Err(Failure::Usage("the user is empty".to_owned())),
        (_, "") => Err(Failure::Usage("the password is empty".to_owned())),
        _ => Ok((user, password)),
    }
}

/// The command was ended by Ctrl-C.
pub(super) fn interrupted() -> Failure {
    Failure::Silent(INTERRUPTED)
}

/// All there is, but for the line break at its end.
pub(super) fn read_password(input: impl io::Read) -> Result<Secret, Failure> {
    let mut bytes = Vec::new();
    input.take(PASSWORD_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PASSWORD_LIMIT {
        return Err(Failure::Usage("the password on standard input is longer than 100 KiB".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::Usage("the password on standard input is not UTF-8".to_owned()))?;
    let bare = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Secret::new(bare.unwrap_or(&text)))
}

fn ask_user() -> Result<String, Failure> {
    let mut out = io::stderr().lock();
    out.write_all(b"Username: ").and_then(|()| out.flush())?;
    let mut line = String::new();
    io::BufRead::read_line(&mut io::stdin().lock().take(USER_LIMIT), &mut line)?;
    Ok(line.trim().to_owned())
}

/// The signal is taken over first: the library raises it while the terminal does not echo, and what ended there would leave it so.
fn ask_password() -> Result<Secret, Failure> {
    let _taken = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    match rpassword::prompt_password("Password: ") {
        Ok(password) => Ok(Secret::new(password)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(interrupted()),
        Err(error) => Err(Failure::RunTime(format!("cannot ask for the password: {error}").into())),
    }
}
