//! The system calls that serving a request takes, each with who makes it. What is not here kills.
//!
//! What would be worth having to somebody who got out of the sandbox is not here: `execve`, `ptrace`, threads (`clone`
//! in that form, `clone3`), `memfd_create`, `process_vm_*`, `io_uring_*`, `bpf`, namespaces, keys, and all calls that
//! take a path where no directory is granted.

use nix::libc::*;

use super::arguments::Call;
use super::arguments::Test::{Bits, Is, IsNot, Null};
use super::arguments::int;

/// Memory of which no new part is ever code: compiled code was loaded before.
pub(super) const MEMORY: &[Call] = &[
    // What is shared, or grows by itself, no limit of memory counts.
    Call::only(
        SYS_mmap,
        &[&[
            Bits(2, int(PROT_EXEC), 0),
            Bits(3, int(MAP_TYPE | MAP_GROWSDOWN), int(MAP_PRIVATE)),
        ]],
    ),
    Call::only(SYS_mprotect, &[&[Bits(2, int(PROT_EXEC), 0)]]),
    Call::any(SYS_munmap),
    Call::any(SYS_mremap), // The allocator: large vectors that grow.
    Call::any(SYS_madvise),
    Call::any(SYS_brk),
];

/// Descriptors that are open.
pub(super) const DESCRIPTORS: &[Call] = &[
    Call::any(SYS_read),
    Call::any(SYS_write),
    Call::any(SYS_readv),
    Call::any(SYS_writev),
    Call::any(SYS_close),
    Call::any(SYS_close_range),
    Call::any(SYS_fstat),
    // Not F_SETOWN and F_SETSIG, which make the kernel signal others.
    Call::only(
        SYS_fcntl,
        &[
            &[Is(1, int(F_GETFL))],
            &[Is(1, int(F_SETFL))],
            &[Is(1, int(F_GETFD))],
            &[Is(1, int(F_SETFD))],
            &[Is(1, int(F_DUPFD_CLOEXEC))],
        ],
    ),
    // How the standard library makes a socket non-blocking.
    Call::only(SYS_ioctl, &[&[Is(1, SET_NONBLOCKING)]]),
];

/// FIONBIO, the same on both architectures.
const SET_NONBLOCKING: u32 = 0x5421;

/// Waiting: the async runtime, the zygote's poll, locks.
pub(super) const WAITING: &[Call] = &[
    #[cfg(target_arch = "x86_64")]
    Call::any(SYS_poll),
    Call::any(SYS_ppoll),
    #[cfg(target_arch = "x86_64")]
    Call::any(SYS_epoll_wait),
    Call::any(SYS_epoll_pwait),
    Call::any(SYS_epoll_create1),
    Call::any(SYS_epoll_ctl),
    Call::any(SYS_eventfd2),
    Call::any(SYS_futex),
    Call::any(SYS_sched_yield),
    Call::any(SYS_restart_syscall),
];

/// The sockets that are there: the client's, and the channel to the server.
pub(super) const STREAMS: &[Call] = &[
    Call::any(SYS_recvfrom),
    // To whom it is connected, and nobody else. MSG_FASTOPEN would connect a socket anew, past landlock.
    Call::only(SYS_sendto, &[&[Bits(3, int(MSG_FASTOPEN), 0), Null(4)]]),
    Call::only(SYS_sendmsg, &[&[Bits(2, int(MSG_FASTOPEN), 0)]]),
    Call::any(SYS_shutdown),
    Call::any(SYS_getsockname),
    Call::any(SYS_getpeername),
    Call::any(SYS_getsockopt),
    Call::only(
        SYS_setsockopt,
        &[&[Is(1, int(IPPROTO_TCP)), Is(2, int(TCP_NODELAY))]],
    ),
    // The async runtime makes a pair for signals. Not one of datagrams: it could send to a socket by its path.
    Call::only(
        SYS_socketpair,
        &[&[Is(0, int(AF_UNIX)), Bits(1, SOCKET_TYPE, int(SOCK_STREAM))]],
    ),
];

