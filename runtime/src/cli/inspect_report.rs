//! What a handler asks for and what it would get, as lines for people or a JSON object for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::values::Size;
use crate::text::harmless;
use crate::{Grants, Handler, HostPattern, Protocol};

/// All that is told of a handler.
pub(super) struct Report<'a> {
    handler: &'a Handler,
    imports: Vec<Import<'a>>,
    /// What is granted although nothing that it imports could use it.
    unused: Vec<Kind>,
}

struct Import<'a> {
    interface: &'a str,
    verdict: Verdict,
}

/// What becomes of an import.
enum Verdict {
    /// It cannot be refused, or there is nothing in it to refuse: why.
    Always(&'static str),
    Granted(Vec<String>),
    /// What was not given.
    Refused(&'static str),
}

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Environment,
    Directories,
    Tcp,
    Udp,
    Names,
    SendTo,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Environment,
        Self::Directories,
        Self::Tcp,
        Self::Udp,
        Self::Names,
        Self::SendTo,
    ];

    /// What grants it.
    fn flag(self) -> &'static str {
        match self {
            Self::Environment => "--env",
            Self::Directories => "--dir",
            Self::Tcp => "--connect tcp://…",
            Self::Udp => "--connect udp://…",
            Self::Names => "--lookup",
            Self::SendTo => "--send-to",
        }
    }

    /// What is granted of it. The values of variables are nobody's business.
    fn granted(self, grants: &Grants) -> Vec<String> {
        let connect = |protocol: Protocol| {
            let patterns = grants.connect.iter();
            told(patterns.filter(move |pattern| pattern.protocol == protocol))
        };
        match self {
            Self::Environment => told(grants.environment.iter().map(|variable| &variable.name)),
            Self::Directories => told(&grants.directories),
            Self::Tcp => connect(Protocol::Tcp),
            Self::Udp => connect(Protocol::Udp),
            Self::Names => {
                let hosts = grants.connect.iter().map(|pattern| &pattern.host);
                let names = hosts.filter(|host| matches!(host, HostPattern::Name(_)));
                let mut names = told(names);
                names.extend(told(&grants.lookup));
                names.dedup();
                names
            }
            Self::SendTo => told(&grants.send_to),
        }
    }
}

fn told<T: fmt::Display>(what: impl IntoIterator<Item = T>) -> Vec<String> {
    let harmless = |one: T| harmless(one.to_string().as_bytes());
    what.into_iter().map(harmless).collect()
}

/// The function that is granted by itself, though it is a part of an interface that everybody has.
const SEND_TO: &str = "socketserver:handler/types send-to";

impl<'a> Report<'a> {
    pub(super) fn of(handler: &'a Handler) -> Self {
        let mut interfaces: Vec<&str> = handler.imports().iter().map(String::as_str).collect();
        if handler.handles_datagrams() {
            interfaces.push(SEND_TO);
        }
        let kinds: Vec<_> = interfaces.iter().map(|name| kind(name)).collect();
        let is_unused = |kind: &Kind| {
            !kind.granted(handler.grants()).is_empty() && !kinds.contains(&Some(*kind))
        };
        let import = |interface| Import {
            interface,
            verdict: verdict(interface, handler.grants()),
        };
        Self {
            handler,
            imports: interfaces.iter().copied().map(import).collect(),
            unused: Kind::ALL.into_iter().filter(is_unused).collect(),
        }
    }

