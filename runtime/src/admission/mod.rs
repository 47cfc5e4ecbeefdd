//! Who gets in: what the operator set for clients, a place for each request that may run, and Python's
//! `verify_request`.
//!
//! `rules` is what a request must pass before it takes one of the `places`: the `access_list`, then the `rate` of
//! its `source` and of all, then the `source_places`. A server without such rules pays nothing for them.
//!
//! Only this room makes an [`Admitted`] request, and nothing else is scheduled.

mod access_list;
mod places;
mod rate;
mod rules;
mod source;
mod source_places;
mod sources;

use std::sync::Arc;

use crate::address::ClientAddress;
use crate::config::{Schedule, ServerConfig, WhenFull};
use crate::hooks::HookCaller;
use crate::outcome::Refusal;
use crate::request::Request;

pub(crate) use rate::SourceRate;
pub(crate) use source::Source;

use places::{Place, Places};
use rules::Rules;
use source_places::SourcePlace;

/// The door of one server.
pub(crate) struct Admission {
    /// None if the operator set none.
    rules: Option<Box<Rules>>,
    places: Arc<Places>,
}

/// The right to run, given back when it is dropped.
pub(crate) struct Permit {
    _place: Place,
    _source_place: Option<SourcePlace>,
}

/// What admission decided.
pub(crate) enum Verified {
    Admitted(Admitted),
    Refused(Request, Refusal),
}

/// A request that may run.
pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) permit: Permit,
}

impl Admission {
    /// With room for `concurrency` requests. Under the sync schedule that is one, and everybody waits for it.
    pub(crate) fn new(config: &ServerConfig, concurrency: u32) -> Self {
        Self {
            rules: Rules::new(config).map(Box::new),
            places: Arc::new(Places::new(concurrency, waits(config))),
        }
    }

    /// Waits until there is room, where requests are to stay in the kernel's queue until then.
    ///
    /// The room is not kept: whoever waits for a request must not hold what another request could use.
    pub(crate) async fn room(&self) {
        if self.places.wait {
            drop(self.places.wait().await);
        }
    }

    /// Admits a request, or refuses it and says why.
    pub(crate) async fn verify_request(&self, request: Request, hooks: &HookCaller) -> Verified {
        let permit = match self.permit(&request.client_address).await {
            Ok(permit) => permit,
            Err(refusal) => return Verified::Refused(request, refusal),
        };
        if !hooks.verify_request(&request) {
            return Verified::Refused(request, Refusal::Verify);
        }
        Verified::Admitted(Admitted { request, permit })
    }

    /// A request that waits for a place holds its source's already, and counts as one that runs.
    async fn permit(&self, client: &ClientAddress) -> Result<Permit, Refusal> {
        let source_place = match &self.rules {
            Some(rules) => rules.check(client)?,
            None => None,
        };
        let place = if self.places.wait {
            self.places.wait().await
        } else {
            self.places.take().ok_or(Refusal::Full)?
        };
        Ok(Permit {
            _place: place,
            _source_place: source_place,
        })
    }
}

/// True if requests stay in the kernel's queue while there is no room for them.
pub(crate) fn waits(config: &ServerConfig) -> bool {
    match config.schedule {
        Schedule::Sync | Schedule::Forking => true,
        Schedule::Threaded => config.when_full == WhenFull::Wait,
    }
}
