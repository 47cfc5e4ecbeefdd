//! The runtime, by the imports of the contract.
//!
//! `rfile` and `wfile` of the SDK stand on `recv` and `send`, as Python's stand on the socket, and not on the
//! streams of `wasi:io`: a request then makes no further resource, and an error arrives with its code.

use std::net::Shutdown;
use std::time::Duration;

use super::bindings::stream::socketserver::handler::{server, types};
#[cfg(feature = "heap")]
use crate::heap::ours;
use crate::{Address, ErrorCode, Schedule, Transport};

/// Calls the host.
#[cfg(not(feature = "heap"))]
fn ours<T>(call: impl FnOnce() -> T) -> T {
    call()
}

/// A connection, as the runtime hands it over.
#[derive(Debug)]
pub(crate) struct Stream(types::StreamRequest);

impl Stream {
    pub(crate) fn new(request: types::StreamRequest) -> Self {
        Self(request)
    }

    pub(crate) fn client_address(&self) -> Address {
        ours(|| self.0.client_address()).into()
    }

    pub(crate) fn server(&self) -> ServerInfo {
        ServerInfo
    }

    pub(crate) fn recv(&self, max: usize) -> Result<Vec<u8>, ErrorCode> {
        Ok(ours(|| self.0.recv(max as u64))?)
    }

    /// The most that one call takes. What is longer is not even handed over: it would be copied for nothing.
    const AT_ONCE: usize = 65_536;

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, ErrorCode> {
        let sent = self.0.send(bytes.get(..Self::AT_ONCE).unwrap_or(bytes))?;
        Ok(usize::try_from(sent).unwrap_or(bytes.len()))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<(), ErrorCode> {
        Ok(self.0.shutdown(how.into())?)
    }

    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) -> Result<(), ErrorCode> {
        let nanoseconds = timeout.map(|t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        Ok(self.0.set_timeout(nanoseconds)?)
    }

    pub(crate) fn set_no_delay(&self, enabled: bool) -> Result<(), ErrorCode> {
        Ok(self.0.set_no_delay(enabled)?)
    }
}

/// A packet, as the runtime hands it over.
#[derive(Debug)]
pub(crate) struct Packet(types::DatagramRequest);

impl Packet {
    pub(crate) fn new(request: types::DatagramRequest) -> Self {
        Self(request)
    }

    pub(crate) fn client_address(&self) -> Address {
        ours(|| self.0.client_address()).into()
    }

    pub(crate) fn server_address(&self) -> Address {
        ours(|| self.0.server_address()).into()
    }

    pub(crate) fn server(&self) -> ServerInfo {
        ServerInfo
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        ours(|| self.0.packet())
    }

    pub(crate) fn truncated(&self) -> bool {
        self.0.truncated()
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), ErrorCode> {
        Ok(self.0.send(bytes)?)
    }

    pub(crate) fn send_to(&self, bytes: &[u8], address: &Address) -> Result<(), ErrorCode> {
        Ok(self.0.send_to(&address.into(), bytes)?)
    }
}

/// What the server tells about itself: each answer is one import, called when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo;

impl ServerInfo {
    pub(crate) fn server_address(&self) -> Address {
        ours(server::server_address).into()
    }

    pub(crate) fn transport(&self) -> Transport {
        server::transport().into()
    }

    pub(crate) fn schedule(&self) -> Schedule {
        server::schedule().into()
    }

    pub(crate) fn handler_name(&self) -> String {
        ours(server::handler_name)
    }

    pub(crate) fn request_id(&self) -> u64 {
        server::request_id()
    }
}
