//! Follows what a component instantiates, through its index spaces, from section to section.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Element, ElementItems, ElementKind, Instance, MemoryType, Parser, Payload,
    Result, SectionLimited, Table,
};

use super::Needs;
use crate::sandbox::limits::TABLE_ELEMENT;

/// Bytes of one page of a linear memory, as a power of two.
const PAGE: u32 = 16;

/// Bytes that the engine keeps for a segment that is not of a table yet, and for each of its entries.
const SEGMENT: u64 = 32;
const ENTRY: u64 = 16;

/// Bytes that it keeps for a global.
const GLOBAL: u64 = 16;

/// What is being read, from the outside in.
pub(super) struct Reader {
    outer: Vec<Scope>,
    scope: Scope,
    /// As large as each module of the file, of which one may be passed on to where its name is not known any more.
    largest_module: Needs,
}

/// A component that is being read, or a module: what it can instantiate, by index, and what it needs itself.
#[derive(Default)]
struct Scope {
    modules: Vec<Needs>,
    components: Vec<Needs>,
    needs: Needs,
    is_module: bool,
}

impl Reader {
    pub(super) fn read(wasm: &[u8]) -> Result<Needs> {
        // What comes last may be passed on to what comes first: read twice.
        let first = Self::read_with(wasm, Needs::default())?;
        let second = Self::read_with(wasm, first.largest_module)?;
        Ok(second.scope.needs)
    }

    fn read_with(wasm: &[u8], largest_module: Needs) -> Result<Self> {
        let mut reader = Self {
            outer: Vec::new(),
            scope: Scope::default(),
            largest_module,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ModuleSection { .. } => reader.enter(true),
                Payload::ComponentSection { .. } => reader.enter(false),
                Payload::End(_) => {
                    let Some(parent) = reader.outer.pop() else {
                        break;
                    };
                    reader.leave(parent);
                }
                payload => reader.section(&payload)?,
            }
            if reader.outer.len() > Needs::MOST_DEPTH {
                // Whatever else there is.
                reader.scope.needs.depth = reader.outer.len();
                break;
            }
        }
        Ok(reader)
    }

    fn enter(&mut self, is_module: bool) {
        let inner = Scope {
            is_module,
            ..Scope::default()
        };
        self.outer.push(std::mem::replace(&mut self.scope, inner));
    }

    fn leave(&mut self, mut parent: Scope) {
        let needs = self.scope.needs;
        if self.scope.is_module {
            self.largest_module = self.largest_module.or_more(&needs);
            parent.modules.push(needs);
        } else {
            parent.components.push(needs);
        }
        self.scope = parent;
    }

    /// Of a component's sections, what they make of its index spaces has to be followed.
    fn section(&mut self, payload: &Payload<'_>) -> Result<()> {
        let needs = &mut self.scope.needs;
        match payload {
            Payload::MemorySection(memories) => {
                each(memories, |memory| needs.add(&of_memory(&memory)))
            }
            Payload::TableSection(tables) => each(tables, |table| needs.add(&of_table(&table))),
            Payload::GlobalSection(globals) => {
                needs.add(&held(u64::from(globals.count()) * GLOBAL));
                Ok(())
            }
            Payload::ElementSection(segments) => {
                each(segments, |segment| needs.add(&of_segment(&segment)))
            }
            Payload::InstanceSection(instances) => {
                each(instances, |instance| self.scope.instance(&instance))
            }
            Payload::ComponentInstanceSection(instances) => each(instances, |instance| {
                self.scope.component_instance(&instance)
            }),
            Payload::ComponentImportSection(imports) => each(imports, |import| match import.ty {
                ComponentTypeRef::Module(_) => self.unknown(ComponentExternalKind::Module),
                ComponentTypeRef::Component(_) => self.unknown(ComponentExternalKind::Component),
                _ => self.scope.part(),
            }),
            Payload::ComponentExportSection(exports) => each(exports, |export| {
                self.scope.repeat(export.kind, export.index)
            }),
            Payload::ComponentAliasSection(aliases) => each(aliases, |alias| self.alias(&alias)),
            Payload::ComponentCanonicalSection(functions) => each(functions, |_| self.scope.part()),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => self.unknown(kind),
            ComponentAlias::Outer { kind, count, index } => self.outer_alias(kind, count, index),
            ComponentAlias::CoreInstanceExport { .. } => self.scope.part(),
        }
    }

    /// Something of that kind that came from elsewhere.
    fn unknown(&mut self, kind: ComponentExternalKind) {
        self.scope.part();
        match kind {
            ComponentExternalKind::Module => self.scope.modules.push(self.largest_module),
            ComponentExternalKind::Component => self.scope.components.push(Needs::UNKNOWN),
            _ => {}
        }
    }

    /// Something of a component around this one, `count` steps out.
    fn outer_alias(&mut self, kind: ComponentOuterAliasKind, count: u32, index: u32) {
        self.scope.part();
        let from = match count.checked_sub(1) {
            None => Some(&self.scope),
            Some(count) => self.outer.iter().rev().nth(count as usize),
        };
        let modules = from.and_then(|from| at(&from.modules, index)).copied();
        let components = from.and_then(|from| at(&from.components, index)).copied();
        match kind {
            ComponentOuterAliasKind::CoreModule => {
                self.scope.modules.push(modules.unwrap_or_default())
            }
            ComponentOuterAliasKind::Component => {
                self.scope.components.push(components.unwrap_or_default());
            }
            _ => {}
        }
    }
}

