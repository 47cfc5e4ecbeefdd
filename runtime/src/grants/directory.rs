//! Directories.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::ConfigError;

/// What may be done in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Nothing in it can be changed. The default.
    #[default]
    ReadOnly,
    /// Files in it can be made, changed and removed, within the server's own rights.
    ReadWrite,
}

/// A directory of the server that a handler finds under a path of its own: `HOST[::GUEST]`.
///
/// ```
/// use runtime::{Access, Directory};
///
/// let data: Directory = "/srv/data::/data".parse()?;
/// assert_eq!((data.guest_path.as_str(), data.access), ("/data", Access::ReadOnly));
/// let scratch = Directory { access: Access::ReadWrite, ..data };
/// assert_eq!(scratch.to_string(), "/srv/data::/data read-write");
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is on the server.
    pub host_path: PathBuf,
    /// Where the handler finds it: as typed, the same path.
    pub guest_path: String,
    /// What may be done in it.
    pub access: Access,
}

impl FromStr for Directory {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() || text.contains('\0') {
            let help =
                "write the directory's path, or HOST::GUEST, the path here and the handler's";
            return Err(ConfigError::new(help.to_owned()));
        }
        Ok(Self {
            host_path: host.into(),
            guest_path: guest.to_owned(),
            access: Access::ReadOnly,
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        })
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host_path.display().to_string();
        f.write_str(&host)?;
        if host != self.guest_path {
            write!(f, "::{}", self.guest_path)?;
        }
        write!(f, " {}", self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_path_is_the_hosts_as_typed_unless_it_is_given() {
        for (text, host, guest) in [
            ("/srv/data", "/srv/data", "/srv/data"),
            ("data", "data", "data"),
            (".::/", ".", "/"),
            ("a:b::c", "a:b", "c"),
        ] {
            let directory: Directory = text.parse().expect("a directory");
            assert_eq!(directory.host_path, PathBuf::from(host), "{text}");
            assert_eq!(directory.guest_path, guest, "{text}");
        }
    }

    #[test]
    fn a_path_is_needed() {
        for text in ["", "::", "::/data", "/data::", "/da\0ta"] {
            let complaint = text.parse::<Directory>().expect_err("none").to_string();
            assert!(
                complaint.starts_with("write the directory's path"),
                "{text:?}"
            );
        }
    }
}
