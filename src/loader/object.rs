//! From an object's bytes to programs in the kernel, driven step by step through aya-obj.
//!
//! aya's own loader parses the kernel's whole BTF on every call (25 ms and 13 MB) and can share a map only through bpffs.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use aya::maps::MapData;
use aya_obj::Object;
use aya_obj::btf::Btf;
use aya_obj::generated::bpf_insn;

use super::error::LoadError;
use super::hook::Hook;
use super::maps::{Maps, Wishes};
use super::packetfilter;
use super::program;
use super::suggest;
use crate::gadget::btf::KernelTypes;
use crate::kernel::{
    module_types, translated,
    verifier::{self, Code, ModuleTypes},
};

/// A program to be loaded.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Its function.
    pub name: String,
    /// Where it will be attached.
    pub hook: Hook,
    /// Whether it may sleep.
    pub sleepable: bool,
    /// Whether it is not to be attached.
    pub disabled: bool,
}

/// A program in the kernel.
pub(super) struct LoadedProgram {
    /// Its function.
    pub name: String,
    /// Where it can be attached.
    pub hook: Hook,
    /// It.
    pub fd: OwnedFd,
    /// With which attach type it was loaded.
    pub attach_type: u32,
    /// Whether it is not to be attached: it is disabled, or parameters have switched off all that it does.
    pub switched_off: bool,
}

/// A prepared object before it is in the kernel.
pub(super) struct Image<'a> {
    /// The gadget's name, for errors.
    pub gadget: &'a str,
    object: Object,
    /// Kernel modules whose functions are called.
    modules: Vec<String>,
    /// What functions are to begin with: packet filters.
    packet_filters: Vec<(String, Vec<bpf_insn>)>,
}

impl<'a> Image<'a> {
    /// Reads the object and writes `globals` into it.
    pub(super) fn parse(gadget: &'a str, bytes: &[u8], globals: &[(String, Vec<u8>)]) -> Result<Self, LoadError> {
        let mut object = Object::parse(bytes).map_err(|e| LoadError::object(format!("read object of gadget {gadget:?}"), e))?;
        let globals = globals.iter().map(|(name, value)| (name.as_str(), (value.as_slice(), true))).collect();
        object.patch_map_data(globals).map_err(|e| LoadError::object(format!("set variables of gadget {gadget:?}"), e))?;
        Ok(Image { gadget, object, modules: Vec::new(), packet_filters: Vec::new() })
    }

    /// With the modules that `prepare` has found, and packet filters by the function that each goes to.
    pub(super) fn with(mut self, modules: Vec<String>, packet_filters: Vec<(String, Vec<bpf_insn>)>) -> Self {
        (self.modules, self.packet_filters) = (modules, packet_filters);
        self
    }

    /// A map's declaration.
    pub(super) fn map(&self, name: &str) -> Option<&aya_obj::Map> {
        self.object.maps.get(name)
    }

    /// All declared maps.
    pub(super) fn maps(&self) -> impl Iterator<Item = (&str, &aya_obj::Map)> {
        self.object.maps.iter().map(|(name, map)| (name.as_str(), map))
    }

    /// Fits the programs to `target`, makes the maps, and loads the wanted programs. Hooks are looked up in `kernel`, which `target` is a part of.
    pub(super) fn load(
        mut self,
        target: Btf,
        kernel: &KernelTypes,
        wishes: &Wishes<'_>,
        wanted: Vec<Wanted>,
    ) -> Result<(Vec<LoadedProgram>, HashMap<String, MapData>), LoadError> {
        let gadget = self.gadget;
        Maps::check(gadget, &self.object.maps, wishes)?;
        let btf = self.load_types()?;
        let fail = |e| LoadError::object(format!("fit object of gadget {gadget:?} to the kernel's types"), e);
        self.object.relocate_btf(&target).map_err(fail)?;
        drop(target);
        for (function, filter) in std::mem::take(&mut self.packet_filters) {
            if !packetfilter::inject(&mut self.object, &function, &filter) {
                let text = format!("gadget {gadget:?} has no function {function:?}, which a packet filter belongs to");
                return Err(LoadError::Invalid(text));
            }
        }
        let maps = Maps::create(gadget, std::mem::take(&mut self.object.maps), wishes, btf.as_ref().map(AsFd::as_fd))?;
        self.bind(&maps)?;
        let programs = self.load_programs(btf.as_ref(), kernel, wanted)?;
        maps.fill_with_programs(gadget, |name| programs.iter().find(|p| p.name == name).map(|p| p.fd.as_fd()))?;
        Ok((programs, maps.into_own()))
    }

