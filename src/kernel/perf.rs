//! Perf events that programs are attached to: tracepoints, kprobes, uprobes, the sampling clock.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::bpf;

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const SOFTWARE_BPF_OUTPUT: u64 = 10;
const FORMAT_LOST: u64 = 1 << 4;
const SAMPLE_RAW: u64 = 1 << 10;
const FLAG_FREQUENCY: u64 = 1 << 10;
const OPEN_CLOEXEC: libc::c_long = 8;
const IOC_ENABLE: u64 = 0x2400;
const IOC_DISABLE: u64 = 0x2401;
const IOC_SET_BPF: u64 = 0x4004_2408;
const KPROBE_PMU: &str = "/sys/bus/event_source/devices/kprobe/type";
const UPROBE_PMU: &str = "/sys/bus/event_source/devices/uprobe/type";

/// The first 72 bytes of `struct perf_event_attr`, as its first version had them.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
    config2: u64,
}

/// An event for a tracepoint by id.
///
/// # Errors
/// The kernel's.
pub fn tracepoint(id: u64) -> io::Result<OwnedFd> {
    open(Attributes { kind: TYPE_TRACEPOINT, config: id, sample_period: 1, sample_type: SAMPLE_RAW, ..Attributes::default() }, None)
}

/// An event for entry into a kernel function, or the return from it.
///
/// # Errors
/// Unsupported when the kernel offers no such events (4.17 and newer do, if they have kprobes at all), NotFound when it has no such function, else the kernel's.
pub fn kprobe(function: &CStr, on_return: bool) -> io::Result<OwnedFd> {
    let missing = |_| io::Error::new(io::ErrorKind::Unsupported, "the kernel has no kprobes (CONFIG_KPROBES, 4.17 or newer)");
    let text = std::fs::read_to_string(KPROBE_PMU).map_err(missing)?;
    let kind = text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{KPROBE_PMU}: {text:?}")))?;
    open(Attributes { kind, config: u64::from(on_return), config1: function.as_ptr() as u64, ..Attributes::default() }, None)
}

/// An event for the instruction at `offset` of a file, or for the return from the function that begins there. `semaphore` is the offset of a
/// counter in the file that the kernel keeps above zero meanwhile; 0 for none (4.20 and newer, the first 4 GiB of the file).
///
/// # Errors
/// Unsupported when the kernel has no uprobes, InvalidInput for a counter too far behind, else the kernel's.
pub fn uprobe(file: &CStr, offset: u64, semaphore: u64, on_return: bool) -> io::Result<OwnedFd> {
    let missing = |_| io::Error::new(io::ErrorKind::Unsupported, "the kernel has no uprobes (CONFIG_UPROBES)");
    let text = std::fs::read_to_string(UPROBE_PMU).map_err(missing)?;
    let kind = text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{UPROBE_PMU}: {text:?}")))?;
    let semaphore = u32::try_from(semaphore).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let config = u64::from(on_return) | u64::from(semaphore) << 32;
    open(Attributes { kind, config, config1: file.as_ptr() as u64, config2: offset, ..Attributes::default() }, None)
}

/// An event that samples `cpu` by its clock, `frequency` times a second.
///
/// # Errors
/// The kernel's.
pub fn cpu_clock(cpu: u32, frequency: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: TYPE_SOFTWARE,
        sample_period: frequency,
        sample_type: SAMPLE_RAW,
        flags: FLAG_FREQUENCY,
        ..Attributes::default()
    };
    open(attributes, Some(cpu))
}

/// An event on `cpu` into whose buffer programs can write samples, and whether [`lost`] can be asked of it.
/// It is announced as readable at each sample.
///
/// # Errors
/// The kernel's; ENODEV when the CPU is offline.
pub fn output(cpu: u32) -> io::Result<(OwnedFd, bool)> {
    let attributes = |read_format| Attributes {
        kind: TYPE_SOFTWARE,
        config: SOFTWARE_BPF_OUTPUT,
        sample_period: 1,
        sample_type: SAMPLE_RAW,
        read_format,
        wakeup_events: 1,
        ..Attributes::default()
    };
    match open(attributes(FORMAT_LOST), Some(cpu)) {
        // Before 6.0.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => open(attributes(0), Some(cpu)).map(|event| (event, false)),
        other => other.map(|event| (event, true)),
    }
}

/// Samples of an event that found no room.
///
/// # Errors
/// The kernel's.
pub fn lost(event: BorrowedFd<'_>) -> io::Result<u64> {
    let mut values = [0u64; 2];
    // SAFETY: the buffer is as long as stated. An event with this read format has two numbers: its count, and what it lost.
    let read = unsafe { libc::read(event.as_raw_fd(), values.as_mut_ptr().cast(), size_of_val(&values)) };
    if read < 0 { Err(io::Error::last_os_error()) } else { Ok(values[1]) }
}

/// Runs a program on an event. Closing the returned descriptors, in their order, ends that.
///
/// # Errors
/// The kernel's.
pub fn attach(program: BorrowedFd<'_>, event: OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut held = Vec::with_capacity(2);
    match bpf::link_create(program, Some(event.as_fd()), bpf::PERF_EVENT) {
        Ok(link) => held.push(link),
        // Before 5.15 there are no links to perf events.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => ioctl(event.as_fd(), IOC_SET_BPF, program.as_raw_fd())?,
        Err(error) => return Err(error),
    }
    ioctl(event.as_fd(), IOC_ENABLE, 0)?;
    held.push(event);
    Ok(held)
}

/// Stops an event: its program runs no more.
///
/// # Errors
/// The kernel's.
pub fn disable(event: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(event, IOC_DISABLE, 0)
}

fn open(mut attributes: Attributes, cpu: Option<u32>) -> io::Result<OwnedFd> {
    attributes.size = size_of::<Attributes>() as u32;
    let cpu = cpu.map_or(0, libc::c_long::from);
    let (all, no_group): (libc::c_long, libc::c_long) = (-1, -1);
    // SAFETY: the structure is as long as its `size` says; config1 points to a string that the caller keeps.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, all, cpu, no_group, OPEN_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn ioctl(event: BorrowedFd<'_>, request: u64, argument: i32) -> io::Result<()> {
    // SAFETY: both requests take a number, not a pointer.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
