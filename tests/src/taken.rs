//! A process that somebody else has taken over: it calls the kernel as it is told, past all of its own code, as it would if a
//! guest had got out of its sandbox. `ptrace(2)` does that, on x86-64.

use std::ffi::CStr;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Process;

/// What the kernel says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It did that; its result.
    Done(i64),
    /// It refused, with that error.
    Refused(Errno),
    /// It killed the process, with that signal.
    Killed(Signal),
    /// It ended the process, with that status.
    Exited(i32),
}

/// A process that is held in the middle of a system call of its own, and makes others instead. It dies with this.
#[derive(Debug)]
pub struct Taken(Pid);

/// A system call is two bytes long.
const LENGTH: u64 = 2;

/// What a function may write below its stack without moving it.
const RED_ZONE: u64 = 128;

impl Taken {
    /// Takes a process that waits in the kernel.
    ///
    /// # Panics
    ///
    /// If this process may not: that takes root, since nobody else looks into a confined process.
    #[must_use]
    pub fn take(process: Process) -> Self {
        let pid = Pid::from_raw(process.pid().try_into().expect("a number"));
        ptrace::seize(pid, ptrace::Options::PTRACE_O_EXITKILL).expect("it can be traced, by root");
        ptrace::interrupt(pid).expect("it is traced");
        let stopped = waitpid(pid, Some(WaitPidFlag::__WALL)).expect("it stops");
        assert!(
            matches!(stopped, WaitStatus::PtraceEvent(..)),
            "{stopped:?}"
        );
        Self(pid)
    }

    /// Has it make a system call. If it lives, it is where it was before.
    ///
    /// # Panics
    ///
    /// If it does not wait in the kernel, or is dead already.
    #[must_use]
    pub fn call(&self, number: i64, arguments: [u64; 6]) -> Said {
        let before = ptrace::getregs(self.0).expect("it is held");
        let mut registers = before;
        registers.rip -= LENGTH;
        self.assert_calls(registers.rip);
        registers.rax = number.cast_unsigned();
        // Nothing of its own call is to be done again.
        registers.orig_rax = u64::MAX;
        [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ] = arguments;
        ptrace::setregs(self.0, registers).expect("it is held");
        let said = self.step();
        // An error: it is dead.
        let _ = ptrace::setregs(self.0, before);
        said
    }

    /// Writes a text where it can be an argument; its address. The next one takes its place.
    ///
    /// # Panics
    ///
    /// If it is dead.
    #[must_use]
    pub fn text(&self, text: &CStr) -> u64 {
        self.bytes(text.to_bytes_with_nul())
    }

    /// Writes bytes where they can be an argument; their address. The next ones take their place.
    ///
    /// # Panics
    ///
    /// If it is dead.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> u64 {
        let stack = ptrace::getregs(self.0).expect("it is held").rsp;
        let room = bytes.len().next_multiple_of(size_of::<i64>()) as u64;
        let start = (stack - RED_ZONE - room) & !0xf;
        for (at, word) in (start..).step_by(size_of::<i64>()).zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..word.len()].copy_from_slice(word);
            let address = at as ptrace::AddressType;
            ptrace::write(self.0, address, i64::from_le_bytes(whole)).expect("its stack");
        }
        start
    }

    /// Lets it go on with what it did when it was taken, if it still lives.
    pub fn let_go(self) {
        if ptrace::detach(self.0, None).is_err() {
            let _ = waitpid(self.0, Some(WaitPidFlag::__WALL));
        }
    }

    /// Lets it go on by itself, where there is no code.
    ///
    /// # Panics
    ///
    /// If it is dead.
    pub fn leap_into_nothing(self) {
        let mut registers = ptrace::getregs(self.0).expect("it is held");
        registers.rip = 0;
        // Its own call is not to be done again.
        registers.orig_rax = u64::MAX;
        ptrace::setregs(self.0, registers).expect("it is held");
        ptrace::detach(self.0, None).expect("it is held");
    }

    /// Lets it run over one call, and says what came of it.
    fn step(&self) -> Said {
        loop {
            // An error: somebody has killed it meanwhile, which is heard of next. So it is with its registers.
            let _ = ptrace::step(self.0, None);
            match waitpid(self.0, Some(WaitPidFlag::__WALL)).expect("it stops or ends") {
                WaitStatus::Signaled(_, signal, _) => return Said::Killed(signal),
                WaitStatus::Exited(_, status) => return Said::Exited(status),
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                    if let Ok(registers) = ptrace::getregs(self.0) {
                        return said(registers.rax);
                    }
                }
                _ => {}
            }
        }
    }

    #[track_caller]
    fn assert_calls(&self, address: u64) {
        let code = ptrace::read(self.0, address as ptrace::AddressType).expect("its code");
        assert_eq!(code.to_le_bytes()[..2], [0x0f, 0x05], "no system call");
    }
}

/// What the kernel says by the register of results.
fn said(result: u64) -> Said {
    match result.cast_signed() {
        error @ -4095..0 => Said::Refused(Errno::from_raw(i32::try_from(-error).expect("small"))),
        result => Said::Done(result),
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // An error: a call of its own was its end.
        if ptrace::kill(self.0).is_ok() {
            let _ = waitpid(self.0, Some(WaitPidFlag::__WALL));
        }
    }
}