/// The bits of a socket's type that are not flags.
const SOCKET_TYPE: u32 = 0xf;

/// This process's CPU time, as the C library writes it when it makes a timer: `MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_SCHED)`
/// of the kernel.
const OWN_CPU_TIME: u32 = int(!0 << 3 | 2);

/// Clocks, and the timer that ticks for the sandbox.
pub(super) const CLOCKS: &[Call] = &[
    Call::any(SYS_clock_gettime),
    Call::any(SYS_clock_getres),
    Call::only(
        SYS_timer_create,
        &[
            &[Is(0, int(CLOCK_PROCESS_CPUTIME_ID))],
            &[Is(0, OWN_CPU_TIME)],
        ],
    ),
    Call::any(SYS_timer_settime),
    Call::any(SYS_timer_delete),
];

/// The process itself: its signals, its randomness, who it is, its end.
pub(super) const PROCESS: &[Call] = &[
    Call::any(SYS_rt_sigreturn),
    Call::any(SYS_rt_sigaction),
    Call::any(SYS_rt_sigprocmask),
    Call::any(SYS_sigaltstack),
    Call::any(SYS_getrandom),
    Call::any(SYS_getpid),
    Call::any(SYS_getppid),
    Call::any(SYS_gettid),
    Call::any(SYS_getcpu), // The allocator, where memory belongs to CPUs.
    Call::any(SYS_set_robust_list), // The C library, after a fork.
    // `abort`, so that it looks like one. A child is held to itself.
    Call::only(SYS_tgkill, &[&[Is(2, int(SIGABRT))]]),
    // The allocator names its memory, where the kernel has names for it.
    Call::only(
        SYS_prctl,
        &[
            &[Is(0, int(PR_SET_VMA))],
            &[Is(0, int(PR_SET_NO_NEW_PRIVS))],
            &[Is(0, int(PR_SET_PDEATHSIG))],
        ],
    ),
    Call::any(SYS_exit),
    Call::any(SYS_exit_group),
];

/// What the zygote does, and what a child does to narrow itself.
pub(super) const ZYGOTE: &[Call] = &[
    // `fork`, and neither a thread nor a namespace.
    Call::only(
        SYS_clone,
        &[&[Bits(
            0,
            !int(CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID),
            int(SIGCHLD),
        )]],
    ),
    Call::any(SYS_wait4),
    Call::any(SYS_waitid),
    // The only way in for descriptors. A child reads its channel with `recv`.
    Call::any(SYS_recvmsg),
    // One process at a time, by its number: neither 0 nor negative, which mean groups.
    Call::only(
        SYS_kill,
        &[&[Is(1, int(SIGKILL)), IsNot(0, 0), Bits(0, SIGN, 0)]],
    ),
    Call::only(SYS_prlimit64, &[&[Is(0, 0)]]),
    Call::only(SYS_seccomp, &[&[Is(0, SECCOMP_SET_MODE_FILTER)]]),
];

/// The sign of an `int`.
const SIGN: u32 = 1 << 31;

/// What a child may do no more: all of [`ZYGOTE`], and what of [`PROCESS`] concerns others. That it signals nobody but
/// itself is added when its number is known.
pub(super) const NOT_IN_A_CHILD: &[Call] = &[
    Call::any(SYS_clone),
    Call::any(SYS_wait4),
    Call::any(SYS_waitid),
    Call::any(SYS_recvmsg),
    Call::any(SYS_timer_create),
    Call::any(SYS_kill),
    Call::any(SYS_prlimit64),
    Call::any(SYS_seccomp),
    Call::only(SYS_prctl, &[&[IsNot(0, int(PR_SET_VMA))]]),
];

