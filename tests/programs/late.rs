//! A program with the library in it that calls `runtime::zygote` too late, for the tests: when it has threads already.

use std::error::Error;

use runtime::{Handler, Limits, Schedule, Server, ServerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    runtime::zygote();
    let component = std::env::args().nth(1).ok_or("a component")?;
    let handler = Handler::load(component, Limits::default())?;
    let config = ServerConfig {
        schedule: Schedule::Forking,
        ..ServerConfig::default()
    };
    drop(Server::bind(
        &"tcp://127.0.0.1:0".parse()?,
        config,
        &handler,
    )?);
    Ok(())
}
