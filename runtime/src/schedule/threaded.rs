//! Requests side by side, on all cores of the async runtime: begun where they were received, and a task of
//! their own for those that have to wait.

use std::sync::Arc;

use crate::admission::Admitted;
use crate::finish::Service;

use super::{InPlace, Tasks};

pub(super) fn process_request(
    service: &Arc<Service>,
    in_place: &InPlace,
    tasks: &Tasks,
    admitted: Admitted,
) {
    let service = Arc::clone(service);
    let request = Box::pin(async move {
        if let Some(lingering) = service.finish_request(admitted).await {
            lingering.close().await;
        }
    });
    if let Some(unfinished) = in_place.begin(request) {
        tasks.spawn(unfinished);
    }
}
