//! Why a daemon cannot be heard, in one line for statuses and the log.

use std::error::Error;

/// Longest reason, in characters.
const LIMIT: usize = 400;

/// The error and its innermost cause, without control characters and of bounded length. What the layers between say helps
/// nobody.
pub(super) fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    if let Some(cause) = error.source().map(|source| innermost(source).to_string()).filter(|cause| !text.ends_with(cause.as_str())) {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text.chars().filter(|c| !c.is_control()).take(LIMIT).collect()
}

/// The cause at the end of the chain that starts with `error`.
pub(super) fn innermost<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}
