//! Python's handler classes, as traits: each one stands on the one before.
//!
//! | Python | here | turned into |
//! | --- | --- | --- |
//! | `BaseRequestHandler` | `base` | what the exports call |
//! | `StreamRequestHandler` | `stream` | a `BaseRequestHandler<Connection>` |
//! | `DatagramRequestHandler` | `datagram` | a `BaseRequestHandler<Datagram>` |
//! | two classes over one mix-in | `both` | a handler of streams and one of datagrams |

pub(crate) mod base;
mod both;
mod datagram;
mod stream;

pub use base::BaseRequestHandler;
pub use both::{Request, RequestHandler};
pub use datagram::{DatagramRequest, DatagramRequestHandler};
pub use stream::{DEFAULT_BUFFER_SIZE, StreamRequest, StreamRequestHandler};
