//! What a handler is granted: flags of `serve` and `inspect`.

use clap::Args;

use crate::{Access, ConnectPattern, Directory, Grants, NamePattern, NetworkPattern, Variable};

/// Whatever a handler may reach beyond its request.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Grants (each may be given several times; without them a handler has none)"
)]
pub(super) struct GrantFlags {
    /// An environment variable of the handler; NAME alone takes the value that the command itself has
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<Variable>,

    /// A directory that the handler can read, with all below it: its path here, and the handler's if it differs
    ///
    /// No link and no .. leads out of it. It is opened when the server starts, and stays that one whatever is done
    /// to its path later.
    #[arg(long, value_name = "HOST[::GUEST]")]
    dir: Vec<Directory>,

    /// The same, where the handler can make, change and remove files, too
    #[arg(long, value_name = "HOST[::GUEST]")]
    dir_rw: Vec<Directory>,

    /// Whom the handler may connect to: tcp://HOST:PORT or udp://HOST:PORT
    ///
    /// HOST is a name, *.NAME for the names below it, an address, or a CIDR such as 10.0.0.0/8 or [fd00::/8]; PORT a
    /// number, a range such as 8000-8099, or *. Behind a name are the addresses that a look-up in the same request
    /// gave, if they are public: private, loopback, link-local and other special ones are refused, unless another
    /// --connect names them by address or CIDR. A CIDR that has public addresses grants only these: 0.0.0.0/0 is the
    /// Internet, and not this machine.
    #[arg(long, value_name = "PATTERN")]
    connect: Vec<ConnectPattern>,

    /// A name that the handler may look up, or *.NAME for the names below it; those of --connect it may anyway
    #[arg(long, value_name = "NAME")]
    lookup: Vec<NamePattern>,

    /// Whom a handler of udp may send packets to, beside its client, by the server's own socket
    ///
    /// An address or a CIDR, and a port, a range or *, as for --connect.
    #[arg(long, value_name = "CIDR:PORT")]
    send_to: Vec<NetworkPattern>,
}

impl GrantFlags {
    /// What clap cannot know: which flags make sense together.
    pub(super) fn check(&self) -> Result<(), String> {
        // What the library calls a grant is the flag's name.
        self.grants().check().map_err(|error| format!("--{error}"))
    }

    pub(super) fn grants(&self) -> Grants {
        let writable = self.dir_rw.iter().map(|directory| Directory {
            access: Access::ReadWrite,
            ..directory.clone()
        });
        Grants {
            environment: self.env.clone(),
            directories: self.dir.iter().cloned().chain(writable).collect(),
            connect: self.connect.clone(),
            lookup: self.lookup.clone(),
            send_to: self.send_to.clone(),
        }
    }
}

/// `NAME=VALUE`, or `NAME` with the value that this process has.
fn variable(text: &str) -> Result<Variable, String> {
    if text.contains('=') {
        return text.parse().map_err(|error| format!("{error}, or NAME"));
    }
    let value = std::env::var(text).map_err(|error| match error {
        std::env::VarError::NotPresent => format!("{text} is not set here: write {text}=VALUE"),
        std::env::VarError::NotUnicode(_) => format!("the value of {text} is no text"),
    })?;
    Ok(Variable {
        name: text.to_owned(),
        value,
    })
}
