//! What wit-bindgen makes of `wit/handler.wit`: one module for each world.
//!
//! They are apart so that a handler of streams exports nothing but `stream-handler`: each module brings its
//! own export macro, and [`export!`](crate::export!) calls the ones that are asked for.

#![expect(missing_docs, reason = "generated: `wit/handler.wit` documents them")]

/// The world `stream-service`, with the types and imports of both worlds.
pub mod stream {
    wit_bindgen::generate!({
        path: "../wit",
        world: "stream-service",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_stream",
    });
}

/// The world `datagram-service`.
pub mod datagram {
    wit_bindgen::generate!({
        path: "../wit",
        world: "datagram-service",
        with: {
            "wasi:io/error@0.2.0": super::stream::wasi::io::error,
            "wasi:io/poll@0.2.0": super::stream::wasi::io::poll,
            "wasi:io/streams@0.2.0": super::stream::wasi::io::streams,
            "socketserver:handler/types@0.1.0": super::stream::socketserver::handler::types,
            "socketserver:handler/server@0.1.0": super::stream::socketserver::handler::server,
        },
        pub_export_macro: true,
        export_macro_name: "export_datagram",
    });
}
