//! Where a flag has an effect. One that was typed and could have none is refused: whoever typed it counts on it.

use clap::error::Error;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::address::Place;
use crate::{BindAddress, Schedule, Transport, UnixName};

use Schedule::{Forking, Threaded};
use Transport::{Tcp, Udp, Unix, Unixgram};

/// The flags that were typed, by their names. It stands before the fields whose flags it is about: those take them away.
#[derive(Debug, Default)]
pub(super) struct Typed(Vec<String>);

/// What flags are judged by.
pub(super) struct Asked<'a> {
    pub(super) typed: &'a Typed,
    pub(super) address: &'a BindAddress,
    pub(super) schedule: Schedule,
}

/// What a flag needs to have an effect.
#[derive(Clone, Copy)]
enum Scope {
    /// One of these transports.
    Transports(&'static [Transport]),
    /// One of these schedules.
    Schedules(&'static [Schedule]),
    /// A socket that is bound here: one that was bound before stays as it is.
    NewSocket,
    /// A Unix socket with a path.
    Path,
    /// One of these flags beside it.
    Beside(&'static [&'static str]),
}

/// What the table of limits does not say. A flag that is in neither has an effect everywhere.
const SCOPES: &[(&str, Scope)] = &[
    ("max-concurrency", Scope::Schedules(&[Threaded, Forking])),
    (
        "max-concurrency-per-source",
        Scope::Schedules(&[Threaded, Forking]),
    ),
    (
        "max-sources",
        Scope::Beside(&["max-rate-per-source", "max-reply-rate-per-source"]),
    ),
    ("max-children", Scope::Schedules(&[Forking])),
    ("confine", Scope::Schedules(&[Forking])),
    ("request-queue-size", Scope::Transports(&[Tcp, Unix])),
    ("allow-reuse-address", Scope::Transports(&[Tcp, Udp])),
    ("allow-reuse-address", Scope::NewSocket),
    ("allow-reuse-port", Scope::Transports(&[Tcp, Udp])),
    ("allow-reuse-port", Scope::NewSocket),
    ("max-packet-size", Scope::Transports(&[Udp, Unixgram])),
    ("disable-nagle-algorithm", Scope::Transports(&[Tcp])),
    ("read-timeout", Scope::Transports(&[Tcp, Unix])),
    ("socket-mode", Scope::Transports(&[Unix, Unixgram])),
    ("socket-mode", Scope::Path),
    ("receive-buffer", Scope::NewSocket),
    ("send-buffer", Scope::NewSocket),
];

impl Asked<'_> {
    /// # Errors
    ///
    /// What to do about the first flag that was typed and has no effect.
    pub(super) fn check(&self) -> Result<(), String> {
        for flag in &self.typed.0 {
            if let Some(unmet) = scopes(flag).find(|scope| !scope.is_met(self)) {
                return Err(unmet.complaint(flag, self));
            }
        }
        Ok(())
    }
}

/// What `flag` needs. Limits that share a flag are for all transports together.
fn scopes(flag: &str) -> impl Iterator<Item = Scope> {
    let rows: Vec<_> = crate::limits().filter(|row| row.name == flag).collect();
    let limit = match rows.as_slice() {
        [row] => Some(Scope::Transports(row.applies.transports())),
        _ => None,
    };
    let others = SCOPES.iter().filter(move |(name, _)| *name == flag);
    limit.into_iter().chain(others.map(|(_, scope)| *scope))
}

impl Scope {
    fn is_met(self, asked: &Asked<'_>) -> bool {
        match self {
            Self::Transports(transports) => transports.contains(&asked.address.transport()),
            Self::Schedules(schedules) => schedules.contains(&asked.schedule),
            Self::NewSocket => !matches!(asked.address.place, Place::Descriptor(_)),
            Self::Path => matches!(asked.address.place, Place::Unix(UnixName::Path(_))),
            Self::Beside(flags) => flags.iter().any(|flag| asked.typed.has(flag)),
        }
    }

    fn complaint(self, flag: &str, asked: &Asked<'_>) -> String {
        let (needs, instead) = (self.needs(asked), self.instead());
        format!("--{flag} is for {needs}: leave it out, or {instead}")
    }

    /// What there has to be, and what there is.
    fn needs(self, asked: &Asked<'_>) -> String {
        let address = asked.address;
        let all = self.choices().join(" and ");
        match self {
            Self::Transports(_) => format!("{all}, not {}", address.transport()),
            Self::Schedules(_) => format!("--schedule {all}, not {}", asked.schedule.as_str()),
            Self::NewSocket => format!("a socket that is bound here, not {address}"),
            Self::Path => format!("a Unix socket with a path, not {address}"),
            Self::Beside(_) => all,
        }
    }

    /// What to do if the flag is to stay.
    fn instead(self) -> String {
        let any = self.choices().join(" or ");
        match self {
            Self::Transports(_) => format!("serve {any}"),
            Self::Schedules(_) => format!("choose {any}"),
            Self::NewSocket => "name an address to bind".to_owned(),
            Self::Path => "bind a path".to_owned(),
            Self::Beside(_) => format!("set {any}"),
        }
    }

    /// Those of which one has to be there.
    fn choices(self) -> Vec<String> {
        match self {
            Self::Transports(those) => those.iter().map(|one| one.as_str().to_owned()).collect(),
            Self::Schedules(those) => those.iter().map(|one| one.as_str().to_owned()).collect(),
            Self::Beside(those) => those.iter().map(|one| format!("--{one}")).collect(),
            Self::NewSocket | Self::Path => Vec::new(),
        }
    }
}

impl Typed {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|typed| typed == flag)
    }
}

impl Args for Typed {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut typed = Self::default();
        typed.update_from_arg_matches(matches)?;
        Ok(typed)
    }

    /// A flag is written with dashes where clap knows a field with underscores.
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let names = matches.ids().map(clap::Id::as_str);
        let typed =
            names.filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine));
        self.0 = typed.map(|name| name.replace('_', "-")).collect();
        Ok(())
    }
}
