//! A program with the library in it, for the tests: serves a handler on an address under a schedule until it gets SIGTERM. It is
//! its own zygote.

use std::error::Error;
use std::io::{self, Write as _};

use runtime::{Cache, Handler, Limits, Server, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<(), Box<dyn Error>> {
    runtime::zygote();
    serve()
}

#[tokio::main]
async fn serve() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().ok_or(what);
    let (component, address) = (next("a component")?, next("an address")?);
    let (schedule, cache) = (next("a schedule")?, next("a cache")?);

    let cache = Cache::at(cache)?;
    let handler = Handler::load_with_cache(component, Limits::default(), Some(&cache))?;
    let config = ServerConfig {
        schedule: schedule.parse()?,
        ..ServerConfig::default()
    };
    let server = Server::bind(&address.parse()?, config, &handler)?;
    let mut end = signal(SignalKind::terminate())?;
    writeln!(io::stderr(), "listening on {}", server.server_address())?;

    let shutdown = server.shutdown_handle();
    let serving = tokio::spawn(async move {
        server.serve_forever().await?;
        Ok::<_, runtime::ServeError>(server.server_close().await)
    });
    end.recv().await;
    shutdown.shutdown().await;
    writeln!(io::stderr(), "closed: {:?}", serving.await??)?;
    Ok(())
}
