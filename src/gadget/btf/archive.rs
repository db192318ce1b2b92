//! The kernel types that an image brings along (`btfgen`, gadget-abi 7.4): a gzip-compressed tar with a file per kernel.

use std::io::Read;

use super::{Btf, BtfError, MAX_BYTES};

const BLOCK: usize = 512;
/// Decompressed bytes that are looked through; BTFHub's reduced files take a few kilobytes each.
const MAX_ARCHIVE: u64 = 256 << 20;
const MAX_ENTRIES: usize = 100_000;
/// Longest name in an extension record.
const MAX_PATH: u64 = 4096;

/// What tells one kernel from another in such an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID` of `/etc/os-release`.
    pub id: String,
    /// `VERSION_ID`, without quotes.
    pub version: String,
    /// As `uname -m`.
    pub machine: String,
    /// As `uname -r`.
    pub release: String,
}

impl OsRelease {
    /// Reads `/etc/os-release` (the text) for a machine and release.
    pub fn parse(text: &str, machine: &str, release: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        OsRelease { id: value("ID"), version: value("VERSION_ID"), machine: machine.to_owned(), release: release.to_owned() }
    }

    /// Whether an entry is this kernel's: `<ID>/<VERSION_ID>/<machine>/<release>.btf`, with BTFHub's spelling of the machine too, or,
    /// as upstream's builder packs them, only the file's name.
    fn is_named(&self, path: &str) -> bool {
        let path = path.strip_prefix("./").unwrap_or(path);
        let Some(rest) = path.strip_suffix(".btf").and_then(|p| p.strip_suffix(self.release.as_str())) else { return false };
        if rest.is_empty() {
            return true;
        }
        let mut parts = rest.strip_suffix('/').unwrap_or(rest).split('/');
        let machine = |m: &str| m == self.machine || self.machine == "aarch64" && m == "arm64";
        let place = [parts.next(), parts.next(), parts.next(), parts.next()];
        rest.ends_with('/')
            && matches!(place, [Some(id), Some(version), Some(m), None] if id == self.id && version == self.version && machine(m))
    }
}

/// Takes a kernel's types out of an archive.
///
/// # Errors
/// When the archive is broken or beyond limits, or has no file for the kernel.
pub(super) fn find(archive: &[u8], kernel: &OsRelease) -> Result<Btf<'static>, BtfError> {
    let broken = |problem: &str| BtfError::Archive { problem: problem.to_owned() };
    let mut tar = Tar { from: flate2::read::GzDecoder::new(archive).take(MAX_ARCHIVE) };
    for _ in 0..MAX_ENTRIES {
        let Some((path, size)) = tar.entry().map_err(|e| broken(&format!("its archive is broken ({e})")))? else {
            let OsRelease { id, version, machine, release } = kernel;
            return Err(broken(&format!("none are for {id}/{version}/{machine}/{release}")));
        };
        if !kernel.is_named(&path) {
            tar.skip(size).map_err(|_| broken("its archive is cut short"))?;
            continue;
        }
        if size > MAX_BYTES as u64 {
            return Err(BtfError::TooLarge { bytes: usize::try_from(size).unwrap_or(usize::MAX) });
        }
        let bytes = tar.content(size).map_err(|_| broken("its archive is cut short"))?;
        let bytes_len = bytes.len();
        return Btf::load(&mut std::io::Cursor::new(bytes), bytes_len, None, |e| broken(&e.to_string()));
    }
    Err(broken("its archive has too many files"))
}

/// Just enough of tar: ustar names, and the long names of GNU and POSIX.
struct Tar<R> {
    from: R,
}

impl<R: Read> Tar<R> {
    /// The next file's name and size.
    fn entry(&mut self) -> std::io::Result<Option<(String, u64)>> {
        let mut long = None;
        for _ in 0..MAX_ENTRIES {
            let mut header = [0u8; BLOCK];
            match self.from.read_exact(&mut header) {
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                other => other?,
            }
            if header.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            let size = octal(header.get(124..136).unwrap_or_default()).ok_or(std::io::ErrorKind::InvalidData)?;
            match header.get(156) {
                Some(b'L') => long = Some(text(&self.short(size)?)),
                Some(b'x') => long = pax_path(&self.short(size)?).or(long),
                Some(b'0' | 0) => return Ok(Some((long.unwrap_or_else(|| name(&header)), size))),
                _ => {
                    long = None;
                    self.skip(size)?;
                }
            }
        }
        Ok(None)
    }

    fn short(&mut self, size: u64) -> std::io::Result<Vec<u8>> {
        if size > MAX_PATH { Err(std::io::ErrorKind::InvalidData.into()) } else { self.content(size) }
    }

