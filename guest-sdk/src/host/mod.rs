//! The other side of the contract: the server behind a request.
//!
//! On wasm it is the runtime, reached through the imports of `wit/handler.wit`. On every other target it is
//! memory, filled by [`testing`](crate::testing). Both offer the same types with the same methods, so that
//! nothing outside this folder knows which of them it talks to.

#[cfg(target_arch = "wasm32")]
pub(crate) mod bindings;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod memory;
#[cfg(target_arch = "wasm32")]
mod translate;
#[cfg(target_arch = "wasm32")]
pub(crate) mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use memory::{Packet, ServerInfo, Stream};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{Packet, ServerInfo, Stream};
