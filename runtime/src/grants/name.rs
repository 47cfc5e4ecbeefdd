//! Patterns of host names.

use std::fmt;
use std::str::FromStr;

use crate::config::ConfigError;

/// A host name, or `*.` and a name for all names below it, at any depth.
///
/// Names are ASCII (an international one in its form with `xn--`); case and a dot at the end do not matter.
///
/// ```
/// let pattern: runtime::NamePattern = "*.Example.com".parse()?;
/// assert_eq!(pattern.to_string(), "*.example.com");
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    /// In lower case, without the star and its dot.
    name: String,
    /// True for the names below `name`, which itself is none of them.
    below: bool,
}

impl NamePattern {
    /// Whether `name` is one of these.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some(name) = canonical(name) else {
            return false;
        };
        if !self.below {
            return name == self.name;
        }
        let front = name.strip_suffix(&self.name);
        front.is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    }
}

impl FromStr for NamePattern {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        match canonical(name) {
            Some(name) => Ok(Self { name, below }),
            None => Err(ConfigError::new(
                "write a host name, or *.NAME for the names below it".to_owned(),
            )),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.below { "*." } else { "" };
        write!(f, "{star}{}", self.name)
    }
}

/// A name in the one form in which names are compared; none if it is no host name.
///
/// The rules are those of RFC 1123 and the underscore. What ends in a number is an address in one of its old
/// forms to many a resolver, so it is no name.
fn canonical(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let characters = label.bytes();
        (1..=63).contains(&label.len())
            && characters
                .into_iter()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_number = |label: &str| {
        let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
        match hexadecimal {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => label.bytes().all(|byte| byte.is_ascii_digit()),
        }
    };
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_name = name.len() <= 253 && name.split('.').all(is_label) && !is_number(last);
    is_name.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_one_form() {
        for text in [
            "localhost",
            "db.example.com",
            "*.example.com",
            "_srv.a-b.c",
            "*.com",
        ] {
            let pattern: NamePattern = text.parse().expect("a pattern");
            assert_eq!(pattern.to_string(), text);
        }
        let pattern: NamePattern = "DB.example.COM.".parse().expect("a pattern");
        assert_eq!(pattern.to_string(), "db.example.com");
        assert!(pattern.matches("db.EXAMPLE.com."));
        assert!(!pattern.matches("db.example.com.."));
    }

    #[test]
    fn a_star_stands_for_one_label_or_more_and_not_for_none() {
        let pattern: NamePattern = "*.example.com".parse().expect("a pattern");
        assert!(pattern.matches("a.example.com") && pattern.matches("a.b.example.com"));
        for name in [
            "example.com",
            ".example.com",
            "aexample.com",
            "a.example.com.net",
        ] {
            assert!(!pattern.matches(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "*",
            "*.",
            "a..b",
            "*a.b",
            "a.*.b",
            "*.*.b",
            "a b",
            "a/b",
            "ex%61mple",
            "größe",
            "10.0.0.1",
            "1.2",
            "a.0x7f",
            "0X7F",
            "[::1]",
            "a:80",
            &long,
        ] {
            assert!(text.parse::<NamePattern>().is_err(), "{text:?}");
        }
    }
}
