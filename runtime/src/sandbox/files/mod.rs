//! Files and directories that a guest was granted: wasmtime-wasi does the work, and this says where, at whose cost, and
//! how much of it at once.
//!
//! Every call that may wait for a file system is a job (`file_jobs`), in which wasmtime-wasi may block; but for closing,
//! which few file systems wait for. What it would
//! do without a bound is done here: `open` opens nothing that can be waited for, and a `listing` is read in pieces.
//! `streams` are those of files.

mod listing;
mod open;
mod streams;

use std::pin::pin;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Error, Result};
use wasmtime_wasi::filesystem::{
    Descriptor, Dir, WasiFilesystemCtx, WasiFilesystemCtxView, WasiFilesystemView as _,
};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode,
    HostDescriptor, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};
use wasmtime_wasi::runtime::poll_noop;

use self::listing::Listing;
use self::open::{Wanted, open};
use self::streams::{FileInput, FileOutput};
use super::guest::Guest;

/// A guest's handle of a file or a directory.
type Handle = Resource<Descriptor>;

/// Puts these in the place of wasmtime-wasi's own.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a call of wasmtime-wasi comes to, which may block where it is made, and so does not wait.
fn at_once<T>(call: impl Future<Output = T>) -> Option<T> {
    poll_noop(pin!(call))
}

impl Guest {
    /// Does `call` as a job, with `file` in a table of its own: the guest's stays with the guest.
    async fn at<T: Send + 'static>(
        &mut self,
        file: &Handle,
        call: impl AsyncFnOnce(WasiFilesystemCtxView<'_>, Handle) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let file = self.table.get(file)?.clone();
        let job = move || {
            let (mut ctx, mut table) = (WasiFilesystemCtx::default(), ResourceTable::new());
            let file = table.push(file)?;
            let files = WasiFilesystemCtxView {
                ctx: &mut ctx,
                table: &mut table,
            };
            let done = at_once(call(files, file));
            done.unwrap_or_else(|| Err(FsError::trap(Error::msg("a call in place waits"))))
        };
        self.file_jobs().run(job).await
    }

    /// Puts a stream of jobs in the place of one that would write where it is told to.
    fn output(&mut self, stream: Resource<DynOutputStream>) -> FsResult<Resource<DynOutputStream>> {
        let stream = FileOutput::new(self.file_jobs(), self.table.delete(stream)?);
        let stream: DynOutputStream = Box::new(stream);
        Ok(self.table.push(stream)?)
    }
}

/// The directory behind a handle; what is none is `not-directory`.
fn directory_of(table: &ResourceTable, directory: &Handle) -> FsResult<Dir> {
    match table.get(directory)? {
        Descriptor::Dir(directory) => Ok(directory.clone()),
        Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
    }
}

impl types::Host for Guest {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        self.filesystem().convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<Error>) -> Result<Option<ErrorCode>> {
        self.filesystem().filesystem_error_code(error)
    }
}

impl HostDescriptor for Guest {
    async fn open_at(
        &mut self,
        directory: Handle,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Handle> {
        let directory = directory_of(&self.table, &directory)?;
        let wanted = Wanted {
            path,
            path_flags,
            open_flags,
            flags,
        };
        let opened = self.file_jobs().run(move || open(&directory, &wanted));
        Ok(self.table.push(opened.await?)?)
    }

    async fn read_directory(
        &mut self,
        directory: Handle,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let directory = directory_of(&self.table, &directory)?;
        let listing = self.file_jobs().run(move || Listing::of(&directory.dir));
        let listing = self.table.push(listing.await?)?;
        // By its number the guest has what wasmtime-wasi would have made of the whole directory.
        Ok(Resource::new_own(listing.rep()))
    }

    /// Wasmtime-wasi opens what a path leads to for this, whatever it is: so it is opened here.
    async fn set_times_at(
        &mut self,
        directory: Handle,
        path_flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.at(&directory, async move |mut files, directory| {
            if !path_flags.contains(PathFlags::SYMLINK_FOLLOW) {
                let set = files.set_times_at(directory, path_flags, path, accessed, modified);
                return set.await;
            }
            let directory = directory_of(files.table, &directory)?;
            if directory.perms.write_not_permitted() {
                return Err(ErrorCode::NotPermitted.into());
            }
            let mut wanted = Wanted {
                path,
                path_flags,
                open_flags: OpenFlags::empty(),
                flags: DescriptorFlags::READ,
            };
            let file = match open(&directory, &wanted) {
                Err(ErrorCode::Access) => {
                    wanted.flags = DescriptorFlags::WRITE;
                    open(&directory, &wanted)?
                }
                opened => opened?,
            };
            let file = files.table.push(file)?;
            files.set_times(file, accessed, modified).await
        })
        .await
    }

    fn read_via_stream(&mut self, file: Handle, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let stream = self.filesystem().read_via_stream(file, offset)?;
        let stream = FileInput::new(self.file_jobs(), self.table.delete(stream)?);
        let stream: DynInputStream = Box::new(stream);
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        file: Handle,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.filesystem().write_via_stream(file, offset)?;
        self.output(stream)
    }

    fn append_via_stream(&mut self, file: Handle) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.filesystem().append_via_stream(file)?;
        self.output(stream)
    }

