//! What the README tells a newcomer: a handler crate outside the workspace, made from the README's own text,
//! tested natively, built, served, asked.

use std::fs;
use std::process::Command;

use tests::{Serve, cleared, command_output, root, target_folder, tool};

/// The section of the README whose title is `title`.
fn section(title: &str) -> String {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let (_, rest) = text
        .split_once(&format!("\n## {title}\n"))
        .expect("the section");
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The first fenced block of `text` that is labelled `label` and contains `part`.
fn block<'a>(text: &'a str, label: &str, part: &str) -> &'a str {
    let fence = format!("```{label}\n");
    let blocks = text.split(&fence).skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks
        .find(|block| block.contains(part))
        .expect("the block")
}

#[test]
fn a_handler_of_ones_own_outside_the_workspace() {
    if tool("nc").is_none() {
        return;
    }
    let text = section("Write a handler");
    let folder = tempfile::tempdir().expect("a folder");
    let crate_folder = folder.path().join("shout");
    fs::create_dir_all(crate_folder.join("src")).expect("a folder");
    let sdk = root().join("guest-sdk");
    let manifest = block(&text, "toml", "[package]");
    assert!(manifest.contains("\"../guest-sdk\""), "{manifest}");
    let manifest = manifest.replace("../guest-sdk", &sdk.display().to_string());
    fs::write(crate_folder.join("Cargo.toml"), manifest).expect("written");
    fs::write(
        crate_folder.join("src/lib.rs"),
        block(&text, "rust", "guest_sdk::export!"),
    )
    .expect("written");

    let commands: Vec<&str> = block(&text, "sh", "shout/Cargo.toml").lines().collect();
    let [test, serve, ask] = commands.as_slice() else {
        panic!("three commands: {commands:?}")
    };
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        cleared(&mut shell).env("CARGO_TARGET_DIR", target_folder());
        command_output(shell.args(["-c", line]).current_dir(folder.path()))
    };
    assert!(shell(test).contains("1 passed"));

    let arguments = serve.strip_prefix("runtime ").expect("the command");
    let server = Serve::typed(arguments.split(' '))
        .in_folder(folder.path())
        .start_patiently();
    let port = server.address().port().to_string();
    assert!(ask.contains("127.0.0.1 9999"), "{ask}");
    assert_eq!(shell(&ask.replace("9999", &port)), "HELLO\n");
}
