//! Where a guest's file work is done: on threads that may wait for a disk, and at the guest's cost.
//!
//! A call of the file system may take long and cannot be given up: a disk that spins up, a server of NFS that is gone.
//! Whoever polls guests does not make it, or all of them would wait for one, and no limit could end it. Another thread
//! does. What that thread computes is billed to the guest, and it counts as busy until the call returns, even if
//! the request ends before: so neither a request nor a handler takes all threads that the process has for such work.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime_wasi::runtime::{spawn, spawn_blocking};

use crate::meter::CpuMeter;

/// Jobs of one request that run at once: a guest waits for each call, but may have begun to read several files.
const OF_REQUEST: usize = 8;

/// Jobs of all requests of one server that run at once. More keep no disk busier; and of the 512 threads that tokio has
/// as a rule, look-ups and other servers find some, even if a file system does not answer any more.
const OF_SERVER: usize = 128;

/// A server's room for jobs.
pub(super) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(OF_SERVER))
}

/// The file work of one request.
#[derive(Clone)]
pub(super) enum FileJobs {
    /// In place: this process has one request, which waits for it in any case.
    Here,
    Threads(Arc<Threads>),
}

/// What jobs on other threads take: a place of their request and one of their server.
pub(super) struct Threads {
    request: Arc<Semaphore>,
    server: Arc<Semaphore>,
    meter: Arc<CpuMeter>,
}

impl FileJobs {
    /// On other threads, as far as their `server` has room, at the cost of `meter`.
    pub(super) fn on_threads(server: &Arc<Semaphore>, meter: &Arc<CpuMeter>) -> Self {
        Self::Threads(Arc::new(Threads {
            request: Arc::new(Semaphore::new(OF_REQUEST)),
            server: Arc::clone(server),
            meter: Arc::clone(meter),
        }))
    }

    /// Does `job`, which may block. Where there is no room for it, it waits until there is.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let jobs = self.clone();
        async move {
            match jobs {
                Self::Here => job(),
                Self::Threads(threads) => threads.run(job).await,
            }
        }
    }
}

impl FileJobs {
    /// Begins `job`, for whoever may ask for its end later, or never: on another thread it does not wait for that, and
    /// so no place is kept by a guest that looks elsewhere.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = T> + Send>> {
        let run = self.run(job);
        match self {
            Self::Here => Box::pin(run),
            Self::Threads(_) => Box::pin(spawn(run)),
        }
    }
}

impl Threads {
    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        // Neither is ever closed. That of the request comes first: who waits for it takes nobody's room.
        let request = Arc::clone(&self.request).acquire_owned().await;
        let server = Arc::clone(&self.server).acquire_owned().await;
        let meter = Arc::clone(&self.meter);
        let done = spawn_blocking(move || {
            let _places = (request, server);
            meter.bill_job(job)
        });
        done.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    use tokio::task::unconstrained;
    use wasmtime_wasi::runtime::poll_noop;

    use super::*;

    fn meter() -> Arc<CpuMeter> {
        Arc::new(CpuMeter::new(Some(Duration::from_millis(1)), None))
    }

    /// What waits for a place and nothing else: not until tokio gives this task another turn.
    fn patient<T>(job: impl Future<Output = T>) -> Pin<Box<impl Future<Output = T>>> {
        Box::pin(unconstrained(job))
    }

    /// Jobs that have begun, and do not end until they are told to.
    struct Stuck {
        begun: (Sender<()>, Receiver<()>),
        release: Vec<Sender<()>>,
    }

    impl Stuck {
        fn new() -> Self {
            Self {
                begun: channel(),
                release: Vec::new(),
            }
        }

        /// Begins one for a request that ends at once.
        fn begin(&mut self, jobs: &FileJobs) {
            let (release, released) = channel::<()>();
            self.release.push(release);
            let begun = self.begun.0.clone();
            let mut job = patient(jobs.run(move || {
                begun.send(()).expect("somebody listens");
                released.recv().ok();
            }));
            assert!(poll_noop(job.as_mut()).is_none());
            self.begun.1.recv().expect("it has begun");
        }
    }

    #[tokio::test]
    async fn a_request_has_no_more_jobs_than_it_may() {
        let jobs = FileJobs::on_threads(&room(), &meter());
        let mut stuck = Stuck::new();
        for _ in 0..OF_REQUEST {
            stuck.begin(&jobs);
        }
        let mut next = patient(jobs.run(|| ()));
        assert!(poll_noop(next.as_mut()).is_none(), "there is no place");
        stuck.release.pop();
        next.await;
    }

    /// It was looked at once, and waits for a place: that it gets one must not depend on a second look.
    #[tokio::test]
    async fn jobs_that_nobody_looks_at_keep_no_place() {
        let jobs = FileJobs::on_threads(&room(), &meter());
        let mut stuck = Stuck::new();
        for _ in 0..OF_REQUEST {
            stuck.begin(&jobs);
        }
        let mut forgotten: Vec<_> = (0..=OF_REQUEST).map(|_| jobs.begin(|| ())).collect();
        for job in &mut forgotten {
            assert!(poll_noop(Pin::new(job)).is_none(), "there is no place");
        }
        stuck.release.clear();
        jobs.run(|| ()).await;
    }

    #[tokio::test]
    async fn a_job_that_outlives_its_request_counts_until_it_ends() {
        let room = room();
        let mut stuck = Stuck::new();
        for _ in 0..OF_SERVER {
            stuck.begin(&FileJobs::on_threads(&room, &meter()));
        }
        let mut next = patient(FileJobs::on_threads(&room, &meter()).run(|| ()));
        assert!(poll_noop(next.as_mut()).is_none(), "there is no place");
        stuck.release.pop();
        next.await;
    }

    #[tokio::test]
    async fn what_a_job_computes_is_billed_and_not_what_it_waits() {
        let meter = meter();
        let jobs = FileJobs::on_threads(&room(), &meter);
        let sleep = || std::thread::sleep(Duration::from_millis(20));
        jobs.run(sleep).await;
        meter.enter();
        assert!(!meter.is_used_up());
        let compute = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(200) {}
        };
        jobs.run(compute).await;
        assert!(meter.is_used_up());
    }
}
