//! The compiler's messages, with the paths as the user knows them: the compiler runs in the gadget's folder, the user need not.

use std::path::Path;

/// Replaces paths relative to the gadget's folder by paths below `shown`, and says `<headers>` for the folder of our headers.
pub(super) fn relocated(output: &str, shown: &Path, headers: &Path) -> String {
    let headers = format!("{}/", headers.display());
    let mut text = String::with_capacity(output.len());
    for line in output.trim_end().lines() {
        if !text.is_empty() {
            text.push('\n');
        }
        let at = start_of_path(line).filter(|at| line.get(*at..).is_some_and(begins_with_place));
        let line = line.replacen(&headers, "<headers>/", 1);
        match at.and_then(|at| line.split_at_checked(at)) {
            Some((before, path)) if !path.starts_with(['/', '<']) => {
                text.push_str(before);
                let path = path.strip_prefix("./").unwrap_or(path);
                text.push_str(&shown.join(path).display().to_string());
            }
            _ => text.push_str(&line),
        }
    }
    text
}

/// Where a path stands in a line that has one: behind colours, and behind the words with which inclusions are told.
fn start_of_path(line: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(rest) = line.get(at..).and_then(|rest| rest.strip_prefix("\x1b[")) {
        at += 2 + rest.find('m')? + 1;
    }
    let rest = line.get(at..)?;
    let included = ["In file included from ", "                 from "].into_iter().find(|words| rest.starts_with(words));
    Some(at + included.map_or(0, str::len))
}

/// `PATH:LINE:`, without a blank or a bar before it: lines of source begin with `  12 | ` or blanks.
fn begins_with_place(text: &str) -> bool {
    let Some((path, rest)) = text.split_once(':') else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    !path.is_empty()
        && !path.starts_with(char::is_whitespace)
        && !path.contains('|')
        && digits > 0
        && rest.as_bytes().get(digits) == Some(&b':')
}
