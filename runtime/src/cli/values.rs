//! What flags say: durations, sizes, and the word `none`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration, as in `500ms`, `10s`, `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

/// A duration, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeOrNone(pub(super) Option<Duration>);

/// A number of bytes, as in `65536`, `64KiB`, `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// Permission bits in octal, as chmod takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u32);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| "write a duration with its unit, as in 500ms, 10s or 5m".to_owned())
    }
}

impl FromStr for TimeOrNone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse::<Time>()
            .map(|time| Self(Some(time.0)))
            .map_err(|complaint| format!("{complaint}, or none"))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|_| "write a number of bytes, as in 65536, 64KiB or 1MB".to_owned())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        u32::from_str_radix(text, 8)
            .map(Self)
            .map_err(|_| "write permission bits in octal, as in 660".to_owned())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Display for TimeOrNone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => Time(time).fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bytesize::ByteSize(self.0).display().iec().to_string();
        f.write_str(&text.replace(".0 ", "").replace(' ', ""))
    }
}
