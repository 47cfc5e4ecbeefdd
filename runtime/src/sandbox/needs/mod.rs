//! What a component begins with: read from its bytes, without running or compiling any of it.

mod reader;

use wasmparser::Result;

use crate::config::{ConfigError, Limits};
use reader::Reader;

/// What an instance begins with. Where it cannot be read whose module an instance is of, the largest one of the file is
/// taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// Bytes of all its linear memories and tables, a table element counting 8, and `held`.
    pub(crate) bytes: u64,
    /// Bytes that the host keeps beside these, of its own memory, for segments of tables and for globals.
    pub(crate) held: u64,
    pub(crate) memories: u64,
    pub(crate) tables: u64,
    pub(crate) largest_table: u64,
    pub(crate) instances: u64,
    /// What its components are made of, as often as each is instantiated: the engine unfolds all of that.
    parts: u64,
    /// How deep its components lie in each other.
    depth: usize,
}

impl Needs {
    /// More would take the engine more than about 100 MB and a second to unfold. What languages make has thousands.
    const MOST_PARTS: u64 = 250_000;

    /// The engine's time and memory grow with the square of it. Tools make three or four.
    const MOST_DEPTH: usize = 50;

    /// Of a component that nobody can know before it runs.
    const UNKNOWN: Self = Self {
        bytes: 0,
        held: 0,
        memories: 0,
        tables: 0,
        largest_table: 0,
        instances: 0,
        parts: u64::MAX,
        depth: 0,
    };

    /// # Errors
    ///
    /// If the bytes are no component; not all that is wrong with them is seen here.
    pub(super) fn of(wasm: &[u8]) -> Result<Self> {
        Reader::read(wasm)
    }

    fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.held = self.held.saturating_add(other.held);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.largest_table = self.largest_table.max(other.largest_table);
        self.instances = self.instances.saturating_add(other.instances);
        self.parts = self.parts.saturating_add(other.parts);
    }

    /// At least as much of everything.
    fn or_more(self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            held: self.held.max(other.held),
            memories: self.memories.max(other.memories),
            tables: self.tables.max(other.tables),
            largest_table: self.largest_table.max(other.largest_table),
            ..self
        }
    }

    /// # Errors
    ///
    /// [`ConfigError`], with both numbers, if a component with these needs cannot be served within `limits`; without
    /// them, if it would take the engine too long to find out.
    pub(crate) fn check(
        &self,
        name: &str,
        limits: &Limits,
    ) -> std::result::Result<(), ConfigError> {
        self.check_size(name)?;
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

    /// # Errors
    ///
    /// [`ConfigError`], with both numbers, if not even one instance fits into what all may have together.
    pub(crate) fn check_total(
        &self,
        name: &str,
        total: u64,
    ) -> std::result::Result<(), ConfigError> {
        if self.bytes <= total {
            return Ok(());
        }
        Err(ConfigError::new(format!(
            "{name} begins with {} bytes of memory, and max-total-memory is {total}: raise it, or no request is served",
            self.bytes
        )))
    }

    fn check_size(&self, name: &str) -> std::result::Result<(), ConfigError> {
        let complaint = if self.depth > Self::MOST_DEPTH {
            format!(
                "has components in components, more than {} deep",
                Self::MOST_DEPTH
            )
        } else if self.parts > Self::MOST_PARTS {
            format!("unfolds to more than {} parts", Self::MOST_PARTS)
        } else {
            return Ok(());
        };
        Err(ConfigError::new(format!(
            "{name} {complaint}, which no language makes: it is not loaded"
        )))
    }
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
            parts: 2,
            ..Needs::default()
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

    /// Eighty components after the first, each of which instantiates the one before it twice.
    fn doubling(first: &str) -> String {
        let mut text = format!("(component $all (component $c0 {first})");
        for step in 0..80 {
            let twice = "(instance (instantiate $c))".repeat(2);
            let before = format!("(alias outer $all $c{step} (component $c))");
            text += &format!("(component $c{} {before} {twice})", step + 1);
        }
        text + "(instance (instantiate $c80)))"
    }

    #[test]
    fn what_doubles_at_every_step_ends_in_a_large_number() {
        let text = doubling("(core module $m (memory 1)) (core instance (instantiate $m))");
        assert_eq!(needs(&text).instances, u64::MAX);
    }

    #[track_caller]
    fn assert_not_loaded(needs: Needs, why: &str) {
        let refused = needs.check("upper", &Limits::default());
        let complaint = refused.expect_err("it is refused").to_string();
        assert!(complaint.contains(why), "{complaint}");
        assert!(!complaint.contains('\n'), "{complaint}");
    }

    /// Without a module in it, nothing runs; the engine would unfold it all the same.
    #[test]
    fn what_doubles_without_a_module_is_not_loaded() {
        assert_not_loaded(needs(&doubling("")), "unfolds to more than 250000 parts");
    }

    #[test]
    fn what_lies_deep_in_itself_is_not_loaded() {
        let deep = |depth: usize| {
            let text = format!(
                "{}{}",
                "(component ".repeat(depth + 1),
                ")".repeat(depth + 1)
            );
            needs(&text)
        };
        assert!(deep(50).check("upper", &Limits::default()).is_ok());
        assert_not_loaded(deep(51), "more than 50 deep");
    }

    #[test]
    fn a_component_that_comes_from_an_instance_is_not_instantiated() {
        let text = "(component
            (component $outer (component $inner) (export \"c\" (component $inner)))
            (instance $outer (instantiate $outer))
            (alias export $outer \"c\" (component $from-there))
            (instance (instantiate $from-there)))";
        assert_not_loaded(needs(text), "unfolds to more than");
    }

    /// Each instance has a copy of them in the host's memory.
    #[test]
    fn segments_that_are_kept_count_and_so_do_globals() {
        let big = "(core module $big (func $f) (elem func $f $f $f) (elem funcref (ref.func $f)))";
        let one = needs(&format!(
            "(component {big} (core instance (instantiate $big)))"
        ));
        let held = 2 * 32 + 4 * 16;
        assert_eq!((one.held, one.bytes), (held, held));
        let active = "(core module $m (table 3 funcref) (func $f) (elem (i32.const 0) $f $f $f))";
        let none = needs(&format!(
            "(component {active} (core instance (instantiate $m)))"
        ));
        assert_eq!((none.held, none.bytes), (0, 3 * 8));
        let globals = "(core module $m (global i64 (i64.const 1)) (global i64 (i64.const 2)))";
        let two = needs(&format!(
            "(component {globals} (core instance (instantiate $m)))"
        ));
        assert_eq!((two.held, two.bytes), (2 * 16, 2 * 16));
    }

    #[test]
    fn a_module_that_was_passed_on_counts_as_the_largest_of_the_file() {
        let by_alias = "(component
            (component $holder
              (core module $m (memory 7))
              (export \"m\" (core module $m)))
            (instance $holder (instantiate $holder))
            (alias export $holder \"m\" (core module $m))
            (core instance (instantiate $m)))";
        assert_eq!(needs(by_alias).bytes, 7 * 65_536);
        let by_import = "(component
            (component $inner
              (import \"m\" (core module $m))
              (core instance (instantiate $m)))
            (core module $big (memory 9))
            (instance (instantiate $inner (with \"m\" (core module $big)))))";
        assert_eq!(needs(by_import).bytes, 9 * 65_536);
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
