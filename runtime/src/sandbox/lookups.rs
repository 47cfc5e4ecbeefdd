//! Look-ups in a process that makes none by itself: another does.

use std::net::IpAddr;
use std::vec::IntoIter;

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, Network};

use super::guest::Guest;
use super::reach::Refused;

/// The interface, as wasmtime-wasi names it.
const LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// What is left of the answers to one look-up.
pub(super) struct Answers(pub(super) IntoIter<IpAddr>);

/// They were all there before the guest got hold of them.
#[wasmtime_wasi::async_trait]
impl Pollable for Answers {
    async fn ready(&mut self) {}
}

/// Puts the asking of these in the place of wasmtime-wasi's own.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.instance(LOOKUP)?.func_wrap_async(
        "resolve-addresses",
        |store: StoreContextMut<'_, Guest>, (_, name): (Resource<Network>, String)| {
            Box::new(async move { Ok((resolve_addresses(store, name).await?,)) })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn resolve_addresses(
    mut store: StoreContextMut<'_, Guest>,
    name: String,
) -> Result<std::result::Result<Resource<ResolveAddressStream>, ErrorCode>> {
    let guest = store.data_mut();
    match guest.reach().look_up(&name) {
        Ok(()) => {}
        Err(Refused::Denied) => return Ok(Err(ErrorCode::AccessDenied)),
        Err(Refused::TooMany) => return Ok(Err(ErrorCode::TemporaryResolverFailure)),
    }
    let found = match &guest.about.resolver {
        Some(resolver) => resolver.look_up(name.clone()).await,
        None => None,
    };
    let Some(addresses) = found else {
        return Ok(Err(ErrorCode::NameUnresolvable));
    };
    let answers = guest.table.push(Answers(addresses.into_iter()))?;
    guest.reach().asks(answers.rep(), name);
    Ok(Ok(Resource::new_own(answers.rep())))
}
