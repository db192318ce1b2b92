//! Stacks: `gadget_kernel_stack` gets a text beside it, `gadget_user_stack` three below it. Their addresses are in maps of the gadget.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Once};

use super::rules;
use crate::batch::{Decode, Field, FieldId, FieldSpec, Kind, SchemaBuilder, Source};
use crate::component::BindError;
use crate::decoder::stack::{Addresses, BuildIds, KernelStack, Layout, StackMap, StackMapError, UserSymbols};
use crate::kernel::kallsyms::Symbols;

const KERNEL_STACK: &str = "gadget_kernel_stack";
const USER_STACK: &str = "gadget_user_stack";
const KERNEL_MAP: &str = "ig_kstack";
const USER_MAP: &str = "ig_ustack";
const BUILD_ID_MAP: &str = "ig_build_id";

/// The maps that stacks may be in.
#[derive(Default)]
pub(super) struct Maps {
    /// Whether there is a gadget that has been asked for them. Without one, fields are added whose texts are empty.
    loaded: bool,
    kernel: Option<OwnedFd>,
    user: Option<OwnedFd>,
    build_ids: Option<OwnedFd>,
}

impl Maps {
    pub fn of(map: &dyn Fn(&str) -> Option<OwnedFd>) -> Self {
        Maps { loaded: true, kernel: map(KERNEL_MAP), user: map(USER_MAP), build_ids: map(BUILD_ID_MAP) }
    }

    /// Adds the texts of every stack of `schema`.
    pub fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        self.kernel_stacks(schema)?;
        self.user_stacks(schema)
    }

    fn kernel_stacks(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        let fields = of_type(schema, KERNEL_STACK);
        let Some(first) = fields.first().and_then(|id| schema.field(*id)) else { return Ok(()) };
        let decoder: Arc<dyn Decode> = if self.loaded {
            let map = needed(self.kernel.take(), first, KERNEL_MAP, "gadget/kernel_stack_map.h")?;
            Arc::new(KernelStack::new(StackMap::addresses(KERNEL_MAP, map).map_err(unusable)?, symbols()))
        } else {
            Arc::new(Nothing)
        };
        for id in fields {
            super::hide(schema, id);
            let Some(field) = schema.field(id).filter(|f| rules::any_4(f.kind)) else { continue };
            let Some(target) = rules::target(field, "ebpf.formatter.kstack") else {
                tracing::warn!(
                    field = field.name,
                    "kernel stack has neither the annotation ebpf.formatter.kstack nor a name that ends in _raw, it stays a number"
                );
                continue;
            };
            let name = super::sibling(field, target);
            let source = Source::Decoded { from: id, decoder: decoder.clone() };
            schema.add(FieldSpec::new(name, Kind::Text, source).order(field.order))?;
        }
        Ok(())
    }

    fn user_stacks(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError> {
        let fields = of_type(schema, USER_STACK);
        let Some(first) = fields.first().and_then(|id| schema.field(*id)) else { return Ok(()) };
        let map = match self.loaded {
            true => Some(
                StackMap::addresses(USER_MAP, needed(self.user.take(), first, USER_MAP, "gadget/user_stack_map.h")?).map_err(unusable)?,
            ),
            false => None,
        };
        let build_ids = self.build_ids.take().map(|map| StackMap::build_ids(BUILD_ID_MAP, map)).transpose().map_err(unusable)?;
        for id in fields {
            super::hide(schema, id);
            let Some((field, layout)) = schema.field(id).and_then(|f| Some((f, layout(schema, f)?))) else { continue };
            let (name, order) = (field.name.clone(), field.order);
            let texts: [(&str, Arc<dyn Decode>); 3] = match &map {
                Some(map) => [
                    ("addresses", Arc::new(Addresses(layout, map.clone()))),
                    ("buildid", Arc::new(BuildIds(layout, build_ids.clone()))),
                    ("symbols", Arc::new(UserSymbols(layout, map.clone()))),
                ],
                None => [("addresses", Arc::new(Nothing)), ("buildid", Arc::new(Nothing)), ("symbols", Arc::new(Nothing))],
            };
            for (leaf, decoder) in texts {
                let mut text = FieldSpec::new(format!("{name}.{leaf}"), Kind::Text, Source::Decoded { from: id, decoder });
                text.tags = vec![format!("name:{leaf}"), "operator:ustack".to_owned()];
                schema.add(text.hidden(true).order(order))?;
            }
        }
        Ok(())
    }
}

/// The text of a stack of a gadget that is not loaded.
struct Nothing;

impl Decode for Nothing {
    fn decode(&self, _raw: &[u8], _out: &mut Vec<u8>) {}
}

fn of_type(schema: &SchemaBuilder, type_name: &str) -> Vec<FieldId> {
    schema.iter().filter(|(_, f)| f.has_type(type_name)).map(|(id, _)| id).collect()
}

/// Where the members are: the struct has grown over time, so their places come from the object's types.
fn layout(schema: &SchemaBuilder, stack: &Field) -> Option<Layout> {
    let Source::Row { offset: start, .. } = stack.source else { return None };
    let member = |leaf: &str, kind: Kind| {
        let field = schema.find(&format!("{}.{leaf}", stack.name)).and_then(|id| schema.field(id))?;
        match field.source {
            Source::Row { offset, .. } if field.kind == kind => offset.checked_sub(start).map(|at| at as usize),
            _ => None,
        }
    };
    let found = member("inode", Kind::Uint(8)).zip(member("stack_id", Kind::Uint(4)));
    if found.is_none() {
        tracing::warn!(field = stack.name, "user stack lacks inode or stack_id, it has no text");
    }
    found.map(|(inode, stack_id)| Layout { inode, stack_id })
}

fn needed(map: Option<OwnedFd>, field: &Field, name: &str, header: &str) -> Result<OwnedFd, BindError> {
    let problem = || format!("is a stack, but the gadget has no map {name:?}: its program has to include <{header}>");
    map.ok_or_else(|| BindError::Field { field: field.name.clone(), problem: problem() })
}

fn unusable(error: StackMapError) -> BindError {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    BindError::Invalid(format!("{error}{cause}"))
}

/// The kernel's symbols; without them stacks are shown as addresses, which is said once.
fn symbols() -> Option<&'static Symbols> {
    static WARNING: Once = Once::new();
    match Symbols::shared() {
        Ok(symbols) if symbols.are_hidden() => {
            WARNING.call_once(|| {
                tracing::warn!("the kernel hides its addresses (kernel.kptr_restrict), kernel stacks are shown as addresses")
            });
            None
        }
        Ok(symbols) => Some(symbols),
        Err(error) => {
            WARNING.call_once(|| tracing::warn!(%error, "/proc/kallsyms cannot be read, kernel stacks are shown as addresses"));
            None
        }
    }
}
