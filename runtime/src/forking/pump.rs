//! A connection that only this process can have, and one that a child can: what comes out of one goes into the other.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, copy, split};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::stream::{ForeignStream, Socket};

/// How long the client may take for what a child has left behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends that this process has.
pub(super) struct Pump {
    foreign: Box<dyn ForeignStream>,
    ours: UnixStream,
}

impl Pump {
    /// Returns the end that a child gets, too.
    pub(super) fn new(socket: Socket) -> io::Result<(OwnedFd, Self)> {
        let Socket::Foreign(foreign) = socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let (theirs, ours) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        Ok((theirs.into(), Self { foreign, ours }))
    }

    /// Moves bytes while `served` goes on, and afterwards those that the child has left behind.
    pub(super) async fn beside<T>(self, served: impl Future<Output = T>) -> T {
        let (mut from_client, mut to_client) = split(self.foreign);
        let (mut from_child, mut to_child) = self.ours.into_split();
        // It has no end of its own; whichever side fails, the other one sees the end of its stream.
        let inward = async {
            drop(copy(&mut from_client, &mut to_child).await);
            drop(to_child);
            std::future::pending::<()>().await;
        };
        let outward = async {
            drop(copy(&mut from_child, &mut to_client).await);
            drop(to_client.shutdown().await);
        };
        let (mut served, mut inward, mut outward) = (pin!(served), pin!(inward), pin!(outward));
        let mut all_out = false;
        let served = loop {
            tokio::select! {
                served = &mut served => break served,
                () = &mut outward, if !all_out => all_out = true,
                () = &mut inward => {}
            }
        };
        if !all_out {
            drop(timeout(PATIENCE, outward).await);
        }
        served
    }
}
