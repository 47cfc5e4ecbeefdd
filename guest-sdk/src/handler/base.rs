//! The base of every handler: `BaseRequestHandler`, and the order in which its methods run.

use std::io;

/// A handler that works with the raw request: `socketserver.BaseRequestHandler`.
///
/// `R` is what `self.request` is in Python: a [`Connection`](crate::Connection) or a
/// [`Datagram`](crate::Datagram). A type may implement both. The server makes a new handler, by [`Default`],
/// for every request and calls [`setup`](Self::setup), [`handle`](Self::handle) and [`finish`](Self::finish),
/// by Python's rules:
///
/// - a failed `setup` ends the request: neither `handle` nor `finish` runs;
/// - `finish` runs after a failed `handle`, too;
/// - if both fail, it is the error of `handle` that counts.
///
/// The text of the error goes to the server's log (`handle_error`), never to the client. A handler that
/// panics or exceeds a limit ends at once, without `finish`; the server goes on.
///
/// Every [`StreamRequestHandler`](crate::StreamRequestHandler) is a `BaseRequestHandler<Connection>` and every
/// [`DatagramRequestHandler`](crate::DatagramRequestHandler) a `BaseRequestHandler<Datagram>`, as in Python.
pub trait BaseRequestHandler<R>: Default {
    /// Called before [`handle`](Self::handle); does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error ends the request: neither `handle` nor `finish` runs.
    fn setup(&mut self, request: &mut R) -> io::Result<()> {
        let _ = request;
        Ok(())
    }

    /// Serves the request.
    ///
    /// # Errors
    ///
    /// An error ends this request only, after `finish`. Its text is what the server logs.
    fn handle(&mut self, request: &mut R) -> io::Result<()>;

    /// Called after [`handle`](Self::handle), also after a failed one; does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error is logged as one of `handle` is, unless `handle` failed already.
    fn finish(&mut self, request: &mut R) -> io::Result<()> {
        let _ = request;
        Ok(())
    }
}

/// Serves one request with a new handler: Python's `RequestHandlerClass(request, client_address, self)`.
pub(crate) fn serve<H: BaseRequestHandler<R>, R>(mut request: R) -> io::Result<()> {
    run(
        &mut H::default(),
        &mut request,
        H::setup,
        H::handle,
        H::finish,
    )
}

/// The three phases of a request in Python's order: `BaseRequestHandler.__init__`.
pub(crate) fn run<H, R>(
    handler: &mut H,
    request: &mut R,
    setup: impl FnOnce(&mut H, &mut R) -> io::Result<()>,
    handle: impl FnOnce(&mut H, &mut R) -> io::Result<()>,
    finish: impl FnOnce(&mut H, &mut R) -> io::Result<()>,
) -> io::Result<()> {
    setup(handler, request)?;
    let handled = handle(handler, request);
    let finished = finish(handler, request);
    handled.and(finished)
}
