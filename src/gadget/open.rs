//! From an image to a gadget: identity, parameters, programs and data sources.

use super::btf::Btf;
use super::declared::{Cause, Reader};
use super::elf::Elf;
use super::error::GadgetError;
use super::manifest::{Annotation, Manifest};
use super::markers;
use super::params;
use super::polled;
use super::schema::KernelTypes;
use super::{Gadget, ProgramSpec};
use crate::batch::GadgetIdentity;
use crate::image::GadgetImage;

/// Attach target of a program that is loaded but not attached.
const DISABLED: &str = "gadget_program_disabled";

/// Reads an image. Nothing is loaded; `instance` is the name the gadget has in the configuration.
///
/// # Errors
/// When metadata, object or types are broken, or a declaration names something that is not there.
pub fn open(image: &GadgetImage, instance: &str) -> Result<Gadget, GadgetError> {
    open_annotated(image, instance, &[])
}

/// As [`open`], with annotations over those of the metadata.
///
/// # Errors
/// As [`open`].
pub fn open_annotated(image: &GadgetImage, instance: &str, annotations: &[Annotation]) -> Result<Gadget, GadgetError> {
    let name = || image.reference.clone();
    let mut manifest = Manifest::parse(&image.metadata).map_err(|source| GadgetError::Manifest { image: name(), source })?;
    annotations.iter().for_each(|annotation| manifest.annotate(annotation));
    let identity = identity(image, &manifest, instance);
    let (object, btfgen) = (image.ebpf.clone(), image.btfgen.clone());
    let mut gadget = Gadget { identity, manifest, object, btfgen, ..Gadget::default() };
    gadget.missing = polled::missing(&gadget.manifest).chain(image.wasm.is_some().then_some("its WASM module")).collect();
    let polled = polled::sources(&gadget.manifest, &gadget.identity);
    (gadget.sources, gadget.params) = polled.map_err(|source| GadgetError::Polled { image: name(), source })?;
    let Some(bytes) = &image.ebpf else { return Ok(gadget) };
    let elf = Elf::parse(bytes).map_err(|source| GadgetError::Elf { image: name(), source })?;
    let section = elf.section(".BTF").ok_or_else(|| GadgetError::NoBtf { image: name() })?;
    let btf = Btf::parse(section.data).map_err(|source| GadgetError::Btf { image: name(), source })?;
    gadget.programs = programs(&elf, &gadget.manifest);
    gadget.packet_filters = params::packet_filters(&elf);
    gadget.host_variables = markers::host_variables(&btf).into_iter().collect();
    let reader = Reader {
        btf: &btf,
        elf: &elf,
        manifest: &gadget.manifest,
        identity: &gadget.identity,
        programs: &gadget.programs,
        kernel: KernelTypes::default(),
    };
    let declared = reader.read().map_err(|cause| match cause {
        Cause::Btf(source) => GadgetError::Btf { image: name(), source },
        Cause::Fields(source) => GadgetError::Fields { image: name(), source },
        Cause::Declaration(marker, problem) => GadgetError::Declaration { image: name(), marker, problem },
    })?;
    let of_host = params::of_host(&gadget);
    gadget.params.extend(declared.params.into_iter().chain(of_host));
    gadget.sources.extend(declared.sources);
    (gadget.switchable, gadget.targets) = (declared.switchable, declared.targets);
    Ok(gadget)
}

fn identity(image: &GadgetImage, manifest: &Manifest, instance: &str) -> GadgetIdentity {
    GadgetIdentity {
        instance: instance.to_owned(),
        image: image.reference.clone(),
        name: manifest.name.clone(),
        version: image.version.clone(),
        digest: image.digest.clone(),
    }
}

fn programs(elf: &Elf<'_>, manifest: &Manifest) -> Vec<ProgramSpec> {
    let spec = |(name, section): (&str, &str)| {
        let own = section.trim_start_matches('?').split_once('/').map_or("", |(_, target)| target);
        let target = manifest.attach_to(name).filter(|target| !target.is_empty()).unwrap_or(own);
        ProgramSpec { name: name.to_owned(), section: section.to_owned(), target: target.to_owned(), disabled: target == DISABLED }
    };
    elf.programs().map(spec).collect()
}
