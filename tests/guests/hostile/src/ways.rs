//! The ways in which a handler can try to hurt its server, listed once.
//!
//! This guest and the tests both compile this file, and both match on every way: one without a test, or
//! without a guest that does it, does not compile.

/// Makes an enumeration of ways, each of which can be named on the wire.
macro_rules! ways {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $way:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$meaning])* $way),+
        }

        impl $name {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$way),+];

            /// The word for it, in requests and in messages.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$way => stringify!($way)),+
                }
            }
        }
    };
}

ways! {
    /// What the guest `hostile` does.
    Hurt {
        /// Computes without end.
        Spin,
        /// Fills memory without end, an operation at a time that nothing can interrupt.
        SpinInBulkMemory,
        /// Calls the host without end, for something that it answers at once.
        SpinInHostCalls,
        /// Computes, but for a moment just before the clock would notice.
        ManyShortWaits,
        /// Asks for the time without end.
        ClockForEver,
        /// Asks for random bytes without end.
        RandomBytesForEver,
        /// Waits, without end, for one of a long list of things that is there already.
        PollLongLists,
        /// Waits, without end, for something to read that is there already, and does not read it.
        NeverRead,
        /// Sends packets without end.
        AnswerForEver,
        /// Prints lines without end.
        PrintForEver,
        /// Prints without end, and never ends a line.
        PrintWithoutNewline,
        /// Prints what commands a terminal, and forges a line of the log.
        PrintEscapes,
        /// Wants a gigabyte.
        AllocateAtOnce,
        /// Wants ever more, a little at a time.
        AllocateInSmallSteps,
        /// Asks for a terabyte of random bytes, which the host would have to make.
        RandomBytesAtOnce,
        /// Opens handles without end.
        OpenHandles,
        /// Gives the host a list that is too long.
        HugeList,
        /// Fails with a text of many megabytes.
        HugeError,
        /// Fails with a text that is none.
        ErrorThatIsNoText,
        /// Uses a handle that it was never given.
        ForgeAHandle,
        /// Calls itself without end.
        Recurse,
        /// Fails before it has said anything.
        TrapInSetup,
        /// Fails in the middle of its answer.
        TrapInHandle,
        /// Fails when the answer is out, and ended.
        TrapInFinish,
        /// Ends its process, which it does not have.
        Exit,
        /// Reaches for files, sockets and names, and fails when it gets none.
        CallWhatIsNotGranted,
        /// Sleeps without end.
        SleepForEver,
        /// Writes without end to a client that does not read.
        WriteWithoutClientReading,
    }
}
