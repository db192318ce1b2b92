//! Processes with a root of their own, as containers have one, that call code in the files they see there.

use std::ffi::CString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use gadgetry::container::{Container, RuntimeMeta};

use crate::crafted::{Part, Symbol, elf, go_table, note, symbols};

/// Offsets in the code of [`probed`]: adds one; passes two sites of a static probe; adds two.
pub const PROBED: u64 = 0;
pub const SOLD: u64 = 16;
pub const WORK: u64 = 32;
const SEMAPHORE: usize = 2;
const CODE: [&[u8]; 3] = [&[0x48, 0x8d, 0x47, 0x01, 0xc3], &[0x90, 0x48, 0x89, 0xf8, 0x90, 0xc3], &[0x48, 0x8d, 0x47, 0x02, 0xc3]];
const ADDRESS: u64 = 0x40_1000;
const COUNTERS: u64 = 0x40_3000;
const PAGE: usize = 4096;

fn code() -> Part {
    let padded = CODE.iter().flat_map(|c| c.iter().copied().chain(std::iter::repeat(0xcc)).take(16)).collect();
    Part::new(".text", 1, padded).at(ADDRESS)
}

/// A library whose symbols were stripped: function `probed`, and two sites of probe `shop:sold` with a counter.
pub fn probed() -> Vec<u8> {
    let list: [Symbol; 1] = [("probed", ADDRESS + PROBED, 0x12, 1)];
    let (table, names) = symbols(true, &list);
    let site = |at| note(true, "shop", "sold", [ADDRESS + SOLD + at, 0x10_0000, COUNTERS + SEMAPHORE as u64]);
    elf(
        true,
        &[
            code(),
            Part::new(".probes", 1, vec![0; 16]).at(COUNTERS),
            Part::new(".dynsym", 11, table).of(4),
            Part::new(".dynstr", 3, names),
            Part::new(".stapsdt.base", 1, vec![0]).at(0x10_0000),
            Part::new(".note.stapsdt", 7, [site(0), site(4)].concat()),
        ],
    )
}

/// A Go program without symbols: function `main.work`.
pub fn go_program() -> Vec<u8> {
    let table = go_table(20, ADDRESS, &[("main.main", ADDRESS), ("main.work", ADDRESS + WORK)]);
    elf(true, &[code(), Part::new(".probes", 1, vec![0; 16]).at(COUNTERS), Part::new(".gopclntab", 1, table)])
}

/// Layers of an overlay to be mounted on the root: options for `mount(2)`.
pub type Overlay<'a> = Option<&'a str>;

/// A process in a root and a mount namespace of its own. Dropping it ends it.
pub struct Inside {
    pub pid: u32,
    commands: std::fs::File,
    answers: std::fs::File,
}

