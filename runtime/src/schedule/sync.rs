//! One request at a time, strictly in order: here.

use crate::admission::Admitted;
use crate::finish::Service;

use super::Tasks;

pub(super) async fn process_request(service: &Service, tasks: &Tasks, admitted: Admitted) {
    let lingering = service.finish_request(admitted).await;
    if let Some(lingering) = lingering {
        // Politeness to this client must not keep the next one waiting.
        tasks.linger(lingering.without_permit());
    }
}
