//! Compiled code on disk, so that a second start does not compile.
//!
//! Compiled code is native code: wasmtime trusts what it is given. So the folder belongs to this user
//! alone, a file is named after its source and its engine, written beside its place and renamed, and begins
//! with a digest that is checked before anything is used. A bad file is as good as none.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;

/// A folder of compiled handlers.
///
/// ```no_run
/// use runtime::{Cache, Handler, Limits};
/// let cache = Cache::at("/var/cache/handlers")?;
/// let handler = Handler::load_with_cache("upper.wasm", Limits::default(), Some(&cache))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// Bytes of the digest in front of the code.
const DIGEST: usize = 32;

impl Cache {
    /// Uses `folder`, which is made if it is missing, with mode 0700.
    ///
    /// # Errors
    ///
    /// If it cannot be made, if it belongs to another user, or if others may write to it.
    pub fn at(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        check_owner(&fs::metadata(&folder)?)?;
        Ok(Self { folder })
    }

    /// The code for `wasm`, if it is there and whole.
    pub(super) fn find(&self, engine: &Engine, wasm: &[u8]) -> Option<Vec<u8>> {
        let mut file = read_own(&self.path(engine, wasm)).ok()?;
        let (digest, code) = file.split_at_checked(DIGEST)?;
        if Sha256::digest(code).as_slice() != digest {
            tracing::warn!("the compiled code in the cache is damaged: compiling again");
            return None;
        }
        file.drain(..DIGEST);
        Some(file)
    }

    /// Keeps `code` for the next start. A full disk costs the next start its time, and nothing else.
    pub(super) fn keep(&self, engine: &Engine, wasm: &[u8], code: &[u8]) {
        let path = self.path(engine, wasm);
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        if let Err(error) = write_whole(&beside, code).and_then(|()| fs::rename(&beside, &path)) {
            drop(fs::remove_file(&beside));
            tracing::warn!(
                "cannot keep the compiled code in {}: {error}",
                self.folder.display()
            );
        }
    }

    fn path(&self, engine: &Engine, wasm: &[u8]) -> PathBuf {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let content = Sha256::digest(wasm);
        let mut name = String::with_capacity(2 * DIGEST + 24);
        for byte in content
            .iter()
            .copied()
            .chain(settings.finish().to_be_bytes())
        {
            name.push_str(&format!("{byte:02x}"));
        }
        self.folder.join(name).with_extension("compiled")
    }
}

/// Only this user may have written it.
fn check_owner(metadata: &Metadata) -> io::Result<()> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("other users may write to it"));
    }
    Ok(())
}

/// Reads a file of this user's own; not one that a link leads to.
fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)?;
    check_owner(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_whole(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&Sha256::digest(code))?;
    file.write_all(code)?;
    file.sync_all()
}
