//! Whom one guest may reach, and the first thing that it was denied.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime_wasi::sockets::SocketAddrUse;

use crate::grants::{Grants, Protocol};
use crate::text::harmless;

/// The judge over one guest's sockets and look-ups.
pub(super) struct Reach {
    grants: Arc<Grants>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lookups: usize,
    /// The names that are being looked up, by the handle that the guest has of it.
    asked: HashMap<u32, Arc<str>>,
    /// What the host answered in this request: an address, and the name that it was asked for.
    answers: Vec<(IpAddr, Arc<str>)>,
    denied: Option<String>,
}

/// Look-ups of one request. Each may keep one of the host's threads busy for as long as a name server does not
/// answer, and its answers are kept until the request ends.
pub(crate) const LOOKUPS: usize = 100;

/// Why a look-up is not made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Denied,
    TooMany,
}

impl Reach {
    pub(super) fn new(grants: &Arc<Grants>) -> Self {
        Self {
            grants: Arc::clone(grants),
            state: Mutex::default(),
        }
    }

    /// Whether a guest may make sockets of `protocol`.
    pub(super) fn may_make(&self, protocol: Protocol) -> bool {
        self.grants.has(protocol) || self.deny(|| format!("make a {protocol} socket"))
    }

    /// Whether a guest may use `address` for `purpose`.
    pub(super) fn may_use(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            // What comes before every connection: any free port of any address.
            SocketAddrUse::TcpBind => {
                is_any(address) || self.deny(|| format!("bind tcp {address}"))
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => {
                self.deny(|| format!("listen tcp {address}"))
            }
            SocketAddrUse::TcpConnect => {
                self.may_connect(Protocol::Tcp, address)
                    || self.deny(|| format!("connect tcp {address}"))
            }
            // Most languages cannot make a socket of packets without binding it.
            SocketAddrUse::UdpBind => {
                let is_own = address.port() == 0 && address.ip().is_loopback();
                is_any(address) || is_own || self.deny(|| format!("bind udp {address}"))
            }
            SocketAddrUse::UdpSend => {
                self.may_connect(Protocol::Udp, address)
                    || self.deny(|| format!("send udp {address}"))
            }
            // What a stranger sends is dropped, and nothing that the guest did.
            SocketAddrUse::UdpReceive => self.may_connect(Protocol::Udp, address),
        }
    }

    /// Notes a look-up of `name`.
    ///
    /// # Errors
    ///
    /// If the guest may not make it.
    pub(super) fn look_up(&self, name: &str) -> Result<(), Refused> {
        if !self.grants.may_look_up(name) {
            self.deny(|| format!("look up {}", shown(name)));
            return Err(Refused::Denied);
        }
        let mut state = self.lock();
        state.lookups += 1;
        if state.lookups > LOOKUPS {
            return Err(Refused::TooMany);
        }
        Ok(())
    }

    /// Remembers that the guest asks for `name` by `handle`.
    pub(super) fn asks(&self, handle: u32, name: String) {
        self.lock().asked.insert(handle, name.into());
    }

    /// Forgets `handle`, which may be another look-up's next time.
    pub(super) fn asks_no_more(&self, handle: u32) {
        self.lock().asked.remove(&handle);
    }

    /// Remembers that the host answered `ip` to what the guest asks for by `handle`.
    pub(super) fn answered(&self, handle: u32, ip: IpAddr) {
        let mut state = self.lock();
        let Some(name) = state.asked.get(&handle) else {
            return;
        };
        let answer = (ip.to_canonical(), Arc::clone(name));
        if !state.answers.contains(&answer) {
            state.answers.push(answer);
        }
    }

    /// Whether a guest may send a packet to `address` by the server's own socket.
    pub(super) fn may_send_to(&self, address: SocketAddr) -> bool {
        self.grants.may_send_to(address) || self.deny(|| format!("send to {address}"))
    }

    /// Remembers what the guest was denied, if it is the first thing. Always false: it is denied.
    pub(super) fn deny(&self, what: impl FnOnce() -> String) -> bool {
        self.lock().denied.get_or_insert_with(what);
        false
    }

    /// The first thing that the guest was denied, as `connect tcp 10.0.0.1:80` or `look up example.com`.
    pub(super) fn denied(&self) -> Option<String> {
        self.lock().denied.clone()
    }

    fn may_connect(&self, protocol: Protocol, to: SocketAddr) -> bool {
        self.grants
            .may_connect(protocol, to, &self.names_of(to.ip()))
    }

