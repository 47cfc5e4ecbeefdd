//! Resource limits: a net behind the limits of a handler, for a process that no longer keeps to them.
//!
//! There is none of processes (`RLIMIT_NPROC`): it does not bind root, and counts all of a user's. The filter refuses
//! new ones.

use std::time::Duration;
use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Needs;
use crate::config::Limits;
use crate::grants::Protocol;

/// Bytes that serving takes beside the guest's memory and stacks: the async runtime, buffers, what the host keeps for
/// a guest's handles. A handler that does nothing unusual needs a tenth of it.
const SLACK_OF_DATA: u64 = 32 << 20;

/// Copies of a call's lists that the host may hold at once: as they came, and as they are handed on.
const COPIES_OF_A_CALL: u64 = 4;

/// Bytes of a guest's stack that belong to the host, and of the stack for signals, rounded up.
const STACKS: u64 = 4 << 20;

/// Seconds of CPU time above the handler's limit: that limit is to be met first, since it says what happened.
const SLACK_OF_TIME: u64 = 1;

/// Descriptors that serving takes: the async runtime's, a request's, its channel's, and some that come and go.
const SLACK_OF_DESCRIPTORS: u64 = 32;

/// What a process may use beyond what the zygote has when it is confined.
pub(super) struct ResourceLimits {
    data: u64,
    descriptors: u64,
    /// Seconds of a child from its beginning to its end.
    cpu: Option<u64>,
}

impl ResourceLimits {
    pub(super) fn of(needs: &Needs<'_>) -> Self {
        Self {
            data: data(needs.limits),
            descriptors: descriptors(needs),
            cpu: cpu(needs).map(whole_seconds),
        }
    }

    /// Sets what children inherit: the zygote needs less of it than they do.
    pub(super) fn confine_zygote(&self) -> io::Result<()> {
        // Not RLIMIT_AS: it counts the 4 GiB of address space that are reserved for each linear memory.
        lower(Resource::Data, used_data()?.saturating_add(self.data))?;
        let descriptors = highest_descriptor()? + 1;
        lower(
            Resource::Nofile,
            descriptors.saturating_add(self.descriptors),
        )
    }

    /// Sets what the zygote must not have itself: it lives on. A child's CPU time begins at zero.
    pub(super) fn confine_child(&self) -> io::Result<()> {
        let Some(seconds) = self.cpu else {
            return Ok(());
        };
        // First SIGXCPU, which tells an overrun from other deaths; a second later SIGKILL, which cannot be caught.
        let limit = Rlimit {
            current: Some(seconds),
            maximum: Some(seconds + 1),
        };
        Ok(setrlimit(Resource::Cpu, limit)?)
    }
}

fn data(limits: &Limits) -> u64 {
    [
        limits.max_memory,
        limits.max_stack,
        STACKS,
        limits.max_call_bytes.saturating_mul(COPIES_OF_A_CALL),
        limits.max_random_bytes,
        SLACK_OF_DATA,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

/// Handles of a guest are descriptors if they are files or sockets.
fn descriptors(needs: &Needs<'_>) -> u64 {
    let grants = needs.grants;
    let opens =
        !grants.directories.is_empty() || grants.has(Protocol::Tcp) || grants.has(Protocol::Udp);
    let handles = if opens { needs.limits.max_handles } else { 0 };
    let directories = grants.directories.len() as u64;
    SLACK_OF_DESCRIPTORS + directories + u64::from(handles)
}

/// CPU time that a request may use in total. A stream's starts again whenever it waits for its client, so that only
/// its total limit is one of the process.
fn cpu(needs: &Needs<'_>) -> Option<Duration> {
    if needs.transport.is_datagram() {
        needs.limits.cpu_limit
    } else {
        needs.limits.total_cpu_limit
    }
}

fn whole_seconds(limit: Duration) -> u64 {
    let rounded = limit.as_secs() + u64::from(limit.subsec_nanos() > 0);
    rounded.saturating_add(SLACK_OF_TIME)
}

/// Lowers a limit to `wanted`, or leaves it where it is lower.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let highest = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Some(wanted.min(highest));
    let limit = Rlimit {
        current: limit,
        maximum: limit,
    };
    Ok(setrlimit(resource, limit)?)
}

/// Bytes that RLIMIT_DATA counts for this process now.
pub(super) fn used_data() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix(" kB"));
    let kibibytes = kibibytes.and_then(|number| number.parse::<u64>().ok());
    let bytes = kibibytes.and_then(|kibibytes| kibibytes.checked_mul(1024));
    bytes.ok_or_else(|| io::Error::other("/proc/self/status has no VmData"))
}

fn highest_descriptor() -> io::Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_string_lossy().parse().ok();
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Transport;
    use crate::grants::Grants;

    fn limits_of(transport: Transport, limits: &Limits, grants: &Grants) -> ResourceLimits {
        ResourceLimits::of(&Needs {
            transport,
            limits,
            grants,
            directories: &[],
        })
    }

    #[test]
    fn cpu_time_is_limited_by_what_limits_all_of_a_request() {
        let limits = Limits {
            cpu_limit: Some(Duration::from_millis(1200)),
            total_cpu_limit: Some(Duration::from_secs(5)),
            ..Limits::default()
        };
        let cpu = |transport, limits| limits_of(transport, limits, &Grants::default()).cpu;
        assert_eq!(
            cpu(Transport::Udp, &limits),
            Some(3),
            "rounded up, and one more"
        );
        assert_eq!(cpu(Transport::Tcp, &limits), Some(6));
        assert_eq!(
            cpu(Transport::Unix, &Limits::default()),
            None,
            "a long conversation is no offence"
        );
    }

    #[test]
    fn memory_is_what_a_guest_may_have_and_what_serving_takes() {
        let (small, large) = (1 << 20, 1 << 30);
        let data = |max_memory| {
            let limits = Limits {
                max_memory,
                ..Limits::default()
            };
            limits_of(Transport::Tcp, &limits, &Grants::default()).data
        };
        assert_eq!(data(large) - data(small), large - small);
        assert!(data(small) > SLACK_OF_DATA);
        assert!(used_data().expect("/proc is there") > 0);
    }

    #[test]
    fn handles_are_descriptors_if_they_can_be_files_or_sockets() {
        let limits = Limits {
            max_handles: 100,
            ..Limits::default()
        };
        let descriptors = |grants| limits_of(Transport::Tcp, &limits, grants).descriptors;
        let granted = Grants {
            connect: vec!["tcp://127.0.0.1:80".parse().expect("a pattern")],
            ..Grants::default()
        };
        assert_eq!(descriptors(&granted) - descriptors(&Grants::default()), 100);
    }
}
