//! `export!`: from a Rust type to a component.

/// Makes a type the handler of this crate, by naming its base class as Python's `class` line does.
///
/// | form | serves |
/// | --- | --- |
/// | `export!(Upper: StreamRequestHandler);` | streams |
/// | `export!(Upper: DatagramRequestHandler);` | datagrams |
/// | `export!(Upper: StreamRequestHandler + DatagramRequestHandler);` | both, by two implementations |
/// | `export!(Upper: RequestHandler);` | both, by one implementation |
/// | `export!(Upper: BaseRequestHandler<Connection>);` | streams, raw |
/// | `export!(Upper: BaseRequestHandler<Datagram>);` | datagrams, raw |
///
/// Any of them can be joined by `+`, as long as streams and datagrams are each served once. The names need
/// not be in scope, and are written without a path. Call it once, at the top level of a crate whose
/// `crate-type` is `cdylib`.
///
/// On wasm32 it makes the exports of the component. On every other target it only checks that the type is
/// what it is said to be, so that the handler can be tested where it is written.
#[macro_export]
macro_rules! export {
    ($handler:ty : $($base:tt)+) => {
        $crate::__export_bases!($handler; $($base)+);
    };
    ($($other:tt)*) => {
        ::core::compile_error!("say what the handler is: `export!(Upper: StreamRequestHandler);`");
    };
}

/// One base class after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_bases {
    ($handler:ty; StreamRequestHandler $(+ $($rest:tt)+)?) => {
        $crate::__export_stream!($handler, $crate::StreamRequestHandler);
        $($crate::__export_bases!($handler; $($rest)+);)?
    };
    ($handler:ty; DatagramRequestHandler $(+ $($rest:tt)+)?) => {
        $crate::__export_datagram!($handler, $crate::DatagramRequestHandler);
        $($crate::__export_bases!($handler; $($rest)+);)?
    };
    ($handler:ty; RequestHandler) => {
        $crate::__export_stream!($handler, $crate::RequestHandler);
        $crate::__export_datagram!($handler, $crate::RequestHandler);
    };
    ($handler:ty; BaseRequestHandler<Connection> $(+ $($rest:tt)+)?) => {
        $crate::__export_stream!($handler, $crate::BaseRequestHandler<$crate::Connection>);
        $($crate::__export_bases!($handler; $($rest)+);)?
    };
    ($handler:ty; BaseRequestHandler<Datagram> $(+ $($rest:tt)+)?) => {
        $crate::__export_datagram!($handler, $crate::BaseRequestHandler<$crate::Datagram>);
        $($crate::__export_bases!($handler; $($rest)+);)?
    };
    ($handler:ty; $($other:tt)+) => {
        ::core::compile_error!(
            "a handler is a StreamRequestHandler, a DatagramRequestHandler, a RequestHandler, \
             a BaseRequestHandler<Connection> or a BaseRequestHandler<Datagram>, \
             named without a path; join them by `+`"
        );
    };
}

/// The export `stream-handler`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_stream {
    ($handler:ty, $base:path) => {
        const _: () = {
            const fn is_a<H: $base>() {}
            is_a::<$handler>();
            #[cfg(target_arch = "wasm32")]
            type Export = $crate::export::StreamExport<$handler>;
            #[cfg(target_arch = "wasm32")]
    $crate::export::stream::export_stream!(Export with_types_in $crate::export::stream);
        };
    };
}

/// The export `datagram-handler`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_datagram {
    ($handler:ty, $base:path) => {
        const _: () = {
            const fn is_a<H: $base>() {}
            is_a::<$handler>();
            #[cfg(target_arch = "wasm32")]
            type Export = $crate::export::DatagramExport<$handler>;
            #[cfg(target_arch = "wasm32")]
            $crate::export::datagram::export_datagram!(Export with_types_in $crate::export::datagram);
        };
    };
}

#[cfg(target_arch = "wasm32")]
pub use guest::{DatagramExport, StreamExport, datagram, stream};

/// What the exports call.
#[cfg(target_arch = "wasm32")]
mod guest {
    use crate::handler::base;
    pub use crate::host::bindings::{datagram, stream};
    use crate::host::wasm;
    use crate::{BaseRequestHandler, Connection, Datagram};
    use std::io;
    use std::marker::PhantomData;
    use stream::socketserver::handler::types;

    /// A handler of streams, in the shape that the bindings ask for.
    #[derive(Debug)]
    pub struct StreamExport<H>(PhantomData<H>);

    impl<H: BaseRequestHandler<Connection>>
        stream::exports::socketserver::handler::stream_handler::Guest for StreamExport<H>
    {
        fn handle(request: types::StreamRequest) -> Result<(), String> {
            text(base::serve::<H, _>(Connection::new(wasm::Stream::new(
                request,
            ))))
        }
    }

    /// A handler of datagrams, in the shape that the bindings ask for.
    #[derive(Debug)]
    pub struct DatagramExport<H>(PhantomData<H>);

    impl<H: BaseRequestHandler<Datagram>>
        datagram::exports::socketserver::handler::datagram_handler::Guest for DatagramExport<H>
    {
        fn handle(request: types::DatagramRequest) -> Result<(), String> {
            text(base::serve::<H, _>(Datagram::new(wasm::Packet::new(
                request,
            ))))
        }
    }

    /// The contract's form of an error is its text.
    fn text(result: io::Result<()>) -> Result<(), String> {
        result.map_err(|error| error.to_string())
    }
}
