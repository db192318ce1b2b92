//! Attaches a program to places in a file.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use crate::kernel::uprobe::{self, Site};
use crate::loader::object::LoadedProgram;

/// What keeps a program attached to some places. Dropping it takes 30 ms for all places of one program, or 70 to 120 ms for each.
pub(super) struct Link {
    _held: Vec<OwnedFd>,
}

/// Attaches a program to places of a file: with one link where it was loaded for that. A place that cannot be probed does not keep the
/// others from it.
pub(super) fn attach(program: &LoadedProgram, file: &File, sites: &[Site], on_return: bool) -> Vec<Link> {
    let Ok(path) = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())) else { return Vec::new() };
    let many = |sites: &[Site]| uprobe::attach_many(program.fd.as_fd(), &path, sites, on_return).map(|link| vec![link]);
    let one = |site: Site| match program.attach_type {
        uprobe::MULTI => many(&[site]),
        _ => uprobe::attach_one(program.fd.as_fd(), &path, site, on_return),
    };
    if program.attach_type == uprobe::MULTI
        && let Ok(held) = many(sites)
    {
        return vec![Link { _held: held }];
    }
    sites.iter().filter_map(|site| linked(program, *site, one(*site))).collect()
}

fn linked(program: &LoadedProgram, site: Site, result: io::Result<Vec<OwnedFd>>) -> Option<Link> {
    match result {
        Ok(held) => Some(Link { _held: held }),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(program = program.name, offset = site.offset, semaphore = site.semaphore, error, "place cannot be probed");
            None
        }
    }
}
