//! The handlers: examples, and guests of the tests, built before anything is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const TARGET: &str = "wasm32-wasip2";

/// Built handlers.
#[derive(Debug)]
pub(super) struct Handlers {
    target: PathBuf,
}

impl Handlers {
    /// Builds packages of `examples` and of `tests/guests`: as the integration tests do, and in the same place.
    pub(super) fn build(examples: &[&str], guests: &[&str]) -> Result<Self> {
        let target = target_folder()?.join("guests");
        build(&target, "Cargo.toml", examples)?;
        build(&target, "tests/guests/Cargo.toml", guests)?;
        Ok(Self { target })
    }

    /// The component of the package `name`.
    pub(super) fn component(&self, name: &str) -> PathBuf {
        let file = format!("{}.wasm", name.replace('-', "_"));
        self.target.join(TARGET).join("release").join(file)
    }

    /// Where servers keep compiled code.
    pub(super) fn cache(&self) -> PathBuf {
        self.target.join("cache")
    }
}

/// The workspace's folder.
pub(super) fn root() -> Result<&'static Path> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().context("runtime/ is in a folder")
}

/// cargo's target folder.
pub(super) fn target_folder() -> Result<&'static Path> {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().context("target/tmp is in a folder")
}

fn build(target: &Path, manifest: &str, packages: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--target", TARGET])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .arg("--manifest-path")
        .arg(root()?.join(manifest))
        .arg("--target-dir")
        .arg(target)
        .status()
        .context("cannot run cargo")?;
    ensure!(
        status.success(),
        "the handlers do not build: is the target there? `rustup target add {TARGET}`"
    );
    Ok(())
}
