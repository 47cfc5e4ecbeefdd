//! What a row of the table of limits is, and the macro that makes fields, defaults and checks of rows.

use std::fmt;
use std::time::Duration;

use super::ConfigError;
use crate::address::Transport;

/// What a limit is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things: requests, lines, handles.
    Number,
    /// Time, in nanoseconds.
    Time,
}

/// Which requests a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// All of them.
    All,
    /// Connections.
    Streams,
    /// Datagrams.
    Datagrams,
    /// Packets over udp, whose senders are not proven.
    Udp,
}

impl Applies {
    /// The transports that have such requests.
    #[must_use]
    pub fn transports(self) -> &'static [Transport] {
        use Transport::{Tcp, Udp, Unix, Unixgram};
        match self {
            Self::All => &[Tcp, Udp, Unix, Unixgram],
            Self::Streams => &[Tcp, Unix],
            Self::Datagrams => &[Udp, Unixgram],
            Self::Udp => &[Udp],
        }
    }
}

/// One row of the table of limits: a field of [`Limits`](crate::Limits) or
/// [`ServerLimits`](crate::ServerLimits), as the command's help and the README tell of it.
///
/// ```
/// let memory = runtime::limits().find(|limit| limit.name == "max-memory").expect("a row");
/// assert_eq!((memory.default_text().as_str(), memory.outcome), ("64MiB", "memory"));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limit {
    /// The flag, without its dashes. Two rows may have one name: one is for streams, one for datagrams.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Which requests it is about.
    pub applies: Applies,
    /// The default, in its unit; none for no limit, or where `default_words` say what it is.
    pub default: Option<u64>,
    /// The default where it is no number of its own.
    pub default_words: Option<&'static str>,
    /// The smallest and the largest value that makes sense.
    pub bounds: (u64, u64),
    /// True if it can be switched off, by `none`.
    pub may_be_none: bool,
    /// What is limited, in one line.
    pub meaning: &'static str,
    /// Why the default is what it is, and what there is to know beside.
    pub reason: &'static str,
    /// The outcome of a request that meets it, as it stands in the log.
    pub outcome: &'static str,
    /// The integration test that proves it.
    pub proof: &'static str,
}

impl Limit {
    /// The default as the command's help shows it.
    #[must_use]
    pub fn default_text(&self) -> String {
        match (self.default_words, self.default) {
            (Some(words), _) => words.to_owned(),
            (None, Some(amount)) => self.unit.text(amount),
            (None, None) => "none".to_owned(),
        }
    }

    /// The bounds as the command's help shows them: `1 to 64`, or `at least 1` where there is no other end.
    #[must_use]
    pub fn bounds_text(&self) -> String {
        let (least, most) = self.bounds;
        match most {
            u64::MAX => format!("at least {}", self.unit.text(least)),
            _ => format!("{} to {}", self.unit.text(least), self.unit.text(most)),
        }
    }

    /// # Errors
    ///
    /// [`ConfigError`] if `amount` is out of bounds.
    pub(crate) fn check(&self, amount: Option<u64>) -> Result<(), ConfigError> {
        let (least, most) = self.bounds;
        let Some(amount) = amount.filter(|amount| !(least..=most).contains(amount)) else {
            return Ok(());
        };
        let or_none = if self.may_be_none {
            ", or none for no limit"
        } else {
            ""
        };
        let from = if most == u64::MAX { "" } else { "from " };
        Err(ConfigError::new(format!(
            "{} is {}: choose {from}{}{or_none}",
            self.name,
            self.unit.text(amount),
            self.bounds_text()
        )))
    }
}

impl Unit {
    /// `amount` as a person writes it: `64MiB`, `1000`, `10s`.
    #[must_use]
    pub fn text(self, amount: u64) -> String {
        const BYTES: [(u64, &str); 4] = [
            (1 << 40, "TiB"),
            (1 << 30, "GiB"),
            (1 << 20, "MiB"),
            (1 << 10, "KiB"),
        ];
        const TIMES: [(u64, &str); 6] = [
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1000, "us"),
            (1, "ns"),
        ];
        let units: &[(u64, &str)] = match self {
            Self::Number => &[],
            Self::Bytes => &BYTES,
            Self::Time => &TIMES,
        };
        let whole = |(size, _): &&(u64, &str)| amount > 0 && amount.is_multiple_of(*size);
        match units.iter().find(whole) {
            Some((size, unit)) => format!("{}{unit}", amount / size),
            None if self == Self::Time => format!("{amount}s"),
            None => amount.to_string(),
        }
    }
}

impl fmt::Display for Applies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all requests",
            Self::Streams => "streams",
            Self::Datagrams => "datagrams",
            Self::Udp => "udp",
        })
    }
}

