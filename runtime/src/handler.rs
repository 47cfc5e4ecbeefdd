//! A handler: a component that was read, checked and compiled. It knows no schedule yet.

use std::path::Path;
use std::sync::Arc;

use crate::config::Limits;
use crate::error::LoadError;
use crate::grants::Grants;
use crate::sandbox::{Cache, Code};

/// Python's `RequestHandlerClass`: what is made afresh for every request.
///
/// Clones share the compiled code. One handler may serve several servers.
///
/// ```no_run
/// use runtime::{Handler, Limits};
/// let handler = Handler::load("upper.wasm", Limits::default())?;
/// assert_eq!(handler.name(), "upper");
/// # Ok::<(), runtime::LoadError>(())
/// ```
#[derive(Clone)]
pub struct Handler {
    name: Arc<str>,
    limits: Limits,
    grants: Arc<Grants>,
    pub(crate) code: Arc<Code>,
}

impl Handler {
    /// Reads, checks and compiles the component in the file `path`. Its name is the file's, without
    /// `.wasm`.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file cannot be read, is no component, is no handler of this contract, imports
    /// what this runtime does not have, or cannot fit into `limits`.
    pub fn load(path: impl AsRef<Path>, limits: Limits) -> Result<Self, LoadError> {
        Self::load_with_cache(path, limits, None)
    }

    /// The same, with compiled code kept in `cache` and taken from there.
    ///
    /// # Errors
    ///
    /// As [`Handler::load`]. A cache that cannot be used is none: the log says so.
    pub fn load_with_cache(
        path: impl AsRef<Path>,
        limits: Limits,
        cache: Option<&Cache>,
    ) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let wasm = std::fs::read(path).map_err(|reason| LoadError::Read {
            path: path.to_owned(),
            reason,
        })?;
        let name = path
            .file_stem()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        Self::from_bytes(&name, &wasm, limits, cache)
    }

    /// Checks and compiles a component that is in memory already, under a name of its own.
    ///
    /// # Errors
    ///
    /// As [`Handler::load`].
    pub fn from_bytes(
        name: &str,
        wasm: &[u8],
        limits: Limits,
        cache: Option<&Cache>,
    ) -> Result<Self, LoadError> {
        limits.check()?;
        let code = Code::new(name, wasm, &limits, cache)?;
        Ok(Self {
            name: name.into(),
            limits,
            grants: Arc::default(),
            code: Arc::new(code),
        })
    }

    /// The same handler with `grants`, in place of those that it had; without this it has none.
    ///
    /// ```no_run
    /// use runtime::{Grants, Handler, Limits};
    /// let grants = Grants { lookup: vec!["*.example.com".parse()?], ..Grants::default() };
    /// let handler = Handler::load("upper.wasm", Limits::default())?.with_grants(grants);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_grants(mut self, grants: Grants) -> Self {
        self.grants = Arc::new(grants);
        self
    }

    /// What each of its instances is granted.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// The handler's name, as its guests and the log see it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The limits of each of its instances.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// True if it exports `stream-handler`: it can serve tcp and unix.
    #[must_use]
    pub fn handles_streams(&self) -> bool {
        self.code.streams
    }

    /// True if it exports `datagram-handler`: it can serve udp and unixgram.
    #[must_use]
    pub fn handles_datagrams(&self) -> bool {
        self.code.datagrams
    }

    /// The names of what it exports, sorted.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.code.exports
    }

    /// The names of what it imports, sorted.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.code.imports
    }

    /// Bytes of all linear memories and tables that an instance begins with.
    #[must_use]
    pub fn initial_memory(&self) -> u64 {
        self.code.needs.bytes
    }

    /// Linear memories of an instance.
    #[must_use]
    pub fn memories(&self) -> u32 {
        self.code.memories
    }

    /// Tables of an instance.
    #[must_use]
    pub fn tables(&self) -> u32 {
        self.code.tables
    }

    /// True if its compiled code came from the cache, false if it had to be compiled.
    #[must_use]
    pub fn was_cached(&self) -> bool {
        self.code.from_cache
    }
}
