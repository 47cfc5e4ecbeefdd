//! A folder with a handler crate, built into a component.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

const TARGET: &str = "wasm32-wasip2";

/// The component for what `--handler` says: the file itself, or what its folder builds.
pub(super) fn component(handler: &Path) -> Result<PathBuf> {
    if handler
        .extension()
        .is_some_and(|extension| extension == "py")
    {
        bail!(
            "{} is Python source, which is not served directly yet: make a component of it with \
             componentize-py",
            handler.display()
        );
    }
    if !handler.is_dir() {
        return Ok(handler.to_owned());
    }
    ensure!(
        handler.join("Cargo.toml").is_file(),
        "{} is a folder without a Cargo.toml: give a handler crate's folder, or a .wasm file",
        handler.display()
    );
    check_package(handler)?;
    add_target(handler)?;
    build(handler)
}

/// A folder that cannot become a component says so before anything is built.
fn check_package(folder: &Path) -> Result<()> {
    let metadata = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo: a handler's folder needs a Rust toolchain to be built")?;
    ensure!(
        metadata.status.success(),
        "{} is no Rust package",
        folder.display()
    );
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let manifest = folder.join("Cargo.toml").canonicalize()?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let package = packages
        .into_iter()
        .flatten()
        .find(|package| package["manifest_path"].as_str().map(Path::new) == Some(&manifest));
    let Some(package) = package else {
        bail!(
            "{} is a workspace: name the folder of one handler",
            folder.display()
        );
    };
    let kinds = package["targets"].as_array().into_iter().flatten();
    let mut kinds = kinds
        .filter_map(|target| target["crate_types"].as_array())
        .flatten();
    ensure!(
        kinds.any(|kind| kind == "cdylib"),
        "{} builds no component: its Cargo.toml needs [lib] crate-type = [\"cdylib\"]",
        folder.display()
    );
    Ok(())
}

/// Adds the target to the toolchain, if it is missing.
fn add_target(folder: &Path) -> Result<()> {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .output()
        .context("cannot run rustc: a handler's folder needs a Rust toolchain to be built")?;
    let libraries = String::from_utf8_lossy(&libraries.stdout);
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    tracing::info!("adding the target {TARGET} with rustup");
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(folder)
        .status();
    ensure!(
        added.is_ok_and(|status| status.success()),
        "the target {TARGET} is missing: add it with `rustup target add {TARGET}`"
    );
    Ok(())
}

/// Builds the crate in release, and returns the component.
fn build(folder: &Path) -> Result<PathBuf> {
    tracing::info!("building {}", folder.display());
    let built = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        built.status.success(),
        "{} does not build",
        folder.display()
    );
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|message| component_of(&message))
        .next_back()
        .with_context(|| {
            format!(
                "{} builds no component: its Cargo.toml needs [lib] crate-type = [\"cdylib\"]",
                folder.display()
            )
        })
}

/// The component that one of cargo's messages tells of, if it does.
fn component_of(message: &Value) -> Option<PathBuf> {
    let files = message.get("filenames")?.as_array()?;
    let files = files.iter().filter_map(Value::as_str);
    files
        .filter(|file| {
            Path::new(file)
                .extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .map(PathBuf::from)
        .next_back()
}
