//! Python's `wfile`: the way to the client, as a `wasi:io` stream.

use bytes::Bytes;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::{Connection, Failure};

/// The writing face of a connection.
pub(crate) struct Wfile {
    connection: Connection,
    /// A time-out while waiting for room, which the next call reports; then the stream is closed.
    timed_out: bool,
    closed: bool,
    /// Bytes that the guest may still write before it has to ask again.
    permit: usize,
}

impl Wfile {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            timed_out: false,
            closed: false,
            permit: 0,
        }
    }

    fn settle<T>(&mut self, result: Result<T, Failure>) -> StreamResult<T> {
        result.map_err(|failure| {
            self.closed = true;
            StreamError::LastOperationFailed(failure.into())
        })
    }

    fn check(&mut self) -> StreamResult<()> {
        if std::mem::take(&mut self.timed_out) {
            return self.settle(Err(Failure::TimedOut));
        }
        if self.closed {
            return Err(StreamError::Closed);
        }
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Wfile {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        self.permit = self
            .permit
            .checked_sub(bytes.len())
            .ok_or_else(|| StreamError::trap("wrote more than check-write permitted"))?;
        let written = self.connection.write(&bytes);
        self.settle(written)
    }

    /// Nothing to do: what was written is on its way, as fast as the client takes it.
    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        let room = self.connection.room();
        self.permit = self.settle(room)?;
        Ok(self.permit)
    }

    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        while !bytes.is_empty() {
            let sent = self.connection.send(&bytes).await;
            let sent = self.settle(sent)?;
            drop(bytes.split_to(sent));
        }
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Wfile {
    async fn ready(&mut self) {
        if self.closed || self.timed_out {
            return;
        }
        // What failed is reported by the call that follows.
        self.timed_out = self.connection.drain().await == Err(Failure::TimedOut);
    }
}
