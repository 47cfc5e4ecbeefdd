//! Components that no compiler writes, made from text.

use std::fs;
use std::path::{Path, PathBuf};

/// A handler of streams that does nothing but what these say, in the text format of WebAssembly.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handmade<'a> {
    /// Parts of the component, before its own module `$Guest`.
    pub component: &'a str,
    /// What `$Guest` is instantiated with, as in `(with "host" (instance (export "f" (func $f))))`.
    pub with: &'a str,
    /// Parts of `$Guest`.
    pub module: &'a str,
    /// What it does when it is called.
    pub handle: &'a str,
}

impl Handmade<'_> {
    /// The component, in a file of that folder.
    ///
    /// # Panics
    ///
    /// If its text is wrong, or the folder cannot be written to.
    #[must_use]
    pub fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join("handmade.wasm");
        let component = wat::parse_str(self.text()).expect("a component");
        fs::write(&path, component).expect("written");
        path
    }

    fn text(&self) -> String {
        let Self {
            component,
            with,
            module,
            handle,
        } = self;
        format!(
            r#"(component
              (import "socketserver:handler/types@0.1.0" (instance $types
                (export "stream-request" (type (sub resource)))))
              (alias export $types "stream-request" (type $stream))
              {component}
              (core module $Guest
                {module}
                (memory (export "memory") 1)
                (func (export "handle") (param i32) (result i32) {handle} (i32.const 1024)))
              (core instance $guest (instantiate $Guest {with}))
              (func $handle (param "request" (own $stream)) (result (result (error string)))
                (canon lift (core func $guest "handle") (memory $guest "memory")))
              (instance $handler (export "handle" (func $handle)))
              (export "socketserver:handler/stream-handler@0.1.0" (instance $handler)))"#
        )
    }
}
