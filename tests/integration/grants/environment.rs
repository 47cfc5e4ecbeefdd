//! Environment variables.

use tests::{Serve, refused};

use super::{assert_no, serve};

#[test]
fn variables_that_are_granted_are_there_and_no_others() {
    let server = serve()
        .args(["--env", "GIVEN=a=b", "--env", "TAKEN", "--env", "EMPTY="])
        .env("TAKEN", "from the server")
        .env("SECRET", "42")
        .start();
    assert_eq!(server.ask("variable GIVEN\n"), "a=b");
    assert_eq!(server.ask("variable TAKEN\n"), "from the server");
    assert_eq!(server.ask("variable EMPTY\n"), "");
    assert_no(&server.ask("variable SECRET\n"), "not found");
    let told = server.ask("environment\n");
    let all = r#"variables [("GIVEN", "a=b"), ("TAKEN", "from the server"), ("EMPTY", "")] "#;
    assert!(told.starts_with(all), "{told}");
}

#[test]
fn variables_that_make_no_sense_are_refused() {
    refused(&["--env", "=x"]).assert(2, &["--env", "write NAME=VALUE, or NAME"]);
    refused(&["--env", "A=1", "--env", "A=2"]).assert(2, &["--env A is given twice"]);
    Serve::new("no-such.wasm")
        .args(["--env", "NOT_THERE"])
        .env_remove("NOT_THERE")
        .run()
        .assert(2, &["NOT_THERE is not set here: write NOT_THERE=VALUE"]);
}
