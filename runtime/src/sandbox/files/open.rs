//! Opening: files and directories, and nothing that could be waited for.
//!
//! Wasmtime-wasi opens whatever is there. A FIFO would keep its thread until somebody comes to the other end, and a
//! device may do anything. So a path is opened without waiting, and what was opened is judged: to look before would
//! be no use, since the path may lead to something else a moment later.

use std::path::Path;

use cap_primitives::fs::{FollowSymlinks, OpenOptions, OpenOptionsExt as _};
use nix::libc;
use wasmtime_wasi::OpenMode;
use wasmtime_wasi::filesystem::{Dir, File};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};

/// What a guest asks for.
pub(super) struct Wanted {
    pub(super) path: String,
    pub(super) path_flags: PathFlags,
    pub(super) open_flags: OpenFlags,
    pub(super) flags: DescriptorFlags,
}

/// Opens what is wanted below `directory`.
///
/// # Errors
///
/// As `open-at` has them; what is neither a file nor a directory is `unsupported`.
pub(super) fn open(directory: &Dir, wanted: &Wanted) -> Result<Descriptor, ErrorCode> {
    check(wanted)?;
    let mode = wanted.mode();
    if mode.contains(OpenMode::WRITE) && directory.perms.write_not_permitted() {
        return Err(ErrorCode::NotPermitted);
    }
    let path = Path::new(&wanted.path);
    let opened = cap_primitives::fs::open(&directory.dir, path, &wanted.options());
    let opened = opened.map_err(|error| match error.raw_os_error() {
        // A FIFO without a reader, a Unix socket, a device that is not there.
        Some(libc::ENXIO) => ErrorCode::Unsupported,
        _ => error.into(),
    })?;
    let opened_type = opened.metadata()?.file_type();
    if opened_type.is_dir() {
        let opened = Dir::new(opened, directory.perms, mode, true);
        Ok(Descriptor::Dir(opened))
    } else if !opened_type.is_file() {
        Err(ErrorCode::Unsupported)
    } else if wanted.open_flags.contains(OpenFlags::DIRECTORY) {
        Err(ErrorCode::NotDirectory)
    } else {
        let opened = File::new(opened, directory.perms, mode, true);
        Ok(Descriptor::File(opened))
    }
}

/// Combinations that mean nothing, or that nobody can give.
fn check(wanted: &Wanted) -> Result<(), ErrorCode> {
    let synchronous = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if wanted.flags.intersects(synchronous) {
        return Err(ErrorCode::Unsupported);
    }
    let of_files = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
    let directory = wanted.open_flags.contains(OpenFlags::DIRECTORY);
    if directory && wanted.open_flags.intersects(of_files) {
        return Err(ErrorCode::Invalid);
    }
    Ok(())
}

impl Wanted {
    /// What is neither to be read nor written is opened to be read: the system has no third way.
    fn mode(&self) -> OpenMode {
        let writing = OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let writes = self.flags.contains(DescriptorFlags::WRITE);
        let mut mode = OpenMode::empty();
        mode.set(
            OpenMode::READ,
            self.flags.contains(DescriptorFlags::READ) || !writes,
        );
        mode.set(
            OpenMode::WRITE,
            writes || self.open_flags.intersects(writing),
        );
        mode
    }

    fn options(&self) -> OpenOptions {
        let mode = self.mode();
        let creates = self.open_flags.contains(OpenFlags::CREATE);
        let exclusive = self.open_flags.contains(OpenFlags::EXCLUSIVE);
        let follow = match self.path_flags.contains(PathFlags::SYMLINK_FOLLOW) {
            true => FollowSymlinks::Yes,
            false => FollowSymlinks::No,
        };
        let mut options = OpenOptions::new();
        options
            .read(mode.contains(OpenMode::READ))
            .write(mode.contains(OpenMode::WRITE))
            .create(creates && !exclusive)
            .create_new(creates && exclusive)
            .truncate(self.open_flags.contains(OpenFlags::TRUNCATE))
            .custom_flags(libc::O_NONBLOCK)
            ._cap_fs_ext_follow(follow);
        options
    }
}