impl Scope {
    /// One thing more that a component is made of.
    fn part(&mut self) {
        self.parts(1);
    }

    fn parts(&mut self, count: usize) {
        self.needs.parts = self.needs.parts.saturating_add(count as u64);
    }

    fn instance(&mut self, instance: &Instance<'_>) {
        match instance {
            Instance::Instantiate { module_index, args } => {
                self.parts(1 + args.len());
                if let Some(module) = at(&self.modules, *module_index).copied() {
                    self.needs.add(&module);
                }
                self.needs.instances = self.needs.instances.saturating_add(1);
            }
            Instance::FromExports(exports) => self.parts(1 + exports.len()),
        }
    }

    fn component_instance(&mut self, instance: &ComponentInstance<'_>) {
        match instance {
            ComponentInstance::Instantiate {
                component_index,
                args,
            } => {
                self.parts(1 + args.len());
                if let Some(component) = at(&self.components, *component_index).copied() {
                    self.needs.add(&component);
                }
            }
            ComponentInstance::FromExports(exports) => self.parts(1 + exports.len()),
        }
    }

    /// What is exported has a second index.
    fn repeat(&mut self, kind: ComponentExternalKind, index: u32) {
        self.part();
        let of_its_kind = match kind {
            ComponentExternalKind::Module => &mut self.modules,
            ComponentExternalKind::Component => &mut self.components,
            _ => return,
        };
        let needs = at(of_its_kind, index).copied().unwrap_or_default();
        of_its_kind.push(needs);
    }
}

fn of_memory(memory: &MemoryType) -> Needs {
    let page = 1_u64 << memory.page_size_log2.unwrap_or(PAGE).min(PAGE);
    Needs {
        bytes: memory.initial.saturating_mul(page),
        memories: 1,
        ..Needs::default()
    }
}

fn of_table(table: &Table<'_>) -> Needs {
    let elements = table.ty.initial;
    Needs {
        bytes: elements.saturating_mul(TABLE_ELEMENT as u64),
        tables: 1,
        largest_table: elements,
        ..Needs::default()
    }
}

/// A segment that is copied to a table at once is not kept.
fn of_segment(segment: &Element<'_>) -> Needs {
    let entries = match (&segment.kind, &segment.items) {
        (ElementKind::Passive, ElementItems::Functions(items)) => items.count(),
        (ElementKind::Passive, ElementItems::Expressions(_, items)) => items.count(),
        (ElementKind::Active { .. } | ElementKind::Declared, _) => return Needs::default(),
    };
    held(SEGMENT + u64::from(entries) * ENTRY)
}

/// What the host keeps, of its own memory.
fn held(bytes: u64) -> Needs {
    Needs {
        bytes,
        held: bytes,
        ..Needs::default()
    }
}

fn each<'a, T: wasmparser::FromReader<'a>>(
    section: &SectionLimited<'a, T>,
    mut read: impl FnMut(T),
) -> Result<()> {
    for item in section.clone() {
        read(item?);
    }
    Ok(())
}

fn at(all: &[Needs], index: u32) -> Option<&Needs> {
    all.get(index as usize)
}
