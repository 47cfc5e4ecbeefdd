//! What a handler may reach beyond its request: nothing, unless it is written here.
//!
//! Each part is typed and read from one piece of text: `environment` and `directory` are what a guest finds when
//! it starts, `name` and `network` are patterns of whom it may ask for and talk to. The judgement is here, too, so
//! that it can be read and tested without a guest; `sandbox` asks it.

mod directory;
mod environment;
mod name;
mod network;
mod special;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

pub use directory::{Access, Directory};
pub use environment::Variable;
pub use name::NamePattern;
pub use network::{ConnectPattern, HostPattern, NetworkPattern, Ports, Protocol};

use crate::config::ConfigError;
use special::{is_special, names};

/// What every instance of a handler is granted beside clocks and random bytes, which every language's start-up
/// needs. The default is nothing.
///
/// ```
/// use runtime::Grants;
///
/// let grants = Grants {
///     connect: vec!["tcp://db.example.com:5432".parse()?],
///     directories: vec!["/srv/data::/data".parse()?],
///     ..Grants::default()
/// };
/// assert_eq!(grants.connect[0].to_string(), "tcp://db.example.com:5432");
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Environment variables. The server's own are never seen.
    pub environment: Vec<Variable>,

    /// Directories, with all that is below them; no link and no `..` leads out of one.
    pub directories: Vec<Directory>,

    /// Outbound TCP and UDP. Listening is never granted.
    ///
    /// A connection may go to an address that a pattern names directly, or to one that the host answered in this
    /// request to a look-up of a name that a pattern names. The latter must be public: whoever rules a name's answers
    /// shall not rule whom a handler can reach within the server's own network (DNS rebinding). A network that has
    /// public addresses grants only these: `0.0.0.0/0` is the Internet, and not this machine. Private, loopback and
    /// link-local ones are named by themselves, or by a network of their own, such as `10.0.0.0/8`.
    pub connect: Vec<ConnectPattern>,

    /// Names that may be looked up, beside those in `connect`.
    pub lookup: Vec<NamePattern>,

    /// To whom a datagram handler may send packets by its own socket, beside its client; as in `connect`, a network that
    /// has public addresses grants only these.
    pub send_to: Vec<NetworkPattern>,
}

impl Grants {
    /// # Errors
    ///
    /// [`ConfigError`] if two grants contradict each other.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut seen = HashSet::new();
        for variable in &self.environment {
            if !seen.insert(&variable.name) {
                let name = &variable.name;
                return Err(ConfigError::new(format!("env {name} is given twice")));
            }
        }
        let mut seen = HashSet::new();
        for directory in &self.directories {
            if !seen.insert(directory.guest_path.trim_end_matches('/')) {
                return Err(ConfigError::new(format!(
                    "dir {}: the handler's path {} is given twice",
                    directory.host_path.display(),
                    directory.guest_path
                )));
            }
        }
        Ok(())
    }

    /// True if anybody at all may be reached over `protocol`.
    pub(crate) fn has(&self, protocol: Protocol) -> bool {
        self.connect
            .iter()
            .any(|pattern| pattern.protocol == protocol)
    }

    /// True if anything at all may be looked up.
    pub(crate) fn has_names(&self) -> bool {
        !self.lookup.is_empty() || self.names_to_connect().next().is_some()
    }

    /// Whether `to` may be reached over `protocol` by a guest to whom the host answered that address for the names
    /// `answered`.
    pub(crate) fn may_connect(
        &self,
        protocol: Protocol,
        to: SocketAddr,
        answered: &[impl AsRef<str>],
    ) -> bool {
        let ip = to.ip().to_canonical();
        let mut patterns = self
            .connect
            .iter()
            .filter(|pattern| pattern.protocol == protocol && pattern.ports.contains(to.port()));
        patterns.any(|pattern| match &pattern.host {
            HostPattern::Network(network) => names(network, ip),
            HostPattern::Name(pattern) => {
                !is_special(ip) && answered.iter().any(|name| pattern.matches(name.as_ref()))
            }
        })
    }

    /// Whether `name` may be looked up. An address is no name: to look it up tells nothing, so it may be if it may
    /// be reached.
    pub(crate) fn may_look_up(&self, name: &str) -> bool {
        if let Ok(ip) = name.parse::<IpAddr>() {
            let ip = ip.to_canonical();
            return self.connect.iter().any(|pattern| {
                matches!(&pattern.host, HostPattern::Network(network) if names(network, ip))
            });
        }
        let mut names = self.lookup.iter().chain(self.names_to_connect());
        names.any(|pattern| pattern.matches(name))
    }

    /// Whether a datagram handler may send to `to`, if that is not its client.
    pub(crate) fn may_send_to(&self, to: SocketAddr) -> bool {
        self.send_to.iter().any(|pattern| pattern.contains(to))
    }

    fn names_to_connect(&self) -> impl Iterator<Item = &NamePattern> {
        self.connect
            .iter()
            .filter_map(|pattern| match &pattern.host {
                HostPattern::Name(name) => Some(name),
                HostPattern::Network(_) => None,
            })
    }
}

#[cfg(test)]
mod tests;
