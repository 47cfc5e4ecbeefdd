//! What a store holds: the state behind one guest.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::grants;
use super::limits::MemoryLimiter;
use super::print::Printer;
use crate::address::{ClientAddress, ServerAddress};
use crate::config::{Limits, Schedule};
use crate::listen::Packet;
use crate::meter::CpuMeter;
use crate::output::{Lines, Output};
use crate::stream::Connection;

/// What every guest of one server is told about it.
pub(crate) struct About {
    pub(crate) server_address: ServerAddress,
    pub(crate) schedule: Schedule,
    pub(crate) handler_name: String,
    pub(crate) output: Arc<Output>,
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
    /// Bytes sent so far; the host reads it when the guest has ended.
    pub(crate) bytes_out: Arc<AtomicU64>,
}

/// The state of one guest.
pub(super) struct Guest {
    pub(super) table: ResourceTable,
    pub(super) limiter: MemoryLimiter,
    pub(super) meter: Arc<CpuMeter>,
    pub(super) about: Arc<About>,
    pub(super) request_id: u64,
    /// Made when it is first asked for: most requests end without.
    wasi: Option<Box<Wasi>>,
}

/// What only a guest that calls WASI needs.
struct Wasi {
    ctx: WasiCtx,
    stdout: Printer,
    stderr: Printer,
}

impl Guest {
    /// Resources that a guest may hold at once. Its own request, streams and pollables are a handful.
    const HANDLES: usize = 1000;

    pub(super) fn new(
        about: Arc<About>,
        limits: &Limits,
        request_id: u64,
        meter: Arc<CpuMeter>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(Self::HANDLES);
        Self {
            table,
            limiter: MemoryLimiter::new(limits.max_memory),
            meter,
            about,
            request_id,
            wasi: None,
        }
    }

    /// Prints what the guest left of a line, and returns the beginning of what it said on standard error.
    pub(super) fn finish_printing(&self) -> String {
        let Some(wasi) = &self.wasi else {
            return String::new();
        };
        wasi.stdout.finish();
        wasi.stderr.finish()
    }
}

impl Wasi {
    fn new(output: &Arc<Output>) -> Self {
        let stdout = Printer::new(Arc::clone(output), Lines::Out);
        let stderr = Printer::new(Arc::clone(output), Lines::Err);
        Self {
            ctx: grants::nothing(stdout.clone(), stderr.clone()),
            stdout,
            stderr,
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let output = &self.about.output;
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(output)));
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut self.table,
        }
    }
}
