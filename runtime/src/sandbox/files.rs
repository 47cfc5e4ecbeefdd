//! Streams of files in a process that may not have another thread: what wasmtime-wasi hands to one, so that a server
//! is not held up by a disk, is done in place, where there is nobody else to hold up.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, ErrorCode, Host as _, HostDescriptor as _,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsResult, InputStream, OutputStream, Pollable, StreamError,
    StreamResult,
};

use super::guest::Guest;

/// The interface, as wasmtime-wasi names it.
const TYPES: &str = "wasi:filesystem/types@0.2.12";

/// What a function of the interface returns.
type Opened<S> = Result<(std::result::Result<Resource<S>, ErrorCode>,)>;

/// Puts these in the place of wasmtime-wasi's own, which it still opens.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[method]descriptor.read-via-stream", read_via_stream)?;
    types.func_wrap("[method]descriptor.write-via-stream", write_via_stream)?;
    types.func_wrap("[method]descriptor.append-via-stream", append_via_stream)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn read_via_stream(
    mut store: StoreContextMut<'_, Guest>,
    (file, offset): (Resource<Descriptor>, u64),
) -> Opened<DynInputStream> {
    let guest = store.data_mut();
    let opened = guest.filesystem().read_via_stream(file, offset);
    in_place(guest, opened, |stream| Box::new(InPlace(stream)))
}

fn write_via_stream(
    mut store: StoreContextMut<'_, Guest>,
    (file, offset): (Resource<Descriptor>, u64),
) -> Opened<DynOutputStream> {
    let guest = store.data_mut();
    let opened = guest.filesystem().write_via_stream(file, offset);
    in_place(guest, opened, |stream| Box::new(InPlace(stream)))
}

fn append_via_stream(
    mut store: StoreContextMut<'_, Guest>,
    (file,): (Resource<Descriptor>,),
) -> Opened<DynOutputStream> {
    let guest = store.data_mut();
    let opened = guest.filesystem().append_via_stream(file);
    in_place(guest, opened, |stream| Box::new(InPlace(stream)))
}

/// Puts a stream in the place of the one that was opened.
fn in_place<S: Send + 'static>(
    guest: &mut Guest,
    opened: FsResult<Resource<S>>,
    wrap: impl FnOnce(S) -> S,
) -> Opened<S> {
    match opened {
        Ok(stream) => {
            let wrapped = wrap(guest.table.delete(stream)?);
            Ok((Ok(guest.table.push(wrapped)?),))
        }
        Err(error) => Ok((Err(guest.filesystem().convert_error_code(error)?),)),
    }
}

/// A stream of a file whose every call is done when it returns.
struct InPlace<S>(S);

/// What a call comes to that blocks, and so does not wait.
fn done<T>(call: impl Future<Output = StreamResult<T>>) -> StreamResult<T> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StreamError::trap("a file that is read in place waits")),
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for InPlace<DynInputStream> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        done(self.0.blocking_read(size))
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for InPlace<DynOutputStream> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        done(self.0.blocking_write_and_flush(bytes))
    }

    /// What was written is with the kernel already.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.check_write()
    }
}

#[wasmtime_wasi::async_trait]
impl<S: Send + 'static> Pollable for InPlace<S> {
    async fn ready(&mut self) {}
}
