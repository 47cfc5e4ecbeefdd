//! Python's `process_request`: where a request is finished, and nothing else.

mod forking;
mod in_place;
mod sync;
mod tasks;
mod threaded;

use std::sync::Arc;

use crate::admission::Admitted;
use crate::config::Schedule;
use crate::finish::Service;

use in_place::InPlace;
use tasks::Tasks;

/// The schedule of one server, and what it has running.
pub(crate) struct Scheduler {
    schedule: Schedule,
    in_place: InPlace,
    tasks: Tasks,
}

impl Scheduler {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            in_place: InPlace::default(),
            tasks: Tasks::default(),
        }
    }

    /// Hands an admitted request to where it is finished; returns when it is scheduled, which under sync is
    /// when it is finished.
    pub(crate) async fn process_request(&self, service: &Arc<Service>, admitted: Admitted) {
        match self.schedule {
            Schedule::Sync => sync::process_request(service, &self.tasks, admitted).await,
            Schedule::Threaded => {
                threaded::process_request(service, &self.in_place, &self.tasks, admitted);
            }
            Schedule::Forking => forking::process_request(service, &self.tasks, admitted),
        }
    }

    /// Waits until nothing runs. Safe to cancel.
    pub(crate) async fn finished(&self) {
        self.tasks.finished().await;
    }
}
