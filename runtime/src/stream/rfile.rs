//! Python's `rfile`: the bytes that the client sends, as a `wasi:io` stream.

use std::task::Poll;

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::{Connection, Failure};

/// The reading face of a connection.
pub(crate) struct Rfile {
    connection: Connection,
    /// A time-out while waiting, which the next read reports; then the stream is closed, as CPython's
    /// `rfile` raises `cannot read from timed out object`.
    timed_out: bool,
    closed: bool,
}

impl Rfile {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            timed_out: false,
            closed: false,
        }
    }

    fn settle(&mut self, read: Result<Bytes, Failure>) -> StreamResult<Bytes> {
        match read {
            Ok(bytes) if bytes.is_empty() => {
                self.closed = true;
                Err(StreamError::Closed)
            }
            Ok(bytes) => Ok(bytes),
            Err(failure) => {
                self.closed = true;
                Err(StreamError::LastOperationFailed(failure.into()))
            }
        }
    }

    fn check(&mut self) -> StreamResult<()> {
        if std::mem::take(&mut self.timed_out) {
            return self.settle(Err(Failure::TimedOut)).map(drop);
        }
        if self.closed {
            return Err(StreamError::Closed);
        }
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Rfile {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.check()?;
        if size == 0 {
            return Ok(Bytes::new());
        }
        match self.connection.recv_now(size) {
            Poll::Pending => Ok(Bytes::new()),
            Poll::Ready(read) => self.settle(read),
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.check()?;
        if size == 0 {
            return Ok(Bytes::new());
        }
        let read = self.connection.recv(size).await;
        self.settle(read)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Rfile {
    async fn ready(&mut self) {
        if self.closed || self.timed_out {
            return;
        }
        // What failed is reported by the read that follows.
        self.timed_out = self.connection.readable().await == Err(Failure::TimedOut);
    }
}
