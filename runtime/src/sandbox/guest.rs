//! What a store holds: the state behind one guest.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::file_jobs::FileJobs;
use super::grants::Granted;
use super::limits::{MemoryLimiter, TotalMemory};
use super::print::{Printer, Quota};
use super::reach::Reach;
use super::resolver::Resolver;
use crate::address::{ClientAddress, ServerAddress};
use crate::config::{Limits, Schedule};
use crate::listen::Packet;
use crate::meter::CpuMeter;
use crate::output::Print;
use crate::replies::ReplyPath;
use crate::stream::Connection;

/// What every guest of one server is told about it, and is held to.
pub(crate) struct About {
    pub(crate) limits: Limits,
    /// Bytes that the host holds for each instance, beside its memories and tables: [`Needs::held`](super::needs::Needs).
    pub(crate) held: u64,
    pub(crate) total_memory: Option<Arc<TotalMemory>>,
    pub(crate) server_address: ServerAddress,
    pub(crate) schedule: Schedule,
    pub(crate) handler_name: String,
    pub(crate) output: Arc<dyn Print>,
    /// Who looks names up, if this process does not.
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
    pub(crate) granted: Granted,
}

/// The request of a stream handler: one connection with two faces.
#[expect(
    unreachable_pub,
    reason = "the generated bindings name it, and those are public within"
)]
pub struct StreamRequest {
    pub(crate) connection: Connection,
    pub(crate) client_address: ClientAddress,
    /// Each face as a file is given out once.
    pub(super) rfile_taken: bool,
    pub(super) wfile_taken: bool,
}

impl StreamRequest {
    pub(crate) fn new(connection: Connection, client_address: ClientAddress) -> Self {
        Self {
            connection,
            client_address,
            rfile_taken: false,
            wfile_taken: false,
        }
    }
}

/// The request of a datagram handler: one packet and the way to answer it.
#[expect(
    unreachable_pub,
    reason = "the generated bindings name it, and those are public within"
)]
pub struct DatagramRequest {
    pub(crate) packet: Packet,
    pub(crate) client_address: ClientAddress,
    /// The way to answer it.
    pub(crate) replies: ReplyPath,
}

/// The state of one guest.
pub(super) struct Guest {
    pub(super) table: ResourceTable,
    pub(super) limiter: MemoryLimiter,
    pub(super) meter: Arc<CpuMeter>,
    pub(super) about: Arc<About>,
    pub(super) request_id: u64,
    /// These are made when they are first asked for: most requests end without.
    wasi: Option<Box<Wasi>>,
    reach: Option<Arc<Reach>>,
    file_jobs: Option<FileJobs>,
}

/// What only a guest that calls WASI needs.
struct Wasi {
    ctx: WasiCtx,
    quota: Arc<Quota>,
    stdout: Printer,
    stderr: Printer,
}

impl Guest {
    pub(super) fn new(about: Arc<About>, request_id: u64, meter: Arc<CpuMeter>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(about.limits.max_handles as usize);
        Self {
            table,
            limiter: MemoryLimiter::new(&about.limits, about.total_memory.clone()),
            meter,
            about,
            request_id,
            wasi: None,
            reach: None,
            file_jobs: None,
        }
    }

    /// Counts what the host holds for it from the beginning; false if that is more than it may have.
    pub(super) fn hold_what_it_begins_with(&mut self) -> bool {
        self.about.held == 0 || self.limiter.hold(self.about.held)
    }

    /// Whom it may reach.
    pub(super) fn reach(&mut self) -> &Arc<Reach> {
        let grants = &self.about.granted.grants;
        self.reach
            .get_or_insert_with(|| Arc::new(Reach::new(grants)))
    }

    /// Where its file work is done.
    pub(super) fn file_jobs(&mut self) -> FileJobs {
        let granted = &self.about.granted;
        let jobs = self
            .file_jobs
            .get_or_insert_with(|| granted.file_jobs(&self.meter));
        jobs.clone()
    }

    /// The first thing that it was denied, as `connect tcp 10.0.0.1:80` or `look up example.com`.
    pub(super) fn denied(&self) -> Option<String> {
        self.reach.as_ref()?.denied()
    }

    /// Prints what the guest left of a line, and returns the beginning of what it said on standard error.
    pub(super) fn finish_printing(&self) -> String {
        let Some(wasi) = &self.wasi else {
            return String::new();
        };
        wasi.stdout.finish();
        wasi.stderr.finish()
    }

    /// The limit that the guest met, if it printed too much.
    pub(super) fn printed_too_much(&self) -> Option<&'static str> {
        self.wasi.as_ref()?.quota.exceeded()
    }
}

impl Wasi {
    fn new(about: &About, request_id: u64, meter: &Arc<CpuMeter>, reach: &Arc<Reach>) -> Self {
        let limits = &about.limits;
        let quota = Arc::new(Quota::new(limits, Arc::clone(meter)));
        let stdout = Printer::out(&about.output, &quota);
        let stderr = Printer::err(&about.output, &about.handler_name, request_id, &quota);
        let mut wasi = about.granted.wasi(reach);
        wasi.stdout(stdout.clone())
            .stderr(stderr.clone())
            .max_random_size(limits.max_random_bytes);
        Self {
            ctx: wasi.build(),
            quota,
            stdout,
            stderr,
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = match self.wasi.take() {
            Some(wasi) => wasi,
            None => {
                let reach = Arc::clone(self.reach());
                Box::new(Wasi::new(&self.about, self.request_id, &self.meter, &reach))
            }
        };
        WasiCtxView {
            ctx: &mut self.wasi.insert(wasi).ctx,
            table: &mut self.table,
        }
    }
}
