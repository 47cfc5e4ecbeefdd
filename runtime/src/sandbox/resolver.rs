//! Who looks names up for a guest whose process has no resolver.

use std::net::IpAddr;
use std::pin::Pin;

/// Who looks names up for a guest.
pub(crate) trait Resolver: Send + Sync {
    /// The addresses of `name`; none if they could not be found out.
    fn look_up(&self, name: String) -> Found<'_>;
}

/// A look-up, until it is answered.
pub(crate) type Found<'a> = Pin<Box<dyn Future<Output = Option<Vec<IpAddr>>> + Send + 'a>>;
