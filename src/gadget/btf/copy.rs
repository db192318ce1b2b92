//! Copies of types into another blob: merging and the reduced kernel BTF.

use std::collections::{BTreeSet, HashMap};

use super::edit::{info, put};
use super::types::Type;
use super::{Btf, BtfError, Kind, essential_name};

impl Btf<'_> {
    /// A blob with all types of `self` under their ids, and behind them `roots` of `other` with all they refer to.
    ///
    /// # Errors
    /// When a reference leads nowhere or the result would be too large.
    pub fn merge(&self, other: &Btf<'_>, roots: &[u32]) -> Result<Btf<'static>, BtfError> {
        let mut into = Btf {
            base: self.base.clone(),
            types: self.types.to_vec().into(),
            strings: self.strings.to_vec().into(),
            offsets: self.offsets.clone(),
        };
        Copier::new(other, &mut into, BTreeSet::new(), false).run(roots.to_vec())?;
        Ok(into)
    }

    /// A reduced blob: every type whose name without `___flavour` is in `names`, with the types of its members in full.
    /// Structs that are only pointed at and not in `names` lose their members: CO-RE never looks through a pointer.
    ///
    /// Ids differ from those of `self`, so the result must not be asked for ids the kernel is to understand.
    ///
    /// # Errors
    /// When a reference leads nowhere or the result would be too large.
    pub fn subset(&self, names: &BTreeSet<&str>) -> Result<Btf<'static>, BtfError> {
        let mut into = Btf::empty();
        self.subset_into(names, &mut into)?;
        Ok(into)
    }

    /// Appends a subset to another blob. Says which of the names it had.
    ///
    /// # Errors
    /// As [`Btf::subset`].
    pub fn subset_into<'n>(&self, names: &BTreeSet<&'n str>, into: &mut Btf<'static>) -> Result<BTreeSet<&'n str>, BtfError> {
        let mut roots = Vec::new();
        let mut found = BTreeSet::new();
        let skipped = [Kind::Func, Kind::Var, Kind::Datasec, Kind::DeclTag, Kind::TypeTag].map(|kind| kind as u32);
        for (index, id) in self.ids().enumerate() {
            let Some((name, kind)) = self.head(index) else { break };
            if name == 0 || skipped.contains(&kind) {
                continue;
            }
            if let Some(name) = self.string(name).ok().and_then(|n| names.get(essential_name(n))) {
                found.insert(*name);
                roots.push(id);
            }
        }
        let full = roots.iter().copied().collect();
        Copier::new(self, into, full, true).run(roots)?;
        Ok(found)
    }
}

/// How much of a type is copied.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Full,
    /// A struct or union of the right name and size, without members.
    Hollow,
}

struct Copier<'s, 'a, 'd> {
    from: &'s Btf<'a>,
    into: &'s mut Btf<'d>,
    /// Structs that must not be hollowed.
    full: BTreeSet<u32>,
    hollow: bool,
    /// Source id and depth to new id.
    ids: HashMap<(u32, bool), u32>,
    strings: HashMap<u32, u32>,
    work: Vec<(u32, Depth)>,
    next: u32,
}

impl<'s, 'a, 'd> Copier<'s, 'a, 'd> {
    fn new(from: &'s Btf<'a>, into: &'s mut Btf<'d>, full: BTreeSet<u32>, hollow: bool) -> Self {
        let next = into.len() as u32 + 1;
        Copier { from, into, full, hollow, ids: HashMap::new(), strings: HashMap::new(), work: Vec::new(), next }
    }

    /// New types are written in the order their ids were given out, so the work list is a queue.
    fn run(&mut self, roots: Vec<u32>) -> Result<(), BtfError> {
        for id in roots {
            self.id_of(id, Depth::Full);
        }
        let mut done = 0;
        while let Some(&(id, depth)) = self.work.get(done) {
            done += 1;
            let raw = match depth {
                Depth::Full => self.copy(id)?,
                Depth::Hollow => self.hollow(id)?,
            };
            self.into.add_type(&raw)?;
        }
        Ok(())
    }

    fn id_of(&mut self, id: u32, depth: Depth) -> u32 {
        if id == 0 {
            return 0;
        }
        let depth = if self.full.contains(&id) { Depth::Full } else { depth };
        let next = &mut self.next;
        let work = &mut self.work;
        *self.ids.entry((id, depth == Depth::Hollow)).or_insert_with(|| {
            work.push((id, depth));
            *next += 1;
            *next - 1
        })
    }

    fn text(&mut self, offset: u32) -> Result<u32, BtfError> {
        if let Some(new) = self.strings.get(&offset) {
            return Ok(*new);
        }
        let new = self.into.add_string(self.from.string(offset)?)?;
        self.strings.insert(offset, new);
        Ok(new)
    }

    fn copy(&mut self, id: u32) -> Result<Vec<u8>, BtfError> {
        let from = self.from;
        let t = from.get(id)?;
        let mut raw = from.raw(id)?.to_vec();
        put(&mut raw, 0, self.text(t.name)?);
        if let Some(target) = t.target() {
            let new = self.target(&t, target)?;
            put(&mut raw, 8, new);
        }
        if let Some(array) = t.array() {
            put(&mut raw, 12, self.id_of(array.element, Depth::Full));
            put(&mut raw, 16, self.id_of(array.index, Depth::Full));
        }
        for (i, m) in t.members().enumerate() {
            put(&mut raw, 12 + i * 12, self.text(m.name)?);
            put(&mut raw, 16 + i * 12, self.id_of(m.type_id, Depth::Full));
        }
        let stride = if t.kind == Kind::Enum64 { 12 } else { 8 };
        for (i, v) in t.values().enumerate() {
            put(&mut raw, 12 + i * stride, self.text(v.name)?);
        }
        for (i, p) in t.params().enumerate() {
            put(&mut raw, 12 + i * 8, self.text(p.name)?);
            put(&mut raw, 16 + i * 8, self.id_of(p.type_id, Depth::Full));
        }
        for (i, e) in t.entries().enumerate() {
            put(&mut raw, 12 + i * 12, self.id_of(e.type_id, Depth::Full));
        }
        Ok(raw)
    }

    /// New id of what `t` refers to; behind a pointer, qualifiers are dropped on the way to a hollow struct.
    fn target(&mut self, t: &Type<'_>, target: u32) -> Result<u32, BtfError> {
        if self.hollow && t.kind == Kind::Ptr {
            let pointee = self.from.peel(target)?;
            if self.from.get(pointee)?.kind.is_composite() {
                return Ok(self.id_of(pointee, Depth::Hollow));
            }
        }
        Ok(self.id_of(target, Depth::Full))
    }

    fn hollow(&mut self, id: u32) -> Result<Vec<u8>, BtfError> {
        let t = self.from.get(id)?;
        let (kind, name, size) = (t.kind, t.name, t.word);
        let name = self.text(name)?;
        Ok([name, info(kind, false, 0), size].iter().flat_map(|w| w.to_le_bytes()).collect())
    }
}