/// Granted directories, whatever may be done in them. Paths lie behind pointers, where landlock is the wall.
pub(super) const DIRECTORIES: &[Call] = &[
    Call::any(SYS_openat),
    Call::any(SYS_openat2),
    Call::any(SYS_newfstatat),
    Call::any(SYS_statx),
    Call::any(SYS_fstatfs), // To see that /proc is the kernel's own, before a time of a file is set by it.
    Call::any(SYS_faccessat2),
    Call::any(SYS_readlinkat),
    Call::any(SYS_getdents64),
    Call::any(SYS_lseek),
    Call::any(SYS_pread64),
    Call::any(SYS_preadv),
    Call::any(SYS_fadvise64),
    Call::any(SYS_fsync),
    Call::any(SYS_fdatasync),
];

/// Directories that are granted for writing.
pub(super) const DIRECTORIES_TO_WRITE: &[Call] = &[
    Call::any(SYS_pwrite64),
    Call::any(SYS_pwritev),
    Call::any(SYS_pwritev2), // Appending.
    Call::any(SYS_ftruncate),
    Call::any(SYS_fallocate),
    Call::any(SYS_mkdirat),
    Call::any(SYS_unlinkat),
    #[cfg(target_arch = "x86_64")]
    Call::any(SYS_renameat),
    Call::any(SYS_renameat2),
    Call::any(SYS_linkat),
    Call::any(SYS_symlinkat),
    Call::any(SYS_utimensat),
];

/// Outbound TCP or UDP. Addresses lie behind pointers: landlock knows ports of TCP. Nobody listens: `listen` and
/// `accept` are nowhere.
pub(super) const OUTBOUND: &[Call] = &[
    Call::any(SYS_connect),
    Call::any(SYS_bind),
    Call::only(
        SYS_setsockopt,
        &[
            &[Is(1, int(SOL_SOCKET)), Is(2, int(SO_REUSEADDR))],
            &[Is(1, int(SOL_SOCKET)), Is(2, int(SO_KEEPALIVE))],
            &[Is(1, int(SOL_SOCKET)), Is(2, int(SO_RCVBUF))],
            &[Is(1, int(SOL_SOCKET)), Is(2, int(SO_SNDBUF))],
            &[Is(1, int(IPPROTO_IP)), Is(2, int(IP_TTL))],
            &[Is(1, int(IPPROTO_IPV6)), Is(2, int(IPV6_UNICAST_HOPS))],
            &[Is(1, int(IPPROTO_IPV6)), Is(2, int(IPV6_V6ONLY))],
        ],
    ),
];

/// With the protocol that wasmtime-wasi names, so that nothing else runs over such a socket: no MPTCP, which landlock
/// does not know.
pub(super) const TCP: &[Call] = &[
    Call::only(
        SYS_socket,
        &[
            &[
                Is(0, int(AF_INET)),
                Bits(1, SOCKET_TYPE, int(SOCK_STREAM)),
                Is(2, int(IPPROTO_TCP)),
            ],
            &[
                Is(0, int(AF_INET6)),
                Bits(1, SOCKET_TYPE, int(SOCK_STREAM)),
                Is(2, int(IPPROTO_TCP)),
            ],
        ],
    ),
    Call::only(
        SYS_setsockopt,
        &[
            &[Is(1, int(IPPROTO_TCP)), Is(2, int(TCP_KEEPIDLE))],
            &[Is(1, int(IPPROTO_TCP)), Is(2, int(TCP_KEEPINTVL))],
            &[Is(1, int(IPPROTO_TCP)), Is(2, int(TCP_KEEPCNT))],
        ],
    ),
];

/// With the protocol left to the kernel, as wasmtime-wasi does: for these families it is UDP. One of ICMP would have to
/// be named.
pub(super) const UDP: &[Call] = &[
    Call::only(
        SYS_socket,
        &[
            &[
                Is(0, int(AF_INET)),
                Bits(1, SOCKET_TYPE, int(SOCK_DGRAM)),
                Is(2, 0),
            ],
            &[
                Is(0, int(AF_INET6)),
                Bits(1, SOCKET_TYPE, int(SOCK_DGRAM)),
                Is(2, 0),
            ],
        ],
    ),
    // To whomever: the address lies behind a pointer.
    Call::only(SYS_sendto, &[&[Bits(3, int(MSG_FASTOPEN), 0)]]),
];
