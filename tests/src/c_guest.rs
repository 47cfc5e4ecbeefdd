//! A guest in C: compiled by clang, made a component by what the Rust toolchain makes its own with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::guests::{root, target_folder};
use crate::tools::{command_output, tool};

/// The component of `tests/guests/NAME/NAME.c`; none where clang is missing, or its linker for wasm.
#[must_use]
pub fn c_guest(name: &str) -> Option<PathBuf> {
    let clang = tool("clang")?;
    tool("wasm-ld")?;
    let folder = target_folder().join("c");
    fs::create_dir_all(&folder).expect("a folder");
    let source = root().join(format!("tests/guests/{name}/{name}.c"));
    let core = tempfile::NamedTempFile::new_in(&folder).expect("a file");
    let _ = command_output(
        Command::new(clang)
            .args([
                "--target=wasm32",
                "-O2",
                "-nostdlib",
                "-Wall",
                "-Wextra",
                "-Werror",
            ])
            .args(["-Wl,--no-entry", "-o"])
            .args([core.path(), &source]),
    );
    let component = folder.join(format!("{name}.wasm"));
    // Written beside and renamed: another process may be reading it.
    fs::write(core.path(), componentize(core.path())).expect("written");
    core.persist(&component).expect("renamed");
    Some(component)
}

fn componentize(core: &Path) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract");
    let world = resolve
        .select_world(&[package], Some("service"))
        .expect("its world");
    let mut module = fs::read(core).expect("what clang made");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world's description");
    let encoder = ComponentEncoder::default().validate(true);
    let mut encoder = encoder.module(&module).expect("a module of that world");
    encoder.encode().expect("a component")
}
