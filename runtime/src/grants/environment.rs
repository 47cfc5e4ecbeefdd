//! Environment variables.

use std::fmt;
use std::str::FromStr;

use crate::config::ConfigError;

/// An environment variable that a handler finds: `NAME=VALUE`.
///
/// ```
/// let variable: runtime::Variable = "LANG=C.UTF-8".parse()?;
/// assert_eq!((&*variable.name, &*variable.value), ("LANG", "C.UTF-8"));
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, which is not empty and holds neither `=` nor a zero byte.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
}

impl FromStr for Variable {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (name, value) = text.split_once('=').unwrap_or_default();
        if name.is_empty() || text.contains('\0') {
            return Err(ConfigError::new("write NAME=VALUE".to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything_and_be_empty() {
        for text in ["A=", "A=b=c", "A= b "] {
            let variable: Variable = text.parse().expect("a variable");
            assert_eq!(variable.to_string(), text);
        }
    }

    #[test]
    fn a_variable_needs_a_name() {
        for text in ["", "=", "=x", "A", "A=\0"] {
            let complaint = text.parse::<Variable>().expect_err("none").to_string();
            assert_eq!(complaint, "write NAME=VALUE", "{text:?}");
        }
    }
}
