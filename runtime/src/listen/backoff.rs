//! What becomes of an `accept` or a `recvmmsg` that fails: no server ends by it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// What concerns one client only is passed over. A machine that has run out of something (descriptors,
/// memory) gets time to recover, since trying again at once would spin; it is said once, not each time, nor
/// by each clone.
#[derive(Clone, Default)]
pub(super) struct Backoff {
    troubled: Arc<AtomicBool>,
}

impl Backoff {
    const PAUSE: Duration = Duration::from_millis(100);

    pub(super) async fn failed(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return;
        }
        if !self.troubled.swap(true, Relaxed) {
            tracing::error!("cannot take requests: {error}; trying again until it works");
        }
        tokio::time::sleep(Self::PAUSE).await;
    }

    pub(super) fn recovered(&self) {
        // Looked at first, since all that accept would otherwise write to the same place.
        if self.troubled.load(Relaxed) && self.troubled.swap(false, Relaxed) {
            tracing::info!("taking requests again");
        }
    }
}