    fn content(&mut self, size: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.from.by_ref().take(size).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < size {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.pass(size.next_multiple_of(BLOCK as u64) - size)?;
        Ok(bytes)
    }

    fn skip(&mut self, size: u64) -> std::io::Result<()> {
        self.pass(size.checked_next_multiple_of(BLOCK as u64).ok_or(std::io::ErrorKind::InvalidData)?)
    }

    fn pass(&mut self, bytes: u64) -> std::io::Result<()> {
        let passed = std::io::copy(&mut self.from.by_ref().take(bytes), &mut std::io::sink())?;
        if passed < bytes { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Name and, in ustar headers, the folder in front of it.
fn name(header: &[u8]) -> String {
    let name = text(header.get(..100).unwrap_or_default());
    let folder = if header.get(257..262) == Some(b"ustar") { text(header.get(345..500).unwrap_or_default()) } else { String::new() };
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}

/// `<length> path=<path>\n` among the records of an extended header.
fn pax_path(records: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(records).ok()?;
    text.lines().find_map(|line| line.split_once(' ')?.1.strip_prefix("path=").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn kernel(machine: &str) -> OsRelease {
        OsRelease::parse("NAME=\"X\"\nID=ubuntu\nVERSION_ID=\"20.04\"\n", machine, "5.4.0-42-generic")
    }

    fn file(path: &str, content: &[u8]) -> Vec<u8> {
        let mut header = [0u8; BLOCK];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = b'0';
        let mut all = header.to_vec();
        all.extend_from_slice(content);
        all.resize(all.len().next_multiple_of(BLOCK), 0);
        all
    }

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        files.iter().for_each(|(path, content)| gzip.write_all(&file(path, content)).unwrap());
        gzip.write_all(&[0; 1024]).unwrap();
        gzip.finish().unwrap()
    }

    fn types(name: &str) -> Vec<u8> {
        let mut btf = Btf::empty();
        btf.add_string(name).unwrap();
        btf.to_bytes()
    }

    /// The layouts of BTFHub and of upstream's builder are understood, and both spellings of arm64; nothing else is taken.
    #[test]
    fn names_of_entries() {
        for (path, machine, expected) in [
            ("ubuntu/20.04/x86_64/5.4.0-42-generic.btf", "x86_64", true),
            ("./ubuntu/20.04/x86_64/5.4.0-42-generic.btf", "x86_64", true),
            ("ubuntu/20.04/arm64/5.4.0-42-generic.btf", "aarch64", true),
            ("ubuntu/20.04/aarch64/5.4.0-42-generic.btf", "aarch64", true),
            ("5.4.0-42-generic.btf", "x86_64", true),
            ("./5.4.0-42-generic.btf", "x86_64", true),
            ("x5.4.0-42-generic.btf", "x86_64", false),
            ("ubuntu/18.04/x86_64/5.4.0-42-generic.btf", "x86_64", false),
            ("ubuntu/20.04/arm64/5.4.0-42-generic.btf", "x86_64", false),
            ("a/ubuntu/20.04/x86_64/5.4.0-42-generic.btf", "x86_64", false),
        ] {
            assert_eq!(kernel(machine).is_named(path), expected, "{path}");
        }
    }

    /// The right file is taken out of an archive, behind others.
    #[test]
    fn takes_the_right_file() {
        let (other, wanted) = (types("other"), types("wanted"));
        let archive = packed(&[("ubuntu/20.04/x86_64/5.4.0-1.btf", &other), ("ubuntu/20.04/x86_64/5.4.0-42-generic.btf", &wanted)]);
        assert_eq!(find(&archive, &kernel("x86_64")).unwrap().to_bytes(), wanted);
        let error = find(&packed(&[("a", b"x")]), &kernel("x86_64")).unwrap_err().to_string();
        assert!(error.contains("none are for ubuntu/20.04/x86_64/5.4.0-42-generic"), "{error}");
    }

    /// Broken and cut archives are errors, and a bomb is not unpacked.
    #[test]
    fn bad_archives_are_errors() {
        assert!(find(b"no gzip", &kernel("x86_64")).is_err());
        let archive = packed(&[("5.4.0-42-generic.btf", &types("x"))]);
        for len in 0..archive.len() {
            let _ = find(&archive[..len], &kernel("x86_64"));
        }
        let mut header = file("5.4.0-42-generic.btf", b"");
        header[124..135].copy_from_slice(b"77777777777");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&header).unwrap();
        assert!(matches!(find(&gzip.finish().unwrap(), &kernel("x86_64")), Err(BtfError::TooLarge { .. })));
    }
}
