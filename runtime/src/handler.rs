//! A handler: a component that was read, checked and compiled. It knows no schedule yet.

use std::path::Path;
use std::sync::Arc;

use crate::config::{ConfigError, Limits};
use crate::error::LoadError;
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
        let code = Code::new(name, wasm, cache)?;
        if code.initial_memory > limits.max_memory {
            return Err(LoadError::Limits(ConfigError::new(format!(
                "{name} begins with {} bytes of memory, and max-memory is {}: raise it",
                code.initial_memory, limits.max_memory
            ))));
        }
        Ok(Self {
            name: name.into(),
            limits,
            code: Arc::new(code),
        })
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

    /// True if its compiled code came from the cache, false if it had to be compiled.
    #[must_use]
    pub fn was_cached(&self) -> bool {
        self.code.from_cache
    }
}