    fn transports(&self) -> Vec<&'static str> {
        let mut transports = Vec::new();
        if self.handler.handles_streams() {
            transports.extend(["tcp", "unix"]);
        }
        if self.handler.handles_datagrams() {
            transports.extend(["udp", "unixgram"]);
        }
        transports
    }

    /// One object on one line.
    pub(super) fn json(&self) -> String {
        let handler = self.handler;
        let imports = self.imports.iter().map(Import::json);
        let unused = self.unused.iter().map(|kind| kind.flag());
        let object = json!({
            "name": handler.name(),
            "transports": self.transports(),
            "initial_memory": handler.initial_memory(),
            "max_memory": handler.limits().max_memory,
            "memories": handler.memories(),
            "tables": handler.tables(),
            "exports": handler.exports(),
            "imports": imports.collect::<Vec<_>>(),
            "not_asked_for": unused.collect::<Vec<_>>(),
        });
        format!("{object}\n")
    }

    /// Lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let handler = self.handler;
        let name = harmless(handler.name().as_bytes());
        writeln!(text, "{name} serves {}", self.transports().join(", "))?;
        writeln!(
            text,
            "memories {} and tables {}, which begin with {} of the {} that they may have",
            handler.memories(),
            handler.tables(),
            Size(handler.initial_memory()),
            Size(handler.limits().max_memory),
        )?;
        writeln!(text, "\nexports")?;
        for export in handler.exports() {
            writeln!(text, "  {export}")?;
        }
        writeln!(text, "\nimports")?;
        let names = self.imports.iter().map(|import| import.interface.len());
        let width = names.max().unwrap_or(0);
        for Import { interface, verdict } in &self.imports {
            writeln!(text, "  {interface:width$}  {verdict}")?;
        }
        self.write_unused(text)
    }

    fn write_unused(&self, text: &mut String) -> fmt::Result {
        for (place, kind) in self.unused.iter().enumerate() {
            if place == 0 {
                writeln!(text, "\ngranted, and not asked for")?;
            }
            let granted = kind.granted(self.handler.grants()).join(", ");
            writeln!(text, "  {}: {granted}", kind.flag())?;
        }
        Ok(())
    }
}

impl Import<'_> {
    fn json(&self) -> Value {
        let interface = self.interface;
        match &self.verdict {
            Verdict::Always(why) => json!({"name": interface, "is": "always", "why": why}),
            Verdict::Granted(what) => json!({"name": interface, "is": "granted", "what": what}),
            Verdict::Refused(flag) => {
                json!({"name": interface, "is": "refused", "why": format!("no {flag}")})
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(why) => write!(f, "always: {why}"),
            Self::Granted(what) => write!(f, "granted: {}", what.join(", ")),
            Self::Refused(flag) => write!(f, "refused: no {flag}"),
        }
    }
}

/// What has to be granted for the interface `import` to be of use; none if that cannot be granted.
fn kind(import: &str) -> Option<Kind> {
    let name = without_version(import);
    match name {
        SEND_TO => Some(Kind::SendTo),
        "wasi:cli/environment" => Some(Kind::Environment),
        "wasi:sockets/tcp" | "wasi:sockets/tcp-create-socket" => Some(Kind::Tcp),
        "wasi:sockets/udp" | "wasi:sockets/udp-create-socket" => Some(Kind::Udp),
        "wasi:sockets/ip-name-lookup" => Some(Kind::Names),
        _ if name.starts_with("wasi:filesystem/") => Some(Kind::Directories),
        _ => None,
    }
}

fn verdict(import: &str, grants: &Grants) -> Verdict {
    let Some(kind) = kind(import) else {
        return Verdict::Always(why(without_version(import)));
    };
    match kind.granted(grants) {
        granted if granted.is_empty() => Verdict::Refused(kind.flag()),
        granted => Verdict::Granted(granted),
    }
}

/// Why an interface is not refused.
fn why(name: &str) -> &'static str {
    match name.split_once('/').unwrap_or((name, "")) {
        ("socketserver:handler", _) => "the request and its server",
        ("wasi:clocks", _) => "clocks cannot be refused",
        ("wasi:random", _) => "random bytes cannot be refused",
        ("wasi:io", _) => "what the others stand on",
        ("wasi:sockets", _) => "of no use without the other interfaces of sockets",
        ("wasi:cli", "stdin") => "it is empty",
        ("wasi:cli", "stdout" | "stderr") => "the server's own, in lines, up to --max-output",
        ("wasi:cli", "exit") => "it ends the request",
        ("wasi:cli", _) => "there is no terminal",
        _ => "it is there",
    }
}

/// `wasi:cli/exit` of `wasi:cli/exit@0.2.6`.
fn without_version(import: &str) -> &str {
    import.split_once('@').map_or(import, |(name, _)| name)
}