    /// The names for which the host answered `ip` in this request.
    pub(super) fn names_of(&self, ip: IpAddr) -> Vec<Arc<str>> {
        let ip = ip.to_canonical();
        let state = self.lock();
        let answers = state.answers.iter().filter(|(answer, _)| *answer == ip);
        answers.map(|(_, name)| Arc::clone(name)).collect()
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a guest calls a name, as a log can show it.
fn shown(name: &str) -> String {
    /// The longest host name there can be.
    const LONGEST: usize = 253;
    harmless(name.as_bytes().get(..LONGEST).unwrap_or(name.as_bytes()))
}

/// True for any free port of any address: what the system chooses by itself.
fn is_any(address: SocketAddr) -> bool {
    address.ip().is_unspecified() && address.port() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(connect: &[&str]) -> Reach {
        let parse = |text: &&str| text.parse().expect("a pattern");
        let connect = connect.iter().map(parse).collect();
        Reach::new(&Arc::new(Grants {
            connect,
            ..Grants::default()
        }))
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn nobody_listens_and_nobody_chooses_a_port() {
        use SocketAddrUse::{TcpAccept, TcpBind, TcpListen, UdpBind};
        let reach = reach(&["tcp://0.0.0.0/0:*", "udp://0.0.0.0/0:*"]);
        for (text, purpose, may) in [
            ("0.0.0.0:0", TcpBind, true),
            ("[::]:0", TcpBind, true),
            ("127.0.0.1:0", TcpBind, false),
            ("0.0.0.0:80", TcpBind, false),
            ("0.0.0.0:0", TcpListen, false),
            ("1.1.1.1:1", TcpAccept, false),
            ("0.0.0.0:0", UdpBind, true),
            ("127.0.0.1:0", UdpBind, true),
            ("[::1]:0", UdpBind, true),
            ("127.0.0.1:53", UdpBind, false),
            ("10.0.0.1:0", UdpBind, false),
        ] {
            assert_eq!(
                reach.may_use(address(text), purpose),
                may,
                "{purpose:?} {text}"
            );
        }
    }

    #[test]
    fn an_answer_counts_for_the_name_that_it_was_given_for() {
        let reach = reach(&["tcp://a.example:80", "udp://b.example:53"]);
        let to = address("1.1.1.1:80");
        assert!(!reach.may_use(to, SocketAddrUse::TcpConnect));
        reach.asks(1, "a.example".to_owned());
        reach.asks(2, "b.example".to_owned());
        reach.answered(2, to.ip());
        assert!(!reach.may_use(to, SocketAddrUse::TcpConnect));
        reach.asks_no_more(1);
        reach.answered(1, to.ip());
        assert!(!reach.may_use(to, SocketAddrUse::TcpConnect));
        reach.asks(1, "a.example".to_owned());
        reach.answered(1, to.ip());
        assert!(reach.may_use(to, SocketAddrUse::TcpConnect));
        assert!(!reach.may_use(to, SocketAddrUse::UdpSend));
        assert!(reach.may_use(address("1.1.1.1:53"), SocketAddrUse::UdpReceive));
    }

    #[test]
    fn the_first_denial_is_the_one_that_is_told() {
        let reach = reach(&["tcp://127.0.0.1:80"]);
        assert_eq!(reach.denied(), None);
        // It came from somebody else: no offence of the guest.
        assert!(!reach.may_use(address("10.0.0.9:1"), SocketAddrUse::UdpReceive));
        assert_eq!(reach.denied(), None);
        assert!(!reach.may_use(address("10.0.0.1:80"), SocketAddrUse::TcpConnect));
        assert_eq!(reach.look_up("example.com"), Err(Refused::Denied));
        assert_eq!(reach.denied().as_deref(), Some("connect tcp 10.0.0.1:80"));
    }

    #[test]
    fn a_name_that_was_denied_is_shown_as_a_log_can_show_it() {
        let reach = reach(&[]);
        let name = format!("\u{1b}[2J{}", "x".repeat(1000));
        assert_eq!(reach.look_up(&name), Err(Refused::Denied));
        let denied = reach.denied().expect("it was denied");
        assert!(denied.starts_with("look up \\u{1b}[2Jxx"), "{denied}");
        assert!(denied.len() < 300, "{denied}");
    }

    #[test]
    fn look_ups_are_counted() {
        let reach = reach(&["tcp://a.example:80"]);
        for _ in 0..LOOKUPS {
            assert_eq!(reach.look_up("a.example"), Ok(()));
        }
        assert_eq!(reach.look_up("a.example"), Err(Refused::TooMany));
        assert_eq!(reach.denied(), None);
    }
}
