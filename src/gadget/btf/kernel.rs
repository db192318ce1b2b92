//! The running kernel's types, from wherever they can be had, and those of its modules, read only when asked for.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{self, OsRelease};
use super::{Btf, BtfError, Kind};
use crate::gadget::elf;
use crate::kernel::{features, host_path};

/// Most modules whose types are looked at, in the order of their names.
const MAX_MODULES: usize = 1024;
const MAX_OS_RELEASE: u64 = 64 << 10;

/// Where the kernel's types may be.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the kernel itself offers them: `vmlinux`, and a file per module.
    pub folder: PathBuf,
    /// ELF or raw BTF files of the kernel, tried in this order.
    pub files: Vec<PathBuf>,
    /// Which kernel runs, to find it in an image's archive.
    pub running: OsRelease,
}

impl Places {
    /// This machine's, those of the host when we run in a container.
    pub fn here() -> Self {
        let release = features::kernel_release();
        let folder = Path::new(features::KERNEL_BTF).parent().unwrap_or(Path::new("/")).to_owned();
        let files = [
            format!("/boot/vmlinux-{release}"),
            format!("/lib/modules/{release}/vmlinux-{release}"),
            format!("/lib/modules/{release}/vmlinux"),
            format!("/lib/modules/{release}/build/vmlinux"),
            format!("/usr/lib/modules/{release}/kernel/vmlinux"),
            format!("/usr/lib/debug/boot/vmlinux-{release}"),
            format!("/usr/lib/debug/boot/vmlinux-{release}.debug"),
            format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
        ];
        let text =
            read_short(&host_path(Path::new("/etc/os-release"))).or_else(|| read_short(&host_path(Path::new("/usr/lib/os-release"))));
        let running = OsRelease::parse(&text.unwrap_or_default(), std::env::consts::ARCH, &release);
        Places { folder, files: files.iter().map(|f| host_path(Path::new(f))).collect(), running }
    }
}

fn read_short(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_OS_RELEASE).read_to_string(&mut text).ok().map(|_| text)
}

/// The kernel's types. They can be asked whatever [`Btf`] can; modules only when told so.
#[derive(Debug)]
pub struct KernelTypes {
    base: Arc<Btf<'static>>,
    /// Where modules have theirs; none when the types are not the kernel's own.
    modules: Option<PathBuf>,
    /// Whether the ids are those that the running kernel knows.
    native: bool,
}

/// A kernel module's types.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its types, which refer to the kernel's.
    pub btf: Btf<'static>,
}

/// A type found in a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InModule {
    /// The module.
    pub module: String,
    /// The type's id, as the kernel counts them in that module.
    pub id: u32,
}

impl Deref for KernelTypes {
    type Target = Btf<'static>;

    fn deref(&self) -> &Btf<'static> {
        &self.base
    }
}

impl KernelTypes {
    /// Reads them: from the kernel, else from the archive that a gadget brings, else from the kernel's file.
    ///
    /// # Errors
    /// When none of them has them, or the first one that has them is broken.
    pub fn read(places: &Places, archive: Option<&[u8]>) -> Result<Self, BtfError> {
        let native = places.folder.join("vmlinux");
        if native.exists() {
            let base = Arc::new(Btf::read(&native)?);
            return Ok(KernelTypes { base, modules: Some(places.folder.clone()), native: true });
        }
        let foreign = |btf, native| KernelTypes { base: Arc::new(btf), modules: None, native };
        let mut missing = BtfError::NoKernel { path: native };
        if let Some(archive) = archive {
            match archive::find(archive, &places.running) {
                Ok(btf) => return Ok(foreign(btf, false)),
                Err(error) => missing = error,
            }
        }
        for file in places.files.iter().filter(|f| f.exists()) {
            match read_file(file) {
                // A kernel built with types has the same in its file, whether or not we see its /sys.
                Ok(btf) => return Ok(foreign(btf, true)),
                Err(error) => tracing::warn!(file = %file.display(), %error, "kernel file without usable types"),
            }
        }
        Err(missing)
    }

    /// Of these types, without modules. For tests and tools.
    pub fn of(btf: Btf<'static>) -> Self {
        KernelTypes { base: Arc::new(btf), modules: None, native: true }
    }

    /// Whether ids of these types mean something to the running kernel: it can be asked to hook into them.
    pub fn is_native(&self) -> bool {
        self.native
    }

    /// The modules' types, read one after the other as the iterator goes; those that cannot be read are left out.
    pub fn modules(&self) -> impl Iterator<Item = Module> {
        let folder = self.modules.clone().unwrap_or_default();
        let names = self.modules.as_deref().map(module_names).unwrap_or_default();
        names.into_iter().filter_map(move |name| match Btf::read_split(&folder.join(&name), self.base.clone()) {
            Ok(btf) => Some(Module { name, btf }),
            Err(error) => {
                tracing::debug!(module = name, %error, "module without usable types");
                None
            }
        })
    }

    /// The first module that has a type of this name and kind of its own.
    pub fn find_in_modules(&self, name: &str, kind: Kind) -> Option<InModule> {
        self.modules().find_map(|module| Some(InModule { id: module.btf.find(name, kind)?, module: module.name }))
    }

    /// Types to relocate against: those of these names, from the kernel, or else from the modules that have them.
    ///
    /// # Errors
    /// When types refer to nothing or the result would be too large.
    pub fn subset_with_modules(&self, names: &BTreeSet<&str>) -> Result<Btf<'static>, BtfError> {
        let mut subset = Btf::empty();
        let found = self.base.subset_into(names, &mut subset)?;
        let missing: BTreeSet<&str> = names.difference(&found).copied().collect();
        if missing.is_empty() {
            return Ok(subset);
        }
        for module in self.modules() {
            module.btf.subset_into(&missing, &mut subset)?;
        }
        Ok(subset)
    }
}

