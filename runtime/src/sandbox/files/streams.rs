//! Streams of files: what wasmtime-wasi reads and writes where it is called is a job here.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::at_once;
use crate::sandbox::file_jobs::FileJobs;

/// Bytes that are read for a guest that does not wait for them here. They lie in the host's memory until it takes them,
/// and there may be as many streams as it has handles.
const READ_AHEAD: usize = 4096;

/// A stream of a file whose calls are jobs, one at a time.
pub(super) struct FileStream<S, T> {
    jobs: FileJobs,
    /// Wasmtime-wasi's own stream; none while a job has it.
    stream: Option<S>,
    running: Option<Running<S, T>>,
    /// What the last job came to, until the guest is told.
    result: Option<StreamResult<T>>,
}

/// A job, which returns the stream with its result.
type Running<S, T> = Pin<Box<dyn Future<Output = (S, StreamResult<T>)> + Send>>;

/// What is read from a file.
pub(super) type FileInput = FileStream<DynInputStream, Bytes>;

/// What is written to one.
pub(super) type FileOutput = FileStream<DynOutputStream, ()>;

impl<S: Send + 'static, T: Send + 'static> FileStream<S, T> {
    pub(super) fn new(jobs: FileJobs, stream: S) -> Self {
        Self {
            jobs,
            stream: Some(stream),
            running: None,
            result: None,
        }
    }

    /// Begins `job`, unless there is one already, or a result that the guest was not told.
    fn begin(&mut self, job: impl FnOnce(&mut S) -> StreamResult<T> + Send + 'static) {
        if self.result.is_some() {
            return;
        }
        if let Some(mut stream) = self.stream.take() {
            self.running = Some(self.jobs.begin(move || {
                let result = job(&mut stream);
                (stream, result)
            }));
        }
    }

    /// Takes over what the job came to, if it has ended. Nobody is woken by this: who wants to be waits.
    fn look(&mut self) {
        let mut nobody = Context::from_waker(Waker::noop());
        if let Some(running) = &mut self.running
            && let Poll::Ready(ended) = running.as_mut().poll(&mut nobody)
        {
            self.ended(ended);
        }
    }

    async fn wait(&mut self) {
        if let Some(running) = &mut self.running {
            let ended = running.await;
            self.ended(ended);
        }
    }

    fn ended(&mut self, (stream, result): (S, StreamResult<T>)) {
        self.running = None;
        self.stream = Some(stream);
        self.result = Some(result);
    }
}

impl FileInput {
    fn begin_to_read(&mut self, size: usize) {
        self.begin(move |stream| of_stream(at_once(stream.blocking_read(size))));
    }

    /// At most `size` of the bytes that were read; none if a job still reads.
    fn take(&mut self, size: usize) -> StreamResult<Bytes> {
        let Some(result) = self.result.take() else {
            return Ok(Bytes::new());
        };
        let mut bytes = result?;
        let taken = bytes.split_to(size.min(bytes.len()));
        if !bytes.is_empty() {
            self.result = Some(Ok(bytes));
        }
        Ok(taken)
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        self.begin_to_read(size.min(READ_AHEAD));
        self.look();
        self.take(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        self.begin_to_read(size);
        self.wait().await;
        self.take(size)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {
        self.begin_to_read(READ_AHEAD);
        self.wait().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for FileOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.check_write()? == 0 {
            return Err(StreamError::trap("a write before the last one has ended"));
        }
        self.begin(move |stream| of_stream(at_once(stream.blocking_write_and_flush(bytes))));
        self.look();
        Ok(())
    }

    /// What was written is with the kernel when its job has ended.
    fn flush(&mut self) -> StreamResult<()> {
        self.look();
        self.result.take().unwrap_or(Ok(()))
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.flush()?;
        match &mut self.stream {
            Some(stream) => stream.check_write(),
            None => Ok(0),
        }
    }

    /// A write that has begun is not lost with its stream.
    async fn cancel(&mut self) {
        self.wait().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileOutput {
    async fn ready(&mut self) {
        self.wait().await;
    }
}

/// What a call of wasmtime-wasi's stream came to.
fn of_stream<T>(called: Option<StreamResult<T>>) -> StreamResult<T> {
    called.unwrap_or_else(|| Err(StreamError::trap("a file that is read in place waits")))
}
