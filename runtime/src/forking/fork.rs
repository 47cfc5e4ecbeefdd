//! What the standard library has no safe words for: to fork, to end without ceremony, and a clock by signals.

#![expect(
    unsafe_code,
    reason = "fork(2), _exit(2) and sigaction(2) have conditions that no type expresses"
)]

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::{
    SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use nix::unistd::{ForkResult, Pid};

use crate::sandbox::EpochClock;

/// The signal of the clock.
const TICK: Signal = Signal::SIGVTALRM;

/// CPU time between two ticks: the precision of the CPU limit.
const TURN: Duration = Duration::from_millis(5);

static CLOCK: OnceLock<EpochClock> = OnceLock::new();

/// Forks this process, which must have one thread only. Returns the child's number, and none in the child.
///
/// # Errors
///
/// As fork(2).
pub(super) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: no other thread exists in a zygote, so that the child finds no lock held and no state half changed.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Closes all that this process was started with, but for the standard streams: what a program leaves open for those
/// that it starts is nobody's in here. To be called before anything is opened.
///
/// # Errors
///
/// As close_range(2).
pub(super) fn close_inherited() -> io::Result<()> {
    const FIRST: u32 = 3;
    // SAFETY: nothing in this process has opened a descriptor yet.
    match unsafe { nix::libc::close_range(FIRST, u32::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes this process hear of its children's ends, whatever whoever started it thinks of its own.
///
/// # Errors
///
/// As sigaction(2).
pub(super) fn hear_of_children() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: there is no handler.
    unsafe { sigaction(Signal::SIGCHLD, &default) }?;
    Ok(())
}

/// Ends a forked child, without what the ordinary end of a program does: it is the zygote's to do.
pub(super) fn exit_now(status: i32) -> ! {
    // SAFETY: nothing of this process is used any more.
    unsafe { nix::libc::_exit(status) }
}

/// Says what a tick of [`start_clock`] does, in this process and its children.
///
/// # Errors
///
/// As sigaction(2).
pub(super) fn prepare_clock(clock: EpochClock) -> io::Result<()> {
    extern "C" fn tick(_: i32) {
        if let Some(clock) = CLOCK.get() {
            clock.end_turn();
        }
    }
    CLOCK.get_or_init(|| clock);
    let action = SigAction::new(
        SigHandler::Handler(tick),
        SaFlags::SA_RESTART | SaFlags::SA_ONSTACK,
        SigSet::empty(),
    );
    // SAFETY: the handler reads a value that was set before, and adds to an atomic number: both may be done while
    // anything else is interrupted.
    unsafe { sigaction(TICK, &action) }?;
    Ok(())
}

/// From here on this process ticks while it computes. A fork has no clock of its own, until it calls this.
///
/// # Errors
///
/// As timer_create(2).
pub(super) fn start_clock() -> io::Result<Timer> {
    let notify = SigevNotify::SigevSignal {
        signal: TICK,
        si_value: 0,
    };
    let mut timer = Timer::new(ClockId::CLOCK_PROCESS_CPUTIME_ID, SigEvent::new(notify))?;
    timer.set(
        Expiration::Interval(TURN.into()),
        TimerSetTimeFlags::empty(),
    )?;
    Ok(timer)
}
