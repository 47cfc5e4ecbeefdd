//! The programs that are compared.

/// What a server does with a request. The handlers, the plain server and the Python program share the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// One read or one packet, stripped.
    Upper,
    /// Every read until the client leaves, nothing stripped.
    UpperLoop,
    /// Every byte back.
    Echo,
}

impl Program {
    pub(super) const ALL: [Self; 3] = [Self::Upper, Self::UpperLoop, Self::Echo];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::UpperLoop => "upper-loop",
            Self::Echo => "echo",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.name() == name)
    }
}
