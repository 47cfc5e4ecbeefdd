//! What a component begins with: read from its bytes, without running any of it.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Instance, Parser, Payload, Result,
};

use crate::config::{ConfigError, Limits};

/// Bytes of one page of a linear memory, as a power of two.
const PAGE: u32 = 16;

/// What an instance begins with. A number that cannot be read is too small rather than too large: what is more
/// then, the limits of the running instance see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// Bytes of all its linear memories and tables, a table element counting 8.
    pub(crate) bytes: u64,
    pub(crate) memories: u64,
    pub(crate) tables: u64,
    pub(crate) largest_table: u64,
    pub(crate) instances: u64,
}

/// A component that is being read, or a module: what it can instantiate, by index, and what it needs itself.
#[derive(Default)]
struct Scope {
    modules: Vec<Needs>,
    components: Vec<Needs>,
    needs: Needs,
    is_module: bool,
}

impl Needs {
    pub(super) fn of(wasm: &[u8]) -> Result<Self> {
        let mut outer: Vec<Scope> = Vec::new();
        let mut scope = Scope::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ModuleSection { .. } => {
                    outer.push(std::mem::take(&mut scope));
                    scope.is_module = true;
                }
                Payload::ComponentSection { .. } => outer.push(std::mem::take(&mut scope)),
                Payload::End(_) => {
                    let Some(mut parent) = outer.pop() else {
                        return Ok(scope.needs);
                    };
                    let of_its_kind = if scope.is_module {
                        &mut parent.modules
                    } else {
                        &mut parent.components
                    };
                    of_its_kind.push(scope.needs);
                    scope = parent;
                }
                payload => scope.read(&payload, &outer)?,
            }
        }
        Ok(scope.needs)
    }

    fn add(&mut self, other: Option<&Self>) {
        let Some(other) = other else { return };
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.largest_table = self.largest_table.max(other.largest_table);
        self.instances = self.instances.saturating_add(other.instances);
    }

    /// # Errors
    ///
    /// [`ConfigError`], with both numbers, if a component with these needs cannot be served within `limits`.
    pub(crate) fn check(&self, name: &str, limits: &Limits) -> Result<(), ConfigError> {
        let most_elements = limits.max_table_elements.into();
        let rows = [
            (
                self.memories,
                limits.max_memories.into(),
                "memories",
                "max-memories",
            ),
            (
                self.tables,
                limits.max_tables.into(),
                "tables",
                "max-tables",
            ),
            (
                self.largest_table,
                most_elements,
                "elements in a table",
                "max-table-elements",
            ),
            (
                self.instances,
                limits.max_instances.into(),
                "instances",
                "max-instances",
            ),
            (
                self.bytes,
                limits.max_memory,
                "bytes of memory",
                "max-memory",
            ),
        ];
        match rows.into_iter().find(|(needed, most, ..)| needed > most) {
            None => Ok(()),
            Some((needed, most, what, limit)) => Err(ConfigError::new(format!(
                "{name} begins with {needed} {what}, and {limit} is {most}: raise it if you trust the handler"
            ))),
        }
    }
}

impl Scope {
    /// Reads one section. Of those of a component, what it makes of its index spaces has to be followed.
    fn read(&mut self, payload: &Payload<'_>, outer: &[Self]) -> Result<()> {
        match payload {
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(PAGE).min(PAGE);
                    self.needs.add(Some(&Needs {
                        bytes: memory.initial.saturating_mul(page),
                        memories: 1,
                        ..Needs::default()
                    }));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    let elements = table?.ty.initial;
                    self.needs.add(Some(&Needs {
                        bytes: elements.saturating_mul(8),
                        tables: 1,
                        largest_table: elements,
                        ..Needs::default()
                    }));
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        self.needs.add(at(&self.modules, module_index));
                        self.needs.instances = self.needs.instances.saturating_add(1);
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        self.needs.add(at(&self.components, component_index));
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.modules.push(Needs::default()),
                        ComponentTypeRef::Component(_) => self.components.push(Needs::default()),
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    repeat(self, export.kind, export.index);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    self.alias(&alias?, outer);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>, outer: &[Self]) {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Module => self.modules.push(Needs::default()),
                ComponentExternalKind::Component => self.components.push(Needs::default()),
                _ => {}
            },
            ComponentAlias::Outer { kind, count, index } => {
                let from = match count.checked_sub(1) {
                    None => Some(&*self),
                    Some(count) => outer.iter().rev().nth(count as usize),
                };
                let modules = from.and_then(|from| at(&from.modules, index)).copied();
                let components = from.and_then(|from| at(&from.components, index)).copied();
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        self.modules.push(modules.unwrap_or_default());
                    }
                    ComponentOuterAliasKind::Component => {
                        self.components.push(components.unwrap_or_default());
                    }
                    _ => {}
                }
            }
            ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }
}

/// What is exported has a second index.
fn repeat(scope: &mut Scope, kind: ComponentExternalKind, index: u32) {
    let of_its_kind = match kind {
        ComponentExternalKind::Module => &mut scope.modules,
        ComponentExternalKind::Component => &mut scope.components,
        _ => return,
    };
    let needs = at(of_its_kind, index).copied().unwrap_or_default();
    of_its_kind.push(needs);
}

fn at(all: &[Needs], index: u32) -> Option<&Needs> {
    all.get(index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Needs {
        let wasm = wat::parse_str(text).expect("a component");
        Needs::of(&wasm).expect("it can be read")
    }

    #[test]
    fn what_is_instantiated_counts_as_often_as_it_is() {
        let one = "(core module $m (memory 2) (table 10 funcref))";
        assert_eq!(needs(&format!("(component {one})")), Needs::default());
        let twice = needs(&format!(
            "(component {one} (core instance (instantiate $m)) (core instance (instantiate $m)))"
        ));
        let expected = Needs {
            bytes: 2 * (2 * 65_536 + 80),
            memories: 2,
            tables: 2,
            largest_table: 10,
            instances: 2,
        };
        assert_eq!(twice, expected);
    }

    #[test]
    fn components_within_components_are_followed() {
        let nested = needs(
            "(component $outer
               (core module $m (memory 1))
               (component $inner
                 (alias outer $outer $m (core module $same))
                 (core instance (instantiate $same))
                 (core instance (instantiate $same)))
               (instance (instantiate $inner))
               (instance (instantiate $inner))
               (instance (instantiate $inner)))",
        );
        assert_eq!((nested.memories, nested.instances), (6, 6));
        assert_eq!(nested.bytes, 6 * 65_536);
    }

    #[test]
    fn what_doubles_at_every_step_ends_in_a_large_number() {
        let mut text =
            "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))"
                .to_owned();
        for step in 0..80 {
            text = format!(
                "(component $c{} {text} (instance (instantiate $c{step})) (instance (instantiate $c{step})))",
                step + 1
            );
        }
        assert_eq!(needs(&text).instances, u64::MAX);
    }

    #[test]
    fn both_numbers_are_told() {
        let needs = Needs {
            memories: 9,
            ..Needs::default()
        };
        let complaint = needs.check("upper", &Limits::default()).unwrap_err();
        let complaint = complaint.to_string();
        assert!(
            complaint.starts_with("upper begins with 9 memories, and max-memories is 8: "),
            "{complaint}"
        );
    }
}
