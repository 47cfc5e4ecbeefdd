//! What a request must pass before it takes a place: what the operator set for clients.

use std::sync::Arc;

use super::access_list::AccessList;
use super::rate::{Rate, SourceRate};
use super::source::Source;
use super::source_places::{SourcePlace, SourcePlaces};
use crate::address::ClientAddress;
use crate::config::ServerConfig;
use crate::outcome::Refusal;

/// The rules of one server. Each is none unless it is set.
pub(super) struct Rules {
    access_list: Option<AccessList>,
    source_rate: Option<SourceRate>,
    rate: Option<Rate>,
    source_places: Option<Arc<SourcePlaces>>,
}

impl Rules {
    /// None if nothing is set.
    pub(super) fn new(config: &ServerConfig) -> Option<Self> {
        let limits = &config.limits;
        let rules = Self {
            access_list: AccessList::new(&config.allow, &config.deny),
            source_rate: limits
                .max_rate_per_source
                .map(|rate| SourceRate::new("requests", rate, limits.max_sources)),
            rate: limits.max_rate.map(Rate::new),
            source_places: limits
                .max_concurrency_per_source
                .map(|most| Arc::new(SourcePlaces::new(most))),
        };
        rules.are_set().then_some(rules)
    }

    fn are_set(&self) -> bool {
        self.access_list.is_some()
            || self.source_rate.is_some()
            || self.rate.is_some()
            || self.source_places.is_some()
    }

    /// Lets a request of `client` go on to take a place, with its source's place if those are limited.
    ///
    /// Whoever is denied has used up nothing, and a source above its own rate nothing of all clients' rate. What
    /// a rate has given is not taken back if a later check refuses: a rate counts what was asked, and there is
    /// no way back for it in time. A source's place is given back when it is dropped.
    pub(super) fn check(&self, client: &ClientAddress) -> Result<Option<SourcePlace>, Refusal> {
        if let Some(list) = &self.access_list
            && !list.admits(&client.endpoint)
        {
            return Err(Refusal::Denied);
        }
        let source = Source::of(client);
        if let Some(rate) = &self.source_rate
            && !rate.take(source, 1)
        {
            return Err(Refusal::SourceRate);
        }
        if let Some(rate) = &self.rate
            && !rate.take()
        {
            return Err(Refusal::Rate);
        }
        match &self.source_places {
            Some(places) => places.take(source).map(Some).ok_or(Refusal::SourceFull),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::config::ServerLimits;

    fn client(address: &str) -> ClientAddress {
        let address: SocketAddr = address.parse().expect("an address");
        address.into()
    }

    fn rules(limits: ServerLimits) -> Rules {
        let config = ServerConfig {
            limits,
            deny: vec!["127.0.0.9/32".parse().expect("a network")],
            ..ServerConfig::default()
        };
        Rules::new(&config).expect("something is set")
    }

    #[test]
    fn nothing_is_checked_unless_it_is_set() {
        assert!(Rules::new(&ServerConfig::default()).is_none());
    }

    #[test]
    fn the_denied_and_those_above_their_own_rate_use_up_nothing_of_the_others() {
        let rules = rules(ServerLimits {
            max_rate: Some(2),
            max_rate_per_source: Some(1),
            ..ServerLimits::default()
        });
        for _ in 0..10 {
            let denied = rules.check(&client("127.0.0.9:1"));
            assert_eq!(denied.err(), Some(Refusal::Denied));
        }
        assert!(rules.check(&client("127.0.0.1:1")).is_ok());
        for _ in 0..10 {
            let refused = rules.check(&client("127.0.0.1:1"));
            assert_eq!(refused.err(), Some(Refusal::SourceRate));
        }
        assert!(rules.check(&client("127.0.0.2:1")).is_ok());
        let refused = rules.check(&client("127.0.0.3:1"));
        assert_eq!(refused.err(), Some(Refusal::Rate));
    }

    #[test]
    fn a_sources_place_comes_back_with_the_permit() {
        let rules = rules(ServerLimits {
            max_concurrency_per_source: Some(1),
            ..ServerLimits::default()
        });
        let first = rules.check(&client("127.0.0.1:1")).expect("a place");
        let refused = rules.check(&client("127.0.0.1:2"));
        assert_eq!(refused.err(), Some(Refusal::SourceFull));
        assert!(rules.check(&client("127.0.0.2:1")).is_ok());
        drop(first);
        assert!(rules.check(&client("127.0.0.1:2")).is_ok());
    }
}
