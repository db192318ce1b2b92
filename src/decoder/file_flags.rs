//! `gadget_file_flags`: the flags of `open`. Values of x86 on every architecture, as upstream has them.

use super::unsigned;
use crate::batch::Decode;

/// `O_RDONLY|O_CREAT|O_CLOEXEC`: access mode first, then flags.
pub struct FileFlags;

const ACCESS: [&str; 3] = ["O_RDONLY", "O_WRONLY", "O_RDWR"];

const FLAGS: [(u64, &str); 14] = [
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10000, "O_DSYNC"),
    (0o20000, "O_FASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100000, "O_LARGEFILE"),
    (0o200000, "O_DIRECTORY"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
];

impl Decode for FileFlags {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let flags = unsigned(raw);
        let start = out.len();
        let access = ACCESS.get((flags & 3) as usize);
        let set = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name);
        for name in access.into_iter().chain(set) {
            if out.len() > start {
                out.push(b'|');
            }
            out.extend_from_slice(name.as_bytes());
        }
    }
}
