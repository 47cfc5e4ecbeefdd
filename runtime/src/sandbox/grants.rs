//! What a guest finds beyond its request: clocks, random bytes, and what it was granted.
//!
//! Every language's start-up needs the first two; their interfaces have no way to refuse, and a constant in
//! place of randomness would be a hole. Everything else is empty, closed or refused unless it was granted.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use tokio::sync::Semaphore;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::file_jobs::{self, FileJobs};
use super::reach::Reach;
use crate::config::ConfigError;
use crate::grants::{Access, Directory, Grants, Protocol};
use crate::meter::CpuMeter;

/// What a handler is granted, with its directories held open: they are the ones that were there at the start,
/// whatever is done to their paths later.
pub(crate) struct Granted {
    pub(super) grants: Arc<Grants>,
    directories: Vec<OwnedFd>,
    /// Room for file work on other threads; none in a process that has one request, and no thread but its own.
    file_jobs: Option<Arc<Semaphore>>,
}

impl Granted {
    /// Opens the directories of `grants`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if one cannot be opened, or if two grants contradict each other.
    pub(crate) fn open(grants: &Arc<Grants>) -> Result<Self, ConfigError> {
        grants.check()?;
        let directories = grants
            .directories
            .iter()
            .map(open)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            grants: Arc::clone(grants),
            directories,
            file_jobs: Some(file_jobs::room()),
        })
    }

    /// The same in the process of one request, to which the directories were handed over.
    pub(crate) fn handed_over(grants: Grants, directories: Vec<OwnedFd>) -> Self {
        // What wasmtime-wasi makes once for each thread, its generator of random numbers above all, is made before
        // any child is forked. That all of them then have the same one is why they are given another.
        drop(WasiCtxBuilder::new());
        Self {
            grants: Arc::new(grants),
            directories,
            file_jobs: None,
        }
    }

    /// The directories, in the order in which they are granted.
    pub(crate) fn directories(&self) -> &[OwnedFd] {
        &self.directories
    }

    /// Where the file work of one guest is done, at the cost of `meter`.
    pub(super) fn file_jobs(&self, meter: &Arc<CpuMeter>) -> FileJobs {
        match &self.file_jobs {
            Some(room) => FileJobs::on_threads(room, meter),
            None => FileJobs::Here,
        }
    }

    /// WASI for one guest, whose standard streams and limits are to be added.
    pub(super) fn wasi(&self, reach: &Arc<Reach>) -> WasiCtxBuilder {
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_tcp(self.grants.has(Protocol::Tcp))
            .allow_udp(self.grants.has(Protocol::Udp))
            .allow_ip_name_lookup(self.grants.has_names())
            // Files are only touched in jobs, which are where one may block.
            .allow_blocking_current_thread(true);
        if self.file_jobs.is_none() {
            own_randomness(&mut wasi);
        }
        for variable in &self.grants.environment {
            wasi.env(&variable.name, &variable.value);
        }
        for (directory, held) in self.grants.directories.iter().zip(&self.directories) {
            preopen(&mut wasi, directory, held);
        }
        let reach = Arc::clone(reach);
        wasi.socket_addr_check(move |address, purpose| {
            let may = reach.may_use(address, purpose);
            Box::pin(std::future::ready(may))
        });
        wasi
    }
}

/// Randomness of the kernel's: what a process has of its own, its forked children have, too.
fn own_randomness(wasi: &mut WasiCtxBuilder) {
    let mut kernel = UnwrapErr(SysRng);
    wasi.insecure_random_seed(kernel.random())
        .insecure_random(UnwrapErr(SysRng))
        .secure_random(kernel);
}

/// Opens a directory, and once more as it will be opened for guests.
fn open(directory: &Directory) -> Result<OwnedFd, ConfigError> {
    let open = |path: &Path| {
        let flags = nix::libc::O_DIRECTORY;
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    let opened = open(&directory.host_path).map(OwnedFd::from);
    let opened = opened.and_then(|held| open(&path_of(&held)).map(|_| held));
    opened.map_err(|error| {
        let path = directory.host_path.display();
        ConfigError::new(format!("dir {path}: cannot open this directory: {error}"))
    })
}

/// The path that leads to a directory that is held open, even if none of its own does any more.
fn path_of(held: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", held.as_raw_fd()).into()
}

/// Opens a directory once more, for one guest.
fn preopen(wasi: &mut WasiCtxBuilder, directory: &Directory, held: &OwnedFd) {
    let permissions = match directory.access {
        Access::ReadOnly => FsPerms::ReadOnly,
        Access::ReadWrite => FsPerms::ReadWrite,
    };
    let opened = wasi.preopened_dir(path_of(held), &directory.guest_path, permissions);
    if let Err(error) = opened {
        // Descriptors have run out, say: the guest finds no such directory.
        tracing::warn!("cannot open the granted directory {directory}: {error}");
    }
}
