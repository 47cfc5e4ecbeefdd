//! The threaded example of the documentation of Python's `socketserver`, with a sandboxed handler: a server
//! on a free port, three clients at once, and `shutdown`.

use std::error::Error;
use std::net::SocketAddr;

use runtime::{Handler, Limits, Schedule, Server, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    // First of all: under the forking schedule, the server starts this program anew.
    runtime::zygote();
    serve()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program that shows what it does")]
async fn serve() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let component = arguments.next().ok_or("say where upper.wasm is")?;
    let handler = Handler::load(component, Limits::default())?;
    let schedule = match arguments.next() {
        Some(word) => word.parse()?,
        None => Schedule::default(),
    };

    // Port 0 means: any free port.
    let server = Server::bind(
        &"tcp://127.0.0.1:0".parse()?,
        ServerConfig {
            schedule,
            ..ServerConfig::default()
        },
        &handler,
    )?;
    let address = server
        .server_address()
        .ip()
        .ok_or("a tcp server has a port")?;
    println!("Server listening on {address}");

    let shutdown = server.shutdown_handle();
    let serving = tokio::spawn(async move {
        server.serve_forever().await?;
        Ok::<_, runtime::ServeError>(server.server_close().await)
    });

    let (one, two, three) = tokio::try_join!(
        client(address, "Hello World 1"),
        client(address, "Hello World 2"),
        client(address, "Hello World 3"),
    )?;
    println!("Received: {one}\nReceived: {two}\nReceived: {three}");

    shutdown.shutdown().await;
    println!("Closed: {:?}", serving.await??);
    Ok(())
}

/// Sends a message and returns the answer.
async fn client(address: SocketAddr, message: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(message.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}
