//! The contract in `wit/`, as Rust types and traits.

/// A handler of streams.
pub(super) mod stream {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "socketserver:handler/stream-service",
        imports: {
            "socketserver:handler/types.[method]stream-request.recv": async | trappable,
            "socketserver:handler/types.[method]stream-request.send": async | trappable,
            "socketserver:handler/types.[method]datagram-request.send": async | trappable,
            "socketserver:handler/types.[method]datagram-request.send-to": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "socketserver:handler/types.stream-request": crate::sandbox::guest::StreamRequest,
            "socketserver:handler/types.datagram-request": crate::sandbox::guest::DatagramRequest,
        },
    });
}

/// A handler of datagrams. It shares its types with the other one.
pub(super) mod datagram {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "socketserver:handler/datagram-service",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "socketserver:handler/types": super::stream::socketserver::handler::types,
            "socketserver:handler/server": super::stream::socketserver::handler::server,
        },
    });
}

pub(super) use stream::socketserver::handler::{server, types};