/// A row with the field that it is about.
pub(crate) struct Row<L> {
    pub(crate) limit: Limit,
    pub(crate) get: fn(&L) -> Option<u64>,
    pub(crate) set: fn(&mut L, Option<u64>),
}

/// # Errors
///
/// [`ConfigError`] about the first of `limits` that is out of its bounds.
pub(super) fn check<L>(table: &[Row<L>], limits: &L) -> Result<(), ConfigError> {
    table
        .iter()
        .try_for_each(|row| row.limit.check((row.get)(limits)))
}

/// What a field of limits holds, as a number in the limit's unit; none for no limit.
pub(super) trait Amount {
    fn get(&self) -> Option<u64>;
    fn of(amount: Option<u64>) -> Self;
}

impl Amount for u64 {
    fn get(&self) -> Option<u64> {
        Some(*self)
    }

    fn of(amount: Option<u64>) -> Self {
        amount.unwrap_or(Self::MAX)
    }
}

impl Amount for u32 {
    fn get(&self) -> Option<u64> {
        Some(u64::from(*self))
    }

    fn of(amount: Option<u64>) -> Self {
        amount.map_or(Self::MAX, |amount| {
            Self::try_from(amount).unwrap_or(Self::MAX)
        })
    }
}

impl Amount for Duration {
    fn get(&self) -> Option<u64> {
        Some(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }

    fn of(amount: Option<u64>) -> Self {
        amount.map_or(Self::MAX, Self::from_nanos)
    }
}

impl<A: Amount> Amount for Option<A> {
    fn get(&self) -> Option<u64> {
        self.as_ref().and_then(A::get)
    }

    fn of(amount: Option<u64>) -> Self {
        amount.map(|amount| A::of(Some(amount)))
    }
}

/// Makes of rows a struct with their fields, its defaults and its table.
///
/// A row is: field, its type, its default; the flag; unit, which requests, bounds, whether `none` is no limit,
/// a default in words if there is one; meaning, reason, outcome, proof.
macro_rules! limits {
    (
        $(#[$about:meta])*
        $name:ident {
            $(
                $field:ident: $type:ty = $default:expr, $flag:literal;
                $unit:ident, $applies:ident, $least:tt..=$most:expr $(, $none:ident)? $(, $words:literal)?;
                $meaning:literal
                $reason:literal
                $outcome:literal, $proof:literal;
            )+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $(
                #[doc = $meaning]
                #[doc = ""]
                #[doc = $reason]
                #[doc = ""]
                #[doc = concat!(
                    "Default `", stringify!($default), "`, bounds `", stringify!($least), "..=", stringify!($most),
                    "`", unit_words!($unit), "."
                )]
                $(#[doc = concat!("`None`: no limit (`", stringify!($none), "`).")])?
                $(#[doc = concat!("`None`: ", $words, ".")])?
                #[doc = ""]
                #[doc = concat!("Flag `--", $flag, "`. Ends in the outcome `", $outcome, "`.")]
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// A row for each field.
            pub(crate) const TABLE: &[Row<Self>] = &[
                $(Row {
                    limit: Limit {
                        name: $flag,
                        unit: Unit::$unit,
                        applies: Applies::$applies,
                        default: None,
                        default_words: [$(Some($words),)? None][0],
                        bounds: ($least, $most),
                        may_be_none: [$(stringify!($none).len() > 0,)? false][0],
                        meaning: $meaning,
                        reason: $reason,
                        outcome: $outcome,
                        proof: $proof,
                    },
                    get: |limits| Amount::get(&limits.$field),
                    set: |limits, amount| limits.$field = Amount::of(amount),
                },)+
            ];

            /// # Errors
            ///
            /// [`ConfigError`] if a limit is out of its bounds.
            pub(crate) fn check(&self) -> Result<(), ConfigError> {
                check(Self::TABLE, self)
            }

            /// The rows, with their defaults.
            pub(crate) fn rows() -> impl Iterator<Item = Limit> {
                let defaults = Self::default();
                Self::TABLE.iter().map(move |row| Limit {
                    default: (row.get)(&defaults),
                    ..row.limit
                })
            }
        }
    };
}

/// What the documentation of a limit says of its unit.
macro_rules! unit_words {
    (Bytes) => {
        " bytes"
    };
    (Number) => {
        ""
    };
    (Time) => {
        " in nanoseconds"
    };
}

pub(super) use {limits, unit_words};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_people_do() {
        assert_eq!(Unit::Bytes.text(64 << 20), "64MiB");
        assert_eq!(Unit::Bytes.text(1500), "1500");
        assert_eq!(Unit::Bytes.text(0), "0");
        assert_eq!(Unit::Time.text(600_000_000_000), "10m");
        assert_eq!(Unit::Time.text(1_500_000_000), "1500ms");
        assert_eq!(Unit::Time.text(0), "0s");
        assert_eq!(Unit::Number.text(7), "7");
    }
}
