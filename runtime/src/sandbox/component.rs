//! From the bytes of a component to checked, compiled code.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::OnceLock;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result};

use super::cache::Cache;
use super::contract;
use super::guest::Guest;
use super::needs::Needs;
use super::settings::settings;
use crate::config::Limits;
use crate::error::LoadError;

/// Where the contract's interfaces live.
const CONTRACT: &str = "socketserver:handler/";
/// The contract's version that this runtime serves.
const VERSION: &str = "0.1.0";
const STREAM_HANDLER: &str = "socketserver:handler/stream-handler@0.1.0";
const DATAGRAM_HANDLER: &str = "socketserver:handler/datagram-handler@0.1.0";

/// A component that was checked and compiled. It belongs to no engine yet: all have equal settings.
pub(crate) struct Code {
    pub(crate) streams: bool,
    pub(crate) datagrams: bool,
    /// True if nothing had to be compiled.
    pub(crate) from_cache: bool,
    /// What one instance takes of a pool.
    pub(crate) memories: u32,
    pub(crate) tables: u32,
    /// What it begins with, as it says itself.
    pub(crate) needs: Needs,
    /// The names of its exports and imports, sorted.
    pub(crate) exports: Vec<String>,
    pub(crate) imports: Vec<String>,
    compiled: Vec<u8>,
}

impl Code {
    /// Checks and compiles `wasm`, or finds it compiled in the cache.
    pub(crate) fn new(
        name: &str,
        wasm: &[u8],
        limits: &Limits,
        cache: Option<&Cache>,
    ) -> Result<Self, LoadError> {
        check_kind(name, wasm)?;
        let needs = Needs::of(wasm).map_err(|error| not_a_component(name, &error.to_string()))?;
        needs.check(name, limits)?;
        let workbench = workbench(limits.max_fuel.is_some())?;
        let engine = &workbench.engine;
        let cached = cache.and_then(|cache| cache.find(engine, wasm));
        let cached = cached.and_then(|code| Some((load(engine, &code).ok()?, code)));
        let from_cache = cached.is_some();
        let (component, compiled) = match cached {
            Some(cached) => cached,
            None => compile(name, engine, wasm, cache)?,
        };
        let (streams, datagrams) = check_exports(name, engine, &component)?;
        check_imports(name, workbench, &component)?;
        let (exports, imports) = names(engine, &component);
        let resources = component.resources_required();
        let resources = resources.as_ref();
        Ok(Self {
            streams,
            datagrams,
            from_cache,
            memories: resources.map_or(1, |needed| needed.num_memories),
            tables: resources.map_or(1, |needed| needed.num_tables),
            needs,
            exports,
            imports,
            compiled,
        })
    }

    /// The compiled code, for an engine of equal settings.
    pub(crate) fn compiled(&self) -> &[u8] {
        &self.compiled
    }
}

/// Turns compiled code into a component.
#[expect(unsafe_code, reason = "wasmtime takes compiled code on trust only")]
pub(super) fn load(engine: &Engine, compiled: &[u8]) -> Result<Component> {
    // SAFETY: the bytes come from `compile` below, or from a cache that belongs to this user alone and
    // whose digest over them was right; wasmtime itself checks that the engine's settings are equal.
    unsafe { Component::deserialize(engine, compiled) }
}

/// Turns a file of compiled code into a component that is mapped from there: it costs no memory of its own.
#[expect(unsafe_code, reason = "wasmtime takes compiled code on trust only")]
pub(super) fn load_file(engine: &Engine, compiled: &OwnedFd) -> Result<Component> {
    let path = format!("/proc/self/fd/{}", compiled.as_raw_fd());
    // SAFETY: the file has no name but this; its one writer was the server, which had the code from where `load` has
    // it, and sealed it.
    unsafe { Component::deserialize_file(engine, path) }
}

fn compile(
    name: &str,
    engine: &Engine,
    wasm: &[u8],
    cache: Option<&Cache>,
) -> Result<(Component, Vec<u8>), LoadError> {
    let compile = || {
        let compiled = engine.precompile_component(wasm)?;
        Ok((load(engine, &compiled)?, compiled))
    };
    let (component, compiled) =
        compile().map_err(|error: wasmtime::Error| not_a_component(name, &format!("{error:#}")))?;
    if let Some(cache) = cache {
        cache.keep(engine, wasm, &compiled);
    }
    Ok((component, compiled))
}

