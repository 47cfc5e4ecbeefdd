//! A server that is not this one, and answers as a test says.

use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::PAYLOAD;

/// A TCP server that handles each connection as a test says, in a thread for each.
pub(super) struct Other {
    pub(super) address: String,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Other {
    pub(super) fn new(
        handle: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("it is bound");
        let (connections, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let handle = Arc::new(handle);
        let (count, end) = (Arc::clone(&connections), Arc::clone(&ended));
        let accepting = std::thread::spawn(move || {
            let mut handling = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (mut stream, handle) = (stream.expect("a client"), Arc::clone(&handle));
                // What goes wrong here is the client's to tell.
                handling.push(std::thread::spawn(move || drop(handle(&mut stream))));
            }
            handling
                .into_iter()
                .for_each(|thread| thread.join().expect("no panic"));
        });
        Self {
            address: format!("tcp://{address}"),
            connections,
            ended,
            accepting: Some(accepting),
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let address = self.address.trim_start_matches("tcp://");
        drop(TcpStream::connect(address).expect("it still accepts"));
        let accepting = self.accepting.take().expect("once");
        accepting.join().expect("no panic");
    }
}

pub(super) fn read_request(stream: &mut TcpStream) -> io::Result<[u8; PAYLOAD]> {
    let mut request = [0; PAYLOAD];
    stream.read_exact(&mut request)?;
    Ok(request)
}

/// Reads on until the client has left.
pub(super) fn wait_until_left(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}

pub(super) fn echo(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(&mut stream.try_clone()?, stream).map(drop)
}
