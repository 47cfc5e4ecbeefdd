//! wasmtime, and the least that a host of the contract can be: it knows one kind of request, gives its bytes and
//! takes the reply. It has no limits but the epoch, counts nothing and reports nothing.

mod host;
mod settings;

use std::path::Path;
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Engine, EngineWeak, Result, Store};

use super::{REPLY, REQUEST};
use host::{State, StreamRequest, StreamServicePre};

/// How often the epoch advances, and how many ticks a guest computes before others have their turn: as in
/// `sandbox/ticker.rs`.
const TICK: Duration = Duration::from_millis(1);
const TURN: u64 = 10;

/// A component, with everything prepared that requests can share.
pub(super) struct BareWasmtime {
    engine: Engine,
    service: StreamServicePre<State>,
}

impl BareWasmtime {
    /// Compiles the component.
    pub(super) fn start(component: &Path) -> Result<Self> {
        let engine = Engine::new(&settings::settings())?;
        let component = Component::from_file(&engine, component)?;
        let service = host::linker(&engine)?.instantiate_pre(&component)?;
        let service = StreamServicePre::new(service)?;
        let weak = engine.weak();
        thread::spawn(move || tick(&weak));
        Ok(Self { engine, service })
    }

    /// Serves one request.
    pub(super) async fn request(&self) {
        let mut store = self.store();
        let service = self.service.instantiate_async(&mut store).await;
        let service = service.expect("an instance");
        let request = StreamRequest { unread: REQUEST };
        let request = store.data_mut().table.push(request).expect("a handle");
        let handler = service.socketserver_handler_stream_handler();
        let handled = handler.call_handle(&mut store, request).await;
        handled.expect("no trap").expect("no error");
        assert_eq!(store.data().sent, REPLY, "what the client was sent");
    }

    /// The same without the call: what an instance costs that does nothing.
    pub(super) async fn without_the_call(&self) {
        let mut store = self.store();
        let service = self.service.instantiate_async(&mut store).await;
        service.expect("an instance");
    }

    fn store(&self) -> Store<State> {
        let mut store = Store::new(&self.engine, State::default());
        store.epoch_deadline_async_yield_and_update(TURN);
        store.set_epoch_deadline(TURN);
        store
    }
}

/// Advances the epoch while there is an engine.
fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}