fn not_a_component(name: &str, reason: &str) -> LoadError {
    LoadError::NotAComponent {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

/// What compiles and checks: one for the whole process, without a pool; another for code that counts fuel.
struct Workbench {
    engine: Engine,
    linker: Linker<Guest>,
}

fn workbench(fuel: bool) -> Result<&'static Workbench, LoadError> {
    static WORKBENCHES: [OnceLock<Workbench>; 2] = [OnceLock::new(), OnceLock::new()];
    let [plain, counting] = &WORKBENCHES;
    let place = if fuel { counting } else { plain };
    if let Some(workbench) = place.get() {
        return Ok(workbench);
    }
    let make = || -> Result<Workbench> {
        let engine = Engine::new(&settings(fuel))?;
        let linker = contract::linker(&engine)?;
        Ok(Workbench { engine, linker })
    };
    let made = make().map_err(|error| LoadError::Engine(format!("{error:#}")))?;
    Ok(place.get_or_init(|| made))
}

/// Tells apart what is often given by mistake.
fn check_kind(name: &str, wasm: &[u8]) -> Result<(), LoadError> {
    let reason = match wasm {
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "it is a core module; build for the target wasm32-wasip2, which makes components"
        }
        [b'\0', b'a', b's', b'm', ..] => "it is of another version of the component format",
        [b'(', ..] => "it is WebAssembly text; assemble it first",
        [] => "it is empty",
        _ => "it does not begin with the bytes that every .wasm file begins with",
    };
    Err(not_a_component(name, reason))
}

/// Whether the component handles streams and datagrams; it must do one of them.
fn check_exports(
    name: &str,
    engine: &Engine,
    component: &Component,
) -> Result<(bool, bool), LoadError> {
    let kind = component.component_type();
    let exports: Vec<&str> = kind
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)))
        .map(|(export, _)| export)
        .collect();
    let (streams, datagrams) = (
        exports.contains(&STREAM_HANDLER),
        exports.contains(&DATAGRAM_HANDLER),
    );
    if streams || datagrams {
        return Ok((streams, datagrams));
    }
    let foreign = exports.iter().find(|export| export.starts_with(CONTRACT));
    Err(LoadError::NotAHandler {
        name: name.to_owned(),
        reason: match foreign.and_then(|export| export.split_once('@')) {
            Some((_, version)) => format!(
                "it was built for version {version} of the contract {CONTRACT}, this runtime serves \
                 {VERSION}: build it again with the SDK of this version"
            ),
            None => format!(
                "it exports neither {STREAM_HANDLER} nor {DATAGRAM_HANDLER}; does it call \
                 guest_sdk::export!?"
            ),
        },
    })
}

/// The names of what the component exports and imports, each sorted.
fn names(engine: &Engine, component: &Component) -> (Vec<String>, Vec<String>) {
    let kind = component.component_type();
    let mut exports: Vec<_> = kind
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut imports: Vec<_> = kind
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    exports.sort();
    imports.sort();
    (exports, imports)
}

/// Everything that the component imports must be there.
fn check_imports(
    name: &str,
    workbench: &Workbench,
    component: &Component,
) -> Result<(), LoadError> {
    let Err(error) = workbench.linker.instantiate_pre(component) else {
        return Ok(());
    };
    let text = format!("{error:#}");
    let import = text.split('`').nth(1).unwrap_or("something").to_owned();
    Err(LoadError::UnknownImport {
        name: name.to_owned(),
        help: if import.starts_with(CONTRACT) {
            format!("this runtime serves version {VERSION} of the contract ({text})")
        } else if text.contains("matching implementation was not found") {
            "a handler has its request and WASI 0.2 (io, clocks, random, cli, filesystem, sockets); with \
             jco, build with -d http fetch-event"
                .to_owned()
        } else {
            text
        },
        import,
    })
}
