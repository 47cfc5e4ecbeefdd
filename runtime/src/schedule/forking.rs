//! Requests side by side, each in a process of its own; here is only who waits for it.

use std::sync::Arc;

use crate::admission::Admitted;
use crate::finish::Service;

use super::Tasks;

pub(super) fn process_request(service: &Arc<Service>, tasks: &Tasks, admitted: Admitted) {
    let service = Arc::clone(service);
    tasks.spawn(async move {
        if let Some(lingering) = service.finish_request(admitted).await {
            lingering.close().await;
        }
    });
}
