//! Requests side by side: a task for each, on all cores of the async runtime.

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