impl Inside {
    /// Starts one that has `file` in memory.
    ///
    /// # Errors
    /// The step that failed, numbered, and its error number.
    pub fn start(root: &Path, overlay: Overlay<'_>, file: &str) -> Result<Inside, String> {
        let text = |s: &str| CString::new(s).unwrap();
        let (root, overlay, file) = (text(root.to_str().unwrap()), overlay.map(text), text(file));
        let ((command_out, command_in), (answer_out, answer_in)) = (pipe(), pipe());
        // SAFETY: the child does nothing but system calls until it ends.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: all strings are NUL-terminated, and this is the child, which has one thread.
            unsafe { child(&root, overlay.as_ref(), &file, command_out.as_raw_fd(), answer_in.as_raw_fd()) }
        }
        assert!(pid > 0, "{}", std::io::Error::last_os_error());
        let mut inside = Inside { pid: pid as u32, commands: command_in.into(), answers: answer_out.into() };
        drop((command_out, answer_in));
        match inside.answer() {
            0 => Ok(inside),
            failed => Err(format!("step {} ({})", failed >> 32, std::io::Error::from_raw_os_error(failed as i32))),
        }
    }

    /// As a container of this name.
    pub fn container(&self, name: &str) -> Container {
        let runtime = RuntimeMeta {
            container_id: name.to_owned(),
            container_name: name.to_owned(),
            container_pid: self.pid,
            ..RuntimeMeta::default()
        };
        let namespace = |kind: &str| std::fs::metadata(format!("/proc/{}/ns/{kind}", self.pid)).unwrap().ino();
        Container { runtime, mntns: namespace("mnt"), netns: namespace("net"), ..Container::default() }
    }

    /// Calls the code at an offset with an argument, and returns what it returns.
    pub fn call(&mut self, code: u64, argument: u64) -> u64 {
        self.commands.write_all(&[code.to_ne_bytes(), argument.to_ne_bytes()].concat()).unwrap();
        self.answer()
    }

    /// The counter of the static probe.
    pub fn semaphore(&mut self) -> u64 {
        self.call(u64::MAX, 0)
    }

    fn answer(&mut self) -> u64 {
        let mut answer = [0; 8];
        self.answers.read_exact(&mut answer).unwrap();
        u64::from_ne_bytes(answer)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // SAFETY: a process of our own, not waited for yet.
        unsafe {
            libc::kill(self.pid as i32, libc::SIGKILL);
            libc::waitpid(self.pid as i32, std::ptr::null_mut(), 0);
        }
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: the array has room for both, which nobody else owns.
    unsafe {
        assert_eq!(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    }
}

/// The child's whole life. What it inherited is closed at once: other tests' links would stay open in it.
unsafe fn child(root: &CString, overlay: Option<&CString>, file: &CString, commands: RawFd, answers: RawFd) -> ! {
    // SAFETY: as the caller says.
    unsafe {
        let (high_commands, high_answers) = (libc::fcntl(commands, libc::F_DUPFD, 500), libc::fcntl(answers, libc::F_DUPFD, 500));
        libc::dup2(high_commands, 3);
        libc::dup2(high_answers, 4);
        libc::syscall(libc::SYS_close_range, 5, u32::MAX, 0);
        let step = |number: u64, ok: bool| {
            if !ok {
                let failed = number << 32 | *libc::__errno_location() as u64;
                libc::write(4, (&raw const failed).cast(), 8);
                libc::_exit(1);
            }
        };
        let none = std::ptr::null();
        step(1, libc::unshare(libc::CLONE_NEWNS) == 0);
        step(2, libc::mount(c"none".as_ptr(), c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0);
        if let Some(options) = overlay {
            let name = c"overlay".as_ptr();
            step(3, libc::mount(name, root.as_ptr(), name, 0, options.as_ptr().cast()) == 0);
        }
        step(4, libc::chroot(root.as_ptr()) == 0 && libc::chdir(c"/".as_ptr()) == 0);
        let fd = libc::open(file.as_ptr(), libc::O_RDONLY);
        step(5, fd >= 0);
        let map = |rights, at| libc::mmap(std::ptr::null_mut(), PAGE, rights, libc::MAP_PRIVATE, fd, at);
        let code = map(libc::PROT_READ | libc::PROT_EXEC, PAGE as i64);
        let counters = map(libc::PROT_READ | libc::PROT_WRITE, 2 * PAGE as i64);
        step(6, code != libc::MAP_FAILED && counters != libc::MAP_FAILED);
        let mut answer = 0u64;
        loop {
            libc::write(4, (&raw const answer).cast(), 8);
            let mut command = [0u64; 2];
            if libc::read(3, command.as_mut_ptr().cast(), 16) != 16 {
                libc::_exit(0);
            }
            answer = match command[0] {
                u64::MAX => counters.byte_add(SEMAPHORE).cast::<u16>().read_volatile().into(),
                at => std::mem::transmute::<*mut libc::c_void, extern "C" fn(u64) -> u64>(code.byte_add(at as usize))(command[1]),
            };
        }
    }
}
