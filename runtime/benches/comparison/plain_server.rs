//! The same programs without a sandbox, as one would write them with tokio: what a sandbox is measured by.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net as unix;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpSocket, UdpSocket, UnixDatagram, UnixListener};

use super::process::say;
use super::program::Program;

/// Connections that wait to be accepted: as `runtime serve`.
const REQUEST_QUEUE_SIZE: u32 = 1024;

/// `plain-server TRANSPORT PROGRAM ADDRESS`, in a process of its own.
pub(super) fn main(arguments: &[String]) -> Result<()> {
    let [transport, program, address] = arguments else {
        bail!("plain-server takes a transport, a program and an address");
    };
    let program = Program::from_name(program).with_context(|| format!("no program {program}"))?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    threads.block_on(async {
        let socket = Bound::at(transport, address)?;
        say(&format!("listening on {}", socket.address()?));
        Ok(socket.serve(program).await?)
    })
}

/// A socket that clients can reach.
pub(super) enum Bound {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Unix(UnixListener),
    /// The same socket twice: tokio's own `send_to` knows paths only, and a client's name is an abstract one.
    Unixgram(UnixDatagram, unix::UnixDatagram),
}

impl Bound {
    pub(super) fn at(transport: &str, address: &str) -> Result<Self> {
        Ok(match transport {
            "tcp" => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(address.parse()?)?;
                Self::Tcp(socket.listen(REQUEST_QUEUE_SIZE)?)
            }
            "udp" => {
                let socket = std::net::UdpSocket::bind(address)?;
                socket.set_nonblocking(true)?;
                Self::Udp(UdpSocket::from_std(socket)?)
            }
            "unix" => {
                let listener = unix::UnixListener::bind_addr(&name(address)?)?;
                listener.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(listener)?)
            }
            "unixgram" => {
                let socket = unix::UnixDatagram::bind_addr(&name(address)?)?;
                socket.set_nonblocking(true)?;
                Self::Unixgram(UnixDatagram::from_std(socket.try_clone()?)?, socket)
            }
            _ => bail!("no transport {transport}"),
        })
    }

    /// As `runtime serve` prints it.
    pub(super) fn address(&self) -> io::Result<String> {
        let unix = |address: unix::SocketAddr| {
            let name = address.as_abstract_name().unwrap_or_default();
            format!("@{}", name.escape_ascii())
        };
        Ok(match self {
            Self::Tcp(listener) => format!("tcp://{}", listener.local_addr()?),
            Self::Udp(socket) => format!("udp://{}", socket.local_addr()?),
            Self::Unix(listener) => format!("unix:{}", unix(listener.local_addr()?.into())),
            Self::Unixgram(_, socket) => format!("unixgram:{}", unix(socket.local_addr()?)),
        })
    }

    pub(super) async fn serve(self, program: Program) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => loop {
                let (stream, _) = listener.accept().await?;
                // A client that leaves early ends its own task.
                drop(tokio::spawn(converse(stream, program)));
            },
            Self::Unix(listener) => loop {
                let (stream, _) = listener.accept().await?;
                drop(tokio::spawn(converse(stream, program)));
            },
            Self::Udp(socket) => answer_packets(&socket).await,
            Self::Unixgram(socket, sender) => answer_unix_packets(&socket, &sender).await,
        }
    }
}

/// Answers in place: a task would only cost.
async fn answer_packets(socket: &UdpSocket) -> io::Result<()> {
    let mut packet = vec![0; 8192];
    loop {
        let (count, client) = socket.recv_from(&mut packet).await?;
        let answer = upper(packet.get(..count).unwrap_or_default());
        socket.send_to(&answer, client).await?;
    }
}

async fn answer_unix_packets(socket: &UnixDatagram, sender: &unix::UnixDatagram) -> io::Result<()> {
    let mut packet = vec![0; 8192];
    loop {
        let (count, client) = socket.recv_from(&mut packet).await?;
        let answer = upper(packet.get(..count).unwrap_or_default());
        let client = unix::SocketAddr::from(client);
        let send = || sender.send_to_addr(&answer, &client);
        socket.async_io(Interest::WRITABLE, send).await?;
    }
}

/// One connection, with the examples' sizes of a read.
async fn converse<S>(mut stream: S, program: Program) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match program {
        Program::Upper => {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).await?;
            let answer = upper(buffer.get(..count).unwrap_or_default());
            stream.write_all(&answer).await?;
        }
        Program::UpperLoop => answer_each(&mut stream, 8192, <[u8]>::make_ascii_uppercase).await?,
        Program::Echo => answer_each(&mut stream, 65_536, |_| ()).await?,
    }
    stream.shutdown().await
}

/// Answers every read, of at most `most` bytes, until the client leaves.
async fn answer_each<S>(stream: &mut S, most: usize, change: fn(&mut [u8])) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = vec![0; most];
    loop {
        let count = stream.read(&mut buffer).await?;
        let bytes = buffer.get_mut(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        change(bytes);
        stream.write_all(bytes).await?;
    }
}

fn upper(bytes: &[u8]) -> Vec<u8> {
    bytes.trim_ascii().to_ascii_uppercase()
}

/// `@name` in the abstract name space: it leaves no file.
fn name(address: &str) -> Result<unix::SocketAddr> {
    let name = address.strip_prefix('@').context("write @name")?;
    Ok(unix::SocketAddr::from_abstract_name(name)?)
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::super::plan::Plan;
    use super::super::rows::{ROWS, Row};
    use super::super::servers::free_address;
    use super::*;

    /// What the client says of a server of this program on the row's transport.
    fn measure(row: &Row, program: Program) -> load::Measurement {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _in_it = runtime.enter();
        let bound = Bound::at(row.transport, &free_address(row.transport)).unwrap();
        let address = bound.address().unwrap();
        drop(runtime.spawn(bound.serve(program)));
        load::measure(&address, row.client, Plan::SHORTEST)
    }

    #[test]
    fn every_row_is_answered_rightly() {
        for row in ROWS {
            let served = measure(row, row.program);
            assert!(served.is_ok(), "{}: {served:?}", row.name);
        }
    }

    #[test]
    fn a_wrong_program_is_reported_and_not_counted() {
        let row = ROWS
            .iter()
            .find(|row| row.program == Program::Upper)
            .unwrap();
        let why = measure(row, Program::Echo).unwrap_err();
        assert!(why.contains("wrong"), "{why}");
    }
}
