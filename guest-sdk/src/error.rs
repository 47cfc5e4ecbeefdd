//! Why a call of the contract did not succeed, and which [`std::io::Error`] it becomes.

use std::error::Error;
use std::fmt;
use std::io;

/// Why an operation on a request did not succeed.
///
/// Handlers meet it as an [`io::Error`]: its [`kind`](io::Error::kind) is what a match wants, and
/// [`ErrorCode::of`] gives this code back where the kind is too coarse. After [`TimedOut`](Self::TimedOut),
/// [`NotSupported`](Self::NotSupported), [`InvalidArgument`](Self::InvalidArgument),
/// [`InvalidState`](Self::InvalidState) and [`MessageTooLong`](Self::MessageTooLong) the request can still be
/// used.
///
/// ```
/// use std::io;
///
/// use guest_sdk::ErrorCode;
///
/// let error = io::Error::from(ErrorCode::MessageTooLong);
/// assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
/// assert_eq!(ErrorCode::of(&error), Some(ErrorCode::MessageTooLong));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The client reset the connection (`ConnectionResetError`).
    ConnectionReset,
    /// The client no longer reads, or this side has ended its output (`BrokenPipeError`).
    BrokenPipe,
    /// The time-out went by (`TimeoutError`).
    TimedOut,
    /// One of the operator's limits was reached; the connection is about to be ended.
    LimitReached,
    /// The operator did not grant this (`PermissionError`).
    AccessDenied,
    /// There is nobody to send to: the client's socket has no name, or is gone.
    NotConnected,
    /// The packet is longer than the transport can carry (`EMSGSIZE`).
    MessageTooLong,
    /// This transport has no such thing.
    NotSupported,
    /// An argument makes no sense, such as a time-out of zero.
    InvalidArgument,
    /// Not now.
    InvalidState,
    /// Anything else. The server's log has the details.
    Other,
}

impl ErrorCode {
    /// The code that an error was made from, or none if it does not come from a request.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// The kind of [`io::Error`] that stands for this code.
    #[must_use]
    pub const fn kind(self) -> io::ErrorKind {
        match self {
            Self::ConnectionReset => io::ErrorKind::ConnectionReset,
            Self::BrokenPipe => io::ErrorKind::BrokenPipe,
            Self::TimedOut => io::ErrorKind::TimedOut,
            Self::LimitReached => io::ErrorKind::QuotaExceeded,
            Self::AccessDenied => io::ErrorKind::PermissionDenied,
            Self::NotConnected => io::ErrorKind::NotConnected,
            Self::MessageTooLong | Self::InvalidArgument => io::ErrorKind::InvalidInput,
            Self::NotSupported => io::ErrorKind::Unsupported,
            Self::InvalidState => io::ErrorKind::ResourceBusy,
            Self::Other => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionReset => "the client reset the connection",
            Self::BrokenPipe => "the client no longer reads",
            Self::TimedOut => "timed out",
            Self::LimitReached => "a limit of the server was reached",
            Self::AccessDenied => "the server does not grant this",
            Self::NotConnected => "there is nobody to send to",
            Self::MessageTooLong => "the packet is longer than the transport can carry",
            Self::NotSupported => "this transport has no such thing",
            Self::InvalidArgument => "the argument makes no sense",
            Self::InvalidState => "not possible now",
            Self::Other => "the request failed, the server's log says how",
        })
    }
}

impl Error for ErrorCode {}

impl From<ErrorCode> for io::Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code.kind(), code)
    }
}