fn module_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).filter(|n| n != "vmlinux").collect();
    names.sort_unstable();
    names.truncate(MAX_MODULES);
    names
}

/// Raw BTF, or the `.BTF` section of an ELF file of any size.
fn read_file(path: &Path) -> Result<Btf<'static>, BtfError> {
    let unreadable = |source| BtfError::Unreadable { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let Some((start, len)) = elf::find_section(&mut file, ".BTF").map_err(unreadable)? else { return Btf::read(path) };
    let mut window = elf::Window::new(file, start);
    Btf::load(&mut window, usize::try_from(len).unwrap_or(usize::MAX), None, unreadable)
}

#[cfg(test)]
mod tests {
    use super::super::encode_info;
    use super::*;

    fn raw(kind: Kind, len: u16, name: u32, words: &[u32]) -> Vec<u8> {
        [name, encode_info(kind, false, len)].iter().chain(words).flat_map(|w| w.to_le_bytes()).collect()
    }

    /// A kernel with an int and a struct, and a module with a struct of both and a function.
    fn kernel(folder: &Path) {
        let mut base = Btf::empty();
        let names = ["int", "device", "x"].map(|n| base.add_string(n).unwrap());
        base.add_type(&raw(Kind::Int, 0, names[0], &[4, 1 << 24 | 32])).unwrap();
        base.add_type(&raw(Kind::Struct, 1, names[1], &[4, names[2], 1, 0])).unwrap();
        std::fs::write(folder.join("vmlinux"), base.to_bytes()).unwrap();
        let at = base.to_bytes().len() as u32 - 24 - (16 + 24);
        let strings = b"driver\0count\0drive\0";
        let (driver, count, drive) = (at, at + 7, at + 13);
        let mut types = raw(Kind::Struct, 2, driver, &[8, names[2], 2, 0, count, 1, 32]);
        types.extend(raw(Kind::FuncProto, 0, 0, &[1]));
        types.extend(raw(Kind::Func, 1, drive, &[4]));
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types.len(), types.len(), strings.len()] {
            blob.extend_from_slice(&(word as u32).to_le_bytes());
        }
        blob.extend(types);
        blob.extend_from_slice(strings);
        std::fs::write(folder.join("driver"), blob).unwrap();
    }

    fn places(folder: &Path) -> Places {
        Places { folder: folder.to_owned(), files: Vec::new(), running: OsRelease::default() }
    }

    /// A module's types continue the kernel's: names and members are found on both sides.
    #[test]
    fn reads_modules() {
        let folder = tempfile::tempdir().unwrap();
        kernel(folder.path());
        let types = KernelTypes::read(&places(folder.path()), None).unwrap();
        assert!(types.is_native() && types.find("driver", Kind::Struct).is_none());
        assert_eq!(types.find_in_modules("driver", Kind::Struct), Some(InModule { module: "driver".to_owned(), id: 3 }));
        assert_eq!(types.find_in_modules("drive", Kind::Func).unwrap().id, 5);
        assert_eq!(types.find_in_modules("device", Kind::Struct), None);
        let module = types.modules().next().unwrap();
        let members: Vec<_> = module
            .btf
            .get(3)
            .unwrap()
            .members()
            .map(|m| (module.btf.string(m.name).unwrap().to_owned(), module.btf.name(m.type_id).to_owned()))
            .collect();
        assert_eq!(members, [("x".to_owned(), "device".to_owned()), ("count".to_owned(), "int".to_owned())]);
    }

    /// A type that only a module has is in what is relocated against, with the kernel's types that it holds.
    #[test]
    fn relocates_against_modules() {
        let folder = tempfile::tempdir().unwrap();
        kernel(folder.path());
        let types = KernelTypes::read(&places(folder.path()), None).unwrap();
        let subset = types.subset_with_modules(&BTreeSet::from(["driver"])).unwrap();
        let members: Vec<u32> = subset.get(subset.structure("driver").unwrap()).unwrap().members().map(|m| m.type_id).collect();
        assert_eq!((subset.name(members[0]), subset.name(members[1]), subset.size(members[0]).unwrap()), ("device", "int", 4));
        aya_obj::btf::Btf::parse(&subset.to_bytes(), Default::default()).unwrap();
    }

    /// Without types of the kernel's own its file is read, ELF or raw, and what has none is passed over; with nothing, it says so.
    #[test]
    fn reads_the_kernels_file() {
        let folder = tempfile::tempdir().unwrap();
        kernel(folder.path());
        let bytes = std::fs::read(folder.path().join("vmlinux")).unwrap();
        let (raw, image, bad) = (folder.path().join("raw"), folder.path().join("elf"), folder.path().join("bad"));
        std::fs::write(&raw, &bytes).unwrap();
        std::fs::write(&bad, b"nothing of that kind").unwrap();
        std::fs::write(&image, elf::large::tests::with_section(".BTF", &bytes)).unwrap();
        let mut places = places(Path::new("/nowhere"));
        assert!(matches!(KernelTypes::read(&places, None), Err(BtfError::NoKernel { .. })));
        for file in [raw, image] {
            places.files = vec![bad.clone(), file];
            let types = KernelTypes::read(&places, None).unwrap();
            assert!(types.structure("device").is_some() && types.modules().next().is_none());
        }
    }
}