    /// The object's own types, in a form this kernel takes.
    fn load_types(&mut self) -> Result<Option<OwnedFd>, LoadError> {
        let gadget = self.gadget;
        let Some(features) = aya::features().btf() else { return Ok(None) };
        let types = self.object.fixup_and_sanitize_btf(features);
        let types = types.map_err(|e| LoadError::object(format!("adapt types of gadget {gadget:?}"), e))?;
        let Some(bytes) = types.map(Btf::to_bytes) else { return Ok(None) };
        match verifier::load_btf(&bytes, &mut []) {
            Ok(fd) => Ok(Some(fd)),
            Err(source) => {
                let mut log = vec![0; 64 << 10];
                let _ = verifier::load_btf(&bytes, &mut log);
                let last = program::last_lines(&log, 1);
                let because = if last.is_empty() { last } else { format!(" ({last})") };
                Err(LoadError::kernel(format!("load types of gadget {gadget:?}{because}"), source))
            }
        }
    }

    fn bind(&mut self, maps: &Maps) -> Result<(), LoadError> {
        let gadget = self.gadget;
        let fail = |e| LoadError::object(format!("link object of gadget {gadget:?}"), e);
        let text: HashSet<usize> = self.object.functions.keys().map(|(section, _)| *section).collect();
        self.object.relocate_maps(maps.bindings(), &text).map_err(fail)?;
        self.object.relocate_calls(&text).map_err(fail)?;
        self.object.sanitize_functions(aya::features());
        Ok(())
    }

    fn load_programs(&self, btf: Option<&OwnedFd>, kernel: &KernelTypes, wanted: Vec<Wanted>) -> Result<Vec<LoadedProgram>, LoadError> {
        let mut loaded = Vec::with_capacity(wanted.len());
        let called = self.modules.iter().map(|m| module_types(m)).collect::<Result<Vec<_>, _>>()?;
        // Index 0 stands for the kernel itself.
        let called: Vec<RawFd> =
            if called.is_empty() { Vec::new() } else { [0].into_iter().chain(called.iter().map(AsRawFd::as_raw_fd)).collect() };
        for wanted in wanted {
            let (attach_to, module) = attach_id(kernel, &wanted.name, &wanted.hook)?;
            let modules = ModuleTypes { attach_to: module.as_ref().map(AsFd::as_fd), called: &called };
            loaded.push(self.load_program(wanted, (attach_to, modules), btf)?);
        }
        Ok(loaded)
    }

    fn load_program(
        &self,
        wanted: Wanted,
        (attach_to, modules): (u32, ModuleTypes<'_>),
        btf: Option<&OwnedFd>,
    ) -> Result<LoadedProgram, LoadError> {
        let Wanted { name, hook, disabled, .. } = wanted;
        let missing = || LoadError::Invalid(format!("gadget {:?} has no program {name:?}", self.gadget));
        let program = self.object.programs.get(&name).ok_or_else(missing)?;
        let function = self.object.functions.get(&program.function_key()).ok_or_else(missing)?;
        let unsupported = || LoadError::Unsupported { program: name.clone(), section: format!("{hook}") };
        let (kind, attach_type) = hook.program_type().ok_or_else(unsupported)?;
        let functions = function.func_info.func_info_bytes();
        let lines = function.line_info.line_info_bytes();
        let code = Code {
            name: &name,
            kind,
            attach_type,
            attach_to,
            flags: if wanted.sleepable { verifier::F_SLEEPABLE } else { 0 },
            instructions: &function.instructions,
            license: &program.license,
            btf: btf.map(AsFd::as_fd),
            functions: (&functions, function.func_info_rec_size),
            lines: (&lines, function.line_info_rec_size),
        };
        let better = hook.many_at_once().map(|attach_type| Code { attach_type, ..code });
        let (fd, attach_type) = match better.and_then(|code| Some((program::try_load(&code, modules).ok()?, code.attach_type))) {
            Some(loaded) => loaded,
            None => (program::load(&code, modules)?, attach_type),
        };
        // A kernel that does not tell is no reason to leave a program out.
        let switched_off = !hook.result_counts() && translated::is_switched_off(fd.as_fd(), &function.instructions).unwrap_or(false);
        Ok(LoadedProgram { name, hook, fd, attach_type, switched_off: switched_off || disabled })
    }
}

/// The kernel's id of the type that stands for a hook, 0 where none is needed, and the types of the module it is in.
fn attach_id(kernel: &KernelTypes, program: &str, hook: &Hook) -> Result<(u32, Option<OwnedFd>), LoadError> {
    let Some((name, kind)) = hook.kernel_type() else { return Ok((0, None)) };
    let missing =
        || LoadError::NoHook { program: program.to_owned(), hook: hook.to_string(), suggestion: suggest::hook(hook, Some(kernel)) };
    if !kernel.is_native() {
        return Err(missing());
    }
    if let Some(id) = kernel.find(&name, kind) {
        return Ok((id, None));
    }
    let found = kernel.find_in_modules(&name, kind).ok_or_else(missing)?;
    Ok((found.id, Some(module_types(&found.module)?)))
}

fn module_types(module: &str) -> Result<OwnedFd, LoadError> {
    module_types::open(module).map_err(|source| LoadError::kernel(format!("open the types of kernel module {module:?}"), source))
}
