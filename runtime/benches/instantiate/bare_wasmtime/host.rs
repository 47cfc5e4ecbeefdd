//! What the host answers: `recv` and `send` of a stream. The two handlers call nothing else of the contract.
//! Both are asynchronous, as they would be with a socket.

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Engine, Error, Result};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use socketserver::handler::server::{self, ScheduleType, TransportType};
use socketserver::handler::types::{self, Address, DatagramRequest, ErrorCode, ShutdownType};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "socketserver:handler/stream-service",
    imports: {
        "socketserver:handler/types.[method]stream-request.recv": async | trappable,
        "socketserver:handler/types.[method]stream-request.send": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "socketserver:handler/types.stream-request": crate::bare_wasmtime::host::StreamRequest,
    },
});

/// Everything that the two handlers may import.
pub(super) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    server::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// A connection that is in memory.
#[expect(
    unreachable_pub,
    reason = "the generated bindings name it, and those are public within"
)]
pub struct StreamRequest {
    pub(super) unread: &'static [u8],
}

/// What a store holds.
#[derive(Default)]
pub(super) struct State {
    pub(super) table: ResourceTable,
    /// Made for every store, as programs that embed wasmtime do; this library waits until a guest asks for it.
    wasi: WasiCtx,
    /// What the client was sent.
    pub(super) sent: Vec<u8>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl types::HostStreamRequest for State {
    async fn recv(
        &mut self,
        request: Resource<StreamRequest>,
        max: u64,
    ) -> Result<Result<Vec<u8>, ErrorCode>> {
        let request = self.table.get_mut(&request)?;
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let (received, unread) = request.unread.split_at(most.min(request.unread.len()));
        request.unread = unread;
        Ok(Ok(received.to_vec()))
    }

    async fn send(
        &mut self,
        request: Resource<StreamRequest>,
        bytes: Vec<u8>,
    ) -> Result<Result<u64, ErrorCode>> {
        self.table.get(&request)?;
        self.sent.extend_from_slice(&bytes);
        Ok(Ok(bytes.len() as u64))
    }

    fn drop(&mut self, request: Resource<StreamRequest>) -> Result<()> {
        self.table.delete(request)?;
        Ok(())
    }

    fn client_address(&mut self, _: Resource<StreamRequest>) -> Result<Address> {
        not_called()
    }

    fn shutdown(
        &mut self,
        _: Resource<StreamRequest>,
        _: ShutdownType,
    ) -> Result<Result<(), ErrorCode>> {
        not_called()
    }

    fn set_timeout(
        &mut self,
        _: Resource<StreamRequest>,
        _: Option<u64>,
    ) -> Result<Result<(), ErrorCode>> {
        not_called()
    }

    fn set_no_delay(
        &mut self,
        _: Resource<StreamRequest>,
        _: bool,
    ) -> Result<Result<(), ErrorCode>> {
        not_called()
    }

    fn rfile(
        &mut self,
        _: Resource<StreamRequest>,
    ) -> Result<Result<Resource<DynInputStream>, ErrorCode>> {
        not_called()
    }

    fn wfile(
        &mut self,
        _: Resource<StreamRequest>,
    ) -> Result<Result<Resource<DynOutputStream>, ErrorCode>> {
        not_called()
    }
}

impl types::Host for State {
    fn stream_error_code(&mut self, _: Resource<Error>) -> Result<Option<ErrorCode>> {
        not_called()
    }
}

impl types::HostDatagramRequest for State {
    fn client_address(&mut self, _: Resource<DatagramRequest>) -> Result<Address> {
        not_called()
    }

    fn server_address(&mut self, _: Resource<DatagramRequest>) -> Result<Address> {
        not_called()
    }

    fn packet(&mut self, _: Resource<DatagramRequest>) -> Result<Vec<u8>> {
        not_called()
    }

    fn truncated(&mut self, _: Resource<DatagramRequest>) -> Result<bool> {
        not_called()
    }

    fn send(&mut self, _: Resource<DatagramRequest>, _: Vec<u8>) -> Result<Result<(), ErrorCode>> {
        not_called()
    }

    fn send_to(
        &mut self,
        _: Resource<DatagramRequest>,
        _: Address,
        _: Vec<u8>,
    ) -> Result<Result<(), ErrorCode>> {
        not_called()
    }

    fn drop(&mut self, _: Resource<DatagramRequest>) -> Result<()> {
        not_called()
    }
}

impl server::Host for State {
    fn server_address(&mut self) -> Result<Address> {
        not_called()
    }

    fn transport(&mut self) -> Result<TransportType> {
        not_called()
    }

    fn schedule(&mut self) -> Result<ScheduleType> {
        not_called()
    }

    fn handler_name(&mut self) -> Result<String> {
        not_called()
    }

    fn request_id(&mut self) -> Result<u64> {
        not_called()
    }
}

/// A trap, so that nothing is measured that another handler would need.
fn not_called<T>() -> Result<T> {
    Err(Error::msg(
        "this host has `recv` and `send` of a stream only",
    ))
}
