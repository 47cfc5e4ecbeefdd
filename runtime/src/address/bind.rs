//! Where a server is asked to listen: the forms in which an address is written.

use std::fmt;
use std::str::FromStr;

use super::{AddressError, Transport, UnixName};

/// Where a server is asked to listen: a transport and a place.
///
/// The forms, with or without the transport in front (`tcp://`, `udp://`, `unix://`, `unixgram://`):
/// `HOST:PORT`; `:PORT` for every interface; a path; `@name` in the abstract name space (with a transport:
/// `unix:@name`); `fd:N`, a socket that is already bound. All that [`ServerAddress`](crate::ServerAddress) prints is among them.
///
/// ```
/// use runtime::{BindAddress, Transport};
/// let address: BindAddress = "udp://127.0.0.1:0".parse().unwrap();
/// assert_eq!(address.transport(), Transport::Udp);
/// assert!(BindAddress::new(Transport::Unix, "/run/x.sock").is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindAddress {
    transport: Transport,
    pub(crate) place: Place,
}

/// The place of a [`BindAddress`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A host (empty: every interface) and a port.
    Host(String, u16),
    /// A Unix socket.
    Unix(UnixName),
    /// An open descriptor of this process.
    Descriptor(i32),
}

impl BindAddress {
    /// Reads `text` as an address of `transport`.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if `text` has none of the forms, or names another transport.
    pub fn new(transport: Transport, text: &str) -> Result<Self, AddressError> {
        let place = match split_transport(text) {
            Some((named, _)) if named != transport => {
                return Err(AddressError::new(
                    text,
                    format!("it names {named}, but the transport is {transport}"),
                ));
            }
            Some((_, place)) => place,
            None => text,
        };
        Ok(Self {
            transport,
            place: parse_place(transport, place)?,
        })
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }
}

impl FromStr for BindAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match split_transport(text) {
            Some((transport, _)) => Self::new(transport, text),
            None => Err(AddressError::new(
                text,
                "begin with the transport, as in tcp://127.0.0.1:9999 or unix:///run/x.sock",
            )),
        }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = self.transport;
        match &self.place {
            Place::Host(host, port) if host.contains(':') => {
                write!(f, "{transport}://[{host}]:{port}")
            }
            Place::Host(host, port) => write!(f, "{transport}://{host}:{port}"),
            Place::Unix(name) => name.write_with(transport, f),
            Place::Descriptor(number) => write!(f, "{transport}://fd:{number}"),
        }
    }
}

/// Splits `tcp://…`, `unix:///…` and `unix:@…`. A bare `HOST:PORT` has no transport.
fn split_transport(text: &str) -> Option<(Transport, &str)> {
    let (word, rest) = text.split_once(':')?;
    let transport: Transport = word.parse().ok()?;
    match rest.strip_prefix("//") {
        Some(place) => Some((transport, place)),
        None if transport.is_unix() => Some((transport, rest)),
        None => None,
    }
}

fn parse_place(transport: Transport, text: &str) -> Result<Place, AddressError> {
    if let Some(number) = text.strip_prefix("fd:") {
        return match number.parse::<i32>() {
            Ok(number) if number >= 0 => Ok(Place::Descriptor(number)),
            _ => Err(AddressError::new(
                text,
                "a descriptor is written as in fd:3",
            )),
        };
    }
    if transport.is_unix() {
        parse_unix(text).map(Place::Unix)
    } else {
        parse_host(text)
    }
}

fn parse_unix(text: &str) -> Result<UnixName, AddressError> {
    /// `sun_path` holds 108 bytes, one of them the zero at the end (unix(7)).
    const LONGEST: usize = 107;
    let (name, length) = match text.strip_prefix('@') {
        Some(name) => (UnixName::Abstract(name.as_bytes().to_vec()), name.len()),
        None => {
            let path = std::path::absolute(text).map_err(|_| {
                AddressError::new(text, "a unix socket needs a path or, as in @name, a name")
            })?;
            let length = path.as_os_str().len();
            (UnixName::Path(path), length)
        }
    };
    match length {
        0 => Err(AddressError::new(text, "the name is empty")),
        1..=LONGEST => Ok(name),
        _ => Err(AddressError::new(
            text,
            format!("the name of a unix socket has at most {LONGEST} bytes, this one {length}"),
        )),
    }
}

fn parse_host(text: &str) -> Result<Place, AddressError> {
    let help = "write HOST:PORT, as in 127.0.0.1:9999 or [::1]:9999, or :9999 for every interface; a path \
                needs the transport unix or unixgram";
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| AddressError::new(text, help))?;
    let port = port
        .parse()
        .map_err(|_| AddressError::new(text, "a port is a number from 0 to 65535"))?;
    let host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        // Brackets are there for the colons of IPv6, and for nothing else.
        Some(inner) if inner.contains(':') => inner,
        None if !host.contains(':') => host,
        _ => return Err(AddressError::new(text, help)),
    };
    Ok(Place::Host(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_prints_can_be_bound_again() {
        for text in [
            "tcp://127.0.0.1:41234",
            "tcp://[::1]:80",
            "udp://[::]:53",
            "unix:///run/x.sock",
            "unix:@name",
            "unixgram:///run/x.sock",
            "tcp://fd:3",
        ] {
            let address: BindAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn an_address_that_is_none_says_what_would_do() {
        for (text, help) in [
            ("127.0.0.1:9", "begin with the transport"),
            ("tcp://127.0.0.1", "write HOST:PORT"),
            ("tcp://127.0.0.1:99999", "from 0 to 65535"),
            ("tcp://::1:80", "[::1]:9999"),
            ("tcp://[fd]:3", "[::1]:9999"),
            ("tcp://[[x]]:80", "[::1]:9999"),
            ("unix:@", "empty"),
            ("tcp://fd:x", "fd:3"),
        ] {
            let error = text.parse::<BindAddress>().expect_err(text).to_string();
            assert!(error.contains(help), "{text}: {error}");
        }
        let error = BindAddress::new(Transport::Udp, "tcp://127.0.0.1:9").expect_err("mixed");
        assert!(error.to_string().contains("names tcp"), "{error}");
    }
}
