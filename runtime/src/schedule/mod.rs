//! Python's `process_request`: where a request is finished, and nothing else.

mod sync;
mod tasks;
mod threaded;

use std::sync::Arc;

use crate::admission::Admitted;
use crate::config::Schedule;
use crate::finish::Service;

pub(crate) use tasks::Tasks;

/// Hands an admitted request to where it is finished; returns when it is scheduled, which under sync is
/// when it is finished.
pub(crate) async fn process_request(
    schedule: Schedule,
    service: &Arc<Service>,
    tasks: &Tasks,
    admitted: Admitted,
) {
    match schedule {
        Schedule::Sync => sync::process_request(service, tasks, admitted).await,
        Schedule::Threaded => threaded::process_request(service, tasks, admitted),
    }
}
