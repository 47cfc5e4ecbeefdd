//! A server made of memory: what a test's client does is a script, what a handler does is recorded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use crate::{Address, ErrorCode, Schedule, Transport};

/// The most that the contract lets one call of `recv` or `send` move, in bytes.
const MOST_IN_ONE_CALL: usize = 65_536;

/// What a handler did to its request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) sent: Vec<Vec<u8>>,
    /// Packets to others than the client.
    pub(crate) sent_to: Vec<(Address, Vec<u8>)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) no_delay: bool,
    reading_ended: bool,
    writing_ended: bool,
}

/// A connection to a scripted client.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) client: Address,
    pub(crate) server: ServerInfo,
    /// What each read gives: bytes, or the error that it ends with. After the last, the stream ends.
    pub(crate) reads: RefCell<VecDeque<Result<Vec<u8>, ErrorCode>>>,
    /// What every write ends with, if the client does not read.
    pub(crate) refuses: Option<ErrorCode>,
    pub(crate) record: Rc<RefCell<Record>>,
}

impl Stream {
    pub(crate) fn client_address(&self) -> Address {
        self.client.clone()
    }

    pub(crate) fn server(&self) -> ServerInfo {
        self.server.clone()
    }

    pub(crate) fn recv(&self, max: usize) -> Result<Vec<u8>, ErrorCode> {
        if max == 0 || self.record.borrow().reading_ended {
            return Ok(Vec::new());
        }
        let mut reads = self.reads.borrow_mut();
        match reads.pop_front() {
            None => Ok(Vec::new()),
            Some(Ok(mut bytes)) => {
                let most = max.min(MOST_IN_ONE_CALL);
                if bytes.len() > most {
                    reads.push_front(Ok(bytes.split_off(most)));
                }
                Ok(bytes)
            }
            Some(Err(code)) => {
                if code == ErrorCode::ConnectionReset {
                    self.record.borrow_mut().writing_ended = true;
                    reads.push_front(Err(code));
                }
                Err(code)
            }
        }
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, ErrorCode> {
        let mut record = self.record.borrow_mut();
        match self.refuses {
            Some(code) => return Err(code),
            None if record.writing_ended => return Err(ErrorCode::BrokenPipe),
            None => {}
        }
        let taken = bytes.get(..MOST_IN_ONE_CALL).unwrap_or(bytes);
        record.sent.push(taken.to_vec());
        Ok(taken.len())
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<(), ErrorCode> {
        let mut record = self.record.borrow_mut();
        record.reading_ended |= how != Shutdown::Write;
        record.writing_ended |= how != Shutdown::Read;
        Ok(())
    }

    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) -> Result<(), ErrorCode> {
        if timeout == Some(Duration::ZERO) {
            return Err(ErrorCode::InvalidArgument);
        }
        self.record.borrow_mut().timeout = timeout;
        Ok(())
    }

    pub(crate) fn set_no_delay(&self, enabled: bool) -> Result<(), ErrorCode> {
        if self.server.transport != Transport::Tcp {
            return Err(ErrorCode::NotSupported);
        }
        self.record.borrow_mut().no_delay = enabled;
        Ok(())
    }
}

/// A packet from a scripted client.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) client: Address,
    pub(crate) server: ServerInfo,
    pub(crate) bytes: Vec<u8>,
    pub(crate) truncated: bool,
    /// Who may be sent to, beside the client.
    pub(crate) granted: Vec<Address>,
    pub(crate) record: Rc<RefCell<Record>>,
}

impl Packet {
    pub(crate) fn client_address(&self) -> Address {
        self.client.clone()
    }

    pub(crate) fn server_address(&self) -> Address {
        self.server.address.clone()
    }

    pub(crate) fn server(&self) -> ServerInfo {
        self.server.clone()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), ErrorCode> {
        if self.client.is_unnamed() {
            return Err(ErrorCode::NotConnected);
        }
        self.record.borrow_mut().sent.push(bytes.to_vec());
        Ok(())
    }

    pub(crate) fn send_to(&self, bytes: &[u8], address: &Address) -> Result<(), ErrorCode> {
        if !self.granted.contains(address) {
            return Err(ErrorCode::AccessDenied);
        }
        let mut record = self.record.borrow_mut();
        record.sent_to.push((address.clone(), bytes.to_vec()));
        Ok(())
    }
}

/// What the server of a test tells about itself.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) address: Address,
    pub(crate) transport: Transport,
    pub(crate) request_id: u64,
}

impl ServerInfo {
    pub(crate) fn server_address(&self) -> Address {
        self.address.clone()
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    pub(crate) fn schedule(&self) -> Schedule {
        Schedule::Threaded
    }

    pub(crate) fn handler_name(&self) -> String {
        "test".to_owned()
    }

    pub(crate) fn request_id(&self) -> u64 {
        self.request_id
    }
}
