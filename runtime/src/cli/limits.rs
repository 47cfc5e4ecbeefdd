//! The flags of the limits, made of the table of limits.

use clap::error::{Error, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::values::{Size, Time};
use crate::config::Row;
use crate::{Applies, Limit, Limits, ServerLimits, Unit};

/// Limits of each request, and of all together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LimitFlags {
    pub(super) request: Limits,
    pub(super) server: ServerLimits,
}

/// What a flag says: an amount in its limit's unit, or none.
#[derive(Debug, Clone, Copy)]
struct Amount(Option<u64>);

impl Args for LimitFlags {
    fn augment_args(command: Command) -> Command {
        let rows: Vec<Limit> = crate::limits().collect();
        let mut flags: Vec<&str> = rows.iter().map(|row| row.name).collect();
        flags.dedup();
        flags.into_iter().fold(command, |command, flag| {
            let rows: Vec<_> = rows.iter().filter(|row| row.name == flag).collect();
            command.arg(argument(flag, &rows))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        set(Limits::TABLE, &mut self.request, matches)?;
        set(ServerLimits::TABLE, &mut self.server, matches)
    }
}

/// What was typed, into the fields that it is about. It is within its bounds first, since a field may not hold what is not.
fn set<L>(table: &[Row<L>], limits: &mut L, matches: &ArgMatches) -> Result<(), Error> {
    for row in table {
        if let Some(Amount(amount)) = matches.get_one(row.limit.name) {
            let checked = row.limit.check(*amount);
            checked
                .map_err(|error| Error::raw(ErrorKind::ValueValidation, format!("--{error}\n")))?;
            (row.set)(limits, *amount);
        }
    }
    Ok(())
}

/// The flag of rows that share a name.
fn argument(flag: &'static str, rows: &[&Limit]) -> Arg {
    let argument = Arg::new(flag)
        .long(flag)
        .help_heading("Limits")
        // A negative number is refused with a sentence, not taken for a flag.
        .allow_hyphen_values(true);
    let Some(first) = rows.first() else {
        return argument;
    };
    let (unit, may_be_none) = (first.unit, first.may_be_none);
    let word = match (unit, may_be_none) {
        (Unit::Bytes, false) => "SIZE",
        (Unit::Bytes, true) => "SIZE|none",
        (Unit::Number, false) => "N",
        (Unit::Number, true) => "N|none",
        (Unit::Time, false) => "TIME",
        (Unit::Time, true) => "TIME|none",
    };
    argument
        .value_name(word)
        .value_parser(move |text: &str| amount(text, unit, may_be_none))
        .help(summary(rows))
        .long_help(manual(rows))
}

/// The short help: what is limited, and the default.
fn summary(rows: &[&Limit]) -> String {
    let meaning = rows.first().map_or("", |row| row.meaning);
    let meaning = meaning.strip_suffix('.').unwrap_or(meaning);
    format!("{meaning} [default: {}]", defaults(rows))
}

/// The long help: the reason, the bounds and the outcome, too.
fn manual(rows: &[&Limit]) -> String {
    let mut text = summary(rows);
    for row in rows {
        text.push_str("\n\n");
        if row.applies != Applies::All {
            text.push_str(&format!("For {}: ", row.applies));
        }
        text.push_str(row.reason);
        text.push_str(&format!(
            " Bounds: {}; outcome: {}.",
            row.bounds_text(),
            row.outcome
        ));
    }
    text
}

/// The default; of rows that share a flag, each with what it is for.
fn defaults(rows: &[&Limit]) -> String {
    match rows {
        [one] => one.default_text(),
        several => {
            let each = several
                .iter()
                .map(|row| format!("{} for {}", row.default_text(), row.applies));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

fn amount(text: &str, unit: Unit, may_be_none: bool) -> Result<Amount, String> {
    if may_be_none && text == "none" {
        return Ok(Amount(None));
    }
    let parsed = match unit {
        Unit::Bytes => text.parse::<Size>().map(|size| size.0),
        Unit::Time => text.parse::<Time>().map(|time| nanoseconds(time.0)),
        Unit::Number => text.parse().map_err(|_| "write a number".to_owned()),
    };
    let or_none = if may_be_none { ", or none" } else { "" };
    parsed
        .map(|amount| Amount(Some(amount)))
        .map_err(|complaint| format!("{complaint}{or_none}"))
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