    fn drop(&mut self, file: Handle) -> Result<()> {
        HostDescriptor::drop(&mut self.filesystem(), file)
    }

    async fn advise(
        &mut self,
        file: Handle,
        offset: u64,
        length: u64,
        advice: Advice,
    ) -> FsResult<()> {
        self.at(&file, async move |mut files, file| {
            files.advise(file, offset, length, advice).await
        })
        .await
    }

    async fn sync_data(&mut self, file: Handle) -> FsResult<()> {
        self.at(&file, async move |mut files, file| {
            files.sync_data(file).await
        })
        .await
    }

    async fn get_flags(&mut self, file: Handle) -> FsResult<DescriptorFlags> {
        self.at(&file, async move |mut files, file| {
            files.get_flags(file).await
        })
        .await
    }

    async fn get_type(&mut self, file: Handle) -> FsResult<DescriptorType> {
        self.at(&file, async move |mut files, file| {
            files.get_type(file).await
        })
        .await
    }

    async fn set_size(&mut self, file: Handle, size: u64) -> FsResult<()> {
        self.at(&file, async move |mut files, file| {
            files.set_size(file, size).await
        })
        .await
    }

    async fn set_times(
        &mut self,
        file: Handle,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.at(&file, async move |mut files, file| {
            files.set_times(file, accessed, modified).await
        })
        .await
    }

    async fn read(&mut self, file: Handle, length: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        self.at(&file, async move |mut files, file| {
            files.read(file, length, offset).await
        })
        .await
    }

    async fn write(&mut self, file: Handle, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.at(&file, async move |mut files, file| {
            files.write(file, bytes, offset).await
        })
        .await
    }

    async fn sync(&mut self, file: Handle) -> FsResult<()> {
        self.at(&file, async move |mut files, file| files.sync(file).await)
            .await
    }

    async fn create_directory_at(&mut self, directory: Handle, path: String) -> FsResult<()> {
        self.at(&directory, async move |mut files, directory| {
            files.create_directory_at(directory, path).await
        })
        .await
    }

    async fn stat(&mut self, file: Handle) -> FsResult<DescriptorStat> {
        self.at(&file, async move |mut files, file| files.stat(file).await)
            .await
    }

    async fn stat_at(
        &mut self,
        directory: Handle,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.at(&directory, async move |mut files, directory| {
            files.stat_at(directory, flags, path).await
        })
        .await
    }

    async fn link_at(
        &mut self,
        directory: Handle,
        flags: PathFlags,
        path: String,
        to: Handle,
        new_path: String,
    ) -> FsResult<()> {
        let to = self.table.get(&to)?.clone();
        self.at(&directory, async move |mut files, directory| {
            let to = files.table.push(to)?;
            files.link_at(directory, flags, path, to, new_path).await
        })
        .await
    }

    async fn readlink_at(&mut self, directory: Handle, path: String) -> FsResult<String> {
        self.at(&directory, async move |mut files, directory| {
            files.readlink_at(directory, path).await
        })
        .await
    }

    async fn remove_directory_at(&mut self, directory: Handle, path: String) -> FsResult<()> {
        self.at(&directory, async move |mut files, directory| {
            files.remove_directory_at(directory, path).await
        })
        .await
    }

    async fn rename_at(
        &mut self,
        directory: Handle,
        path: String,
        to: Handle,
        new_path: String,
    ) -> FsResult<()> {
        let to = self.table.get(&to)?.clone();
        self.at(&directory, async move |mut files, directory| {
            let to = files.table.push(to)?;
            files.rename_at(directory, path, to, new_path).await
        })
        .await
    }

    async fn symlink_at(
        &mut self,
        directory: Handle,
        target: String,
        path: String,
    ) -> FsResult<()> {
        self.at(&directory, async move |mut files, directory| {
            files.symlink_at(directory, target, path).await
        })
        .await
    }

    async fn unlink_file_at(&mut self, directory: Handle, path: String) -> FsResult<()> {
        self.at(&directory, async move |mut files, directory| {
            files.unlink_file_at(directory, path).await
        })
        .await
    }

    async fn is_same_object(&mut self, file: Handle, other: Handle) -> Result<bool> {
        let other = self.table.get(&other)?.clone();
        let same = self
            .at(&file, async move |mut files, file| {
                let other = files.table.push(other)?;
                let same = files.is_same_object(file, other).await;
                same.map_err(FsError::trap)
            })
            .await;
        Ok(same?)
    }

    async fn metadata_hash(&mut self, file: Handle) -> FsResult<MetadataHashValue> {
        self.at(&file, async move |mut files, file| {
            files.metadata_hash(file).await
        })
        .await
    }

    async fn metadata_hash_at(
        &mut self,
        directory: Handle,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.at(&directory, async move |mut files, directory| {
            files.metadata_hash_at(directory, flags, path).await
        })
        .await
    }
}
