//! Where in one file the points of several programs are.

use super::bytes::{Bytes, FileError};
use super::elf::Elf;
use super::target::Point;
use super::{go, symbols, usdt};
use crate::kernel::uprobe::Site;

/// The places of each point, in their order; none for what the file does not have.
///
/// # Errors
/// When it is no ELF file, or a broken one.
pub(super) fn locate(bytes: &dyn Bytes, points: &[&Point]) -> Result<Vec<Vec<Site>>, FileError> {
    let elf = Elf::parse(bytes)?;
    let functions = addresses(&elf, points)?;
    let probes = match points.iter().any(|p| p.function().is_none()) {
        true => Some(usdt::Probes::of(&elf)?),
        false => None,
    };
    let sites = |(point, address): (&&Point, Option<u64>)| match point {
        Point::Static { provider, name } => probes.as_ref().map(|p| p.sites(provider, name)).unwrap_or_default(),
        _ => address.and_then(|a| elf.offset_of(a)).map(|offset| Site { offset, semaphore: 0 }).into_iter().collect(),
    };
    Ok(points.iter().zip(functions).map(sites).collect())
}

/// The address of each point that is a function.
fn addresses(elf: &Elf<'_>, points: &[&Point]) -> Result<Vec<Option<u64>>, FileError> {
    let names = |wanted: &dyn Fn(usize, &Point) -> bool| -> Vec<&str> {
        let mut names: Vec<&str> = points.iter().enumerate().filter(|(i, p)| wanted(*i, p)).filter_map(|(_, p)| p.function()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let mut found = vec![None; points.len()];
    let mut fill = |names: &[&str], addresses: Vec<Option<u64>>, goes: fn(&Point) -> bool| {
        for (point, slot) in points.iter().zip(found.iter_mut()).filter(|(point, slot)| slot.is_none() && goes(point)) {
            let index = point.function().and_then(|name| names.binary_search(&name).ok());
            *slot = index.and_then(|i| addresses.get(i).copied().flatten());
        }
    };
    let all = names(&|_, _| true);
    if !all.is_empty() {
        fill(&all, symbols::find(elf, &all)?, |_| true);
    }
    // Not for returns: a Go stack moves, and with it the address that a return probe has put there.
    let is_entry = |p: &Point| matches!(p, Point::Entry(_));
    let missing = names(&|_, p| is_entry(p));
    if !missing.is_empty() {
        match go::find(elf, &missing) {
            Ok(addresses) => fill(&missing, addresses, is_entry),
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "functions of a Go program cannot be read"),
        }
    }
    Ok(found)
}
