//! Names of registries, and passwords from standard input.

use super::normalised;
use super::prompt::read_password;

/// A registry is its host and port, whatever is around it; nothing else is one.
#[test]
fn registries() {
    for (text, host) in [
        ("ghcr.io", "ghcr.io"),
        ("https://Ghcr.io/v2/", "ghcr.io"),
        ("HTTP://localhost:5000", "localhost:5000"),
        ("r.example:5000/team/app:tag", "r.example:5000"),
        ("127.0.0.1:5000/", "127.0.0.1:5000"),
    ] {
        assert_eq!(normalised(text).as_deref(), Ok(host));
    }
    for text in [
        "",
        "https://",
        "/v2/",
        "ftp://r",
        "user:pass@r",
        "r:",
        "r:0",
        "r:99999",
        "r:+5",
        "r:5000:1",
        "-r",
        "r..io",
        "a b",
        "r?x",
        "[::1]",
        "\u{e9}.io",
        "r\n",
    ] {
        assert!(normalised(text).is_err(), "{text:?}");
    }
}

/// One line break at the end goes, all else stays, and there is a limit.
#[test]
fn passwords() {
    let read = |bytes: &[u8]| read_password(bytes).map(|secret| secret.reveal().to_owned()).ok();
    assert_eq!(read(b"a b \n").as_deref(), Some("a b "));
    assert_eq!(read(b"a\r\n").as_deref(), Some("a"));
    assert_eq!(read(b"a\n\n").as_deref(), Some("a\n"));
    assert_eq!(read(b"a").as_deref(), Some("a"));
    assert_eq!(read(&vec![b'a'; 100 << 10]).map(|text| text.len()), Some(100 << 10));
    assert_eq!(read(&vec![b'a'; (100 << 10) + 1]), None);
    assert_eq!(read(b"\xff"), None);
}
