//! Sockets in the making, and look-ups of names: what wasmtime-wasi allows or refuses as a whole is judged one by
//! one here, by `reach`. The work is still wasmtime-wasi's: its resolver runs on threads of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::{Error, Result};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    self, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, IpAddressFamily, Network,
};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::subscribe;
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::guest::Guest;
use super::lookups::Answers;
use super::reach::Refused;
use crate::grants::Protocol;

/// Puts these in the place of wasmtime-wasi's own.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    linker.allow_shadowing(true);
    ip_name_lookup::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    tcp_create_socket::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    udp_create_socket::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl ip_name_lookup::Host for Guest {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        match self.reach().look_up(&name) {
            Ok(()) => {}
            Err(Refused::Denied) => return Err(ErrorCode::AccessDenied.into()),
            Err(Refused::TooMany) => return Err(ErrorCode::TemporaryResolverFailure.into()),
        }
        let answers =
            ip_name_lookup::Host::resolve_addresses(&mut self.sockets(), network, name.clone())?;
        self.reach().asks(answers.rep(), name);
        Ok(answers)
    }
}

impl HostResolveAddressStream for Guest {
    fn resolve_next_address(
        &mut self,
        answers: Resource<ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        let handle = answers.rep();
        let elsewhere = self.table.get_mut(&answered_elsewhere(&answers)).ok();
        let answer = match elsewhere {
            Some(Answers(answers)) => answers.next().map(IpAddress::from),
            None => self.sockets().resolve_next_address(answers)?,
        };
        if let Some(answer) = &answer {
            self.reach().answered(handle, address(*answer));
        }
        Ok(answer)
    }

    fn subscribe(
        &mut self,
        answers: Resource<ResolveAddressStream>,
    ) -> Result<Resource<DynPollable>> {
        let elsewhere = answered_elsewhere(&answers);
        if self.table.get(&elsewhere).is_ok() {
            return subscribe(&mut self.table, elsewhere);
        }
        self.sockets().subscribe(answers)
    }

    fn drop(&mut self, answers: Resource<ResolveAddressStream>) -> Result<()> {
        self.reach().asks_no_more(answers.rep());
        let elsewhere = Resource::<Answers>::new_own(answers.rep());
        if self.table.get(&elsewhere).is_ok() {
            self.table.delete(elsewhere)?;
            return Ok(());
        }
        HostResolveAddressStream::drop(&mut self.sockets(), answers)
    }
}

/// The same handle, if a resolver elsewhere gave the answers.
fn answered_elsewhere(answers: &Resource<ResolveAddressStream>) -> Resource<Answers> {
    Resource::new_borrow(answers.rep())
}

impl tcp_create_socket::Host for Guest {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        if !self.reach().may_make(Protocol::Tcp) {
            return Err(ErrorCode::AccessDenied.into());
        }
        self.sockets().create_tcp_socket(family)
    }
}

impl udp_create_socket::Host for Guest {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        if !self.reach().may_make(Protocol::Udp) {
            return Err(ErrorCode::AccessDenied.into());
        }
        self.sockets().create_udp_socket(family).await
    }
}

/// What the other interfaces need of this one.
impl network::Host for Guest {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        self.sockets().convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<Error>) -> Result<Option<ErrorCode>> {
        self.sockets().network_error_code(error)
    }
}

impl HostNetwork for Guest {
    fn drop(&mut self, network: Resource<Network>) -> Result<()> {
        HostNetwork::drop(&mut self.sockets(), network)
    }
}

fn address(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmtime_wasi::p2::Pollable as _;
    use wasmtime_wasi::p2::bindings::sockets::instance_network::Host as _;
    use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::Host as _;

    use super::*;
    use crate::address::{Endpoint, ServerAddress, Transport};
    use crate::config::{Limits, Schedule};
    use crate::grants::Grants;
    use crate::meter::CpuMeter;
    use crate::output::Output;
    use crate::sandbox::{About, Granted};

    fn guest(grants: Grants) -> Guest {
        let about = About {
            limits: Limits::default(),
            held: 0,
            total_memory: None,
            server_address: ServerAddress {
                transport: Transport::Tcp,
                endpoint: Endpoint::Ip(([127, 0, 0, 1], 9999).into()),
            },
            schedule: Schedule::Sync,
            handler_name: "test".to_owned(),
            output: Output::shared(),
            resolver: None,
            granted: Granted::open(&Arc::new(grants)).expect("no directory is needed"),
        };
        let meter = Arc::new(CpuMeter::new(None, None));
        Guest::new(Arc::new(about), 1, meter)
    }

    /// Looks up `name` as a guest does, and returns all that it is told.
    async fn look_up(guest: &mut Guest, name: &str) -> SocketResult<Vec<IpAddr>> {
        let network = guest.sockets().instance_network().expect("a network");
        let answers = guest.resolve_addresses(network, name.to_owned())?;
        let borrowed = || Resource::<ResolveAddressStream>::new_borrow(answers.rep());
        let stream = guest.table.get_mut(&borrowed()).expect("it is there");
        stream.ready().await;
        let mut told = Vec::new();
        while let Some(answer) = guest.resolve_next_address(borrowed())? {
            told.push(address(answer));
        }
        HostResolveAddressStream::drop(guest, answers).expect("it is there");
        Ok(told)
    }

    #[tokio::test]
    async fn what_a_guest_is_told_of_a_name_is_remembered() {
        let mut guest = guest(Grants {
            lookup: vec!["localhost".parse().expect("a name")],
            ..Grants::default()
        });
        let told = look_up(&mut guest, "localhost").await.expect("answers");
        assert!(!told.is_empty());
        for ip in told {
            assert_eq!(guest.reach().names_of(ip), ["localhost".into()]);
        }
        let other = look_up(&mut guest, "example.invalid").await;
        let code = other.expect_err("it is not granted").downcast();
        assert_eq!(code.expect("no trap"), ErrorCode::AccessDenied);
        assert_eq!(guest.denied().as_deref(), Some("look up example.invalid"));
    }
}
