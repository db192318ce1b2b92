//! The compiler flags that a gadget may bring: those that shape its code. Building somebody else's gadget must not load their plugins,
//! write where they please, or make an object that knows where it was built. `build.rs` includes this file, so it leans on nothing.

/// What flags may begin with.
const ALLOWED: [&str; 21] = [
    "-D",
    "-U",
    "-I",
    "-W",
    "-O",
    "-std=",
    "-mcpu=",
    "-mlittle-endian",
    "-fno-",
    "-funroll-",
    "-finline-",
    "-fms-extensions",
    "-fsigned-char",
    "-funsigned-char",
    "-fwrapv",
    "-fstrict-",
    "-fshort-",
    "-fpack-struct",
    "-fomit-frame-pointer",
    "-pedantic",
    "-ansi",
];
/// Flags whose value is the next one.
const WITH_VALUE: [&str; 7] = ["-D", "-U", "-I", "-isystem", "-iquote", "-idirafter", "-include"];
/// What begins like an allowed one and hands arguments to another program.
const REFUSED: [&str; 3] = ["-Wl,", "-Wa,", "-Wp,"];

/// Whether `flag` may stand behind the flag `before`.
///
/// # Errors
/// With the reason why not.
pub fn check(before: Option<&str>, flag: &str) -> Result<(), String> {
    if flag.contains('\0') || flag.len() > 4096 {
        return Err("a flag is text of at most 4096 bytes".to_owned());
    }
    // A value is not a flag, whatever it looks like, but clang would take @file for flags.
    let is_value = before.is_some_and(|before| WITH_VALUE.contains(&before));
    let begins = |all: &[&str]| all.iter().any(|start| flag.starts_with(start));
    let allowed =
        if is_value { !flag.starts_with(['@', '-']) } else { WITH_VALUE.contains(&flag) || begins(&ALLOWED) && !begins(&REFUSED) };
    if allowed {
        return Ok(());
    }
    let shown: String = flag.chars().take(80).collect();
    Err(format!(
        "the flag {shown:?} is not one that a gadget may set: allowed are macros (-D, -U), include folders (-I, -isystem, -include), warnings (-W), optimisation (-O), -std=, -mcpu= and code-shaping -f flags"
    ))
}

/// Splits text into flags as a shell would: at blanks, with quotes and backslashes.
///
/// # Errors
/// When a quote is not closed.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut flags, mut flag, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                flag.get_or_insert_default();
            }
            ('\\', None | Some('"')) => flag.get_or_insert_default().extend(characters.next()),
            (c, None) if c.is_whitespace() => flags.extend(flag.take()),
            (c, _) => flag.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    flags.extend(flag);
    Ok(flags)
}
