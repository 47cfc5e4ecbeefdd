//! The child of one request: it serves it behind the second wall, says how it ended, and is gone.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use super::fork::{exit_now, start_clock};
use super::home::Home;
use super::message::{Ended, FromChild, Order, Work};
use crate::address::Transport;
use crate::confine::ChildWall;
use crate::execute::{Executed, Executor};
use crate::listen::Packet;
use crate::replies::ReplyPath;
use crate::request::shutdown_request;
use crate::stream::Socket;

/// The child has done what it was forked for.
const WELL: i32 = 0;
/// It could not begin.
const NOT_BEGUN: i32 = 70;
/// It panicked.
const PANICKED: i32 = 101;

/// What a child has from its zygote, and for its request.
pub(super) struct Child {
    pub(super) executor: Arc<Executor>,
    pub(super) wall: Arc<ChildWall>,
    pub(super) home: Arc<Home>,
    pub(super) channel: OwnedFd,
    /// None if the request is a packet.
    pub(super) connection: Option<OwnedFd>,
}

impl Child {
    /// Serves the request and ends this process: nothing of the zygote's runs here any more, whatever happens.
    pub(super) fn main(self) -> ! {
        let failed = catch_unwind(AssertUnwindSafe(|| self.run()));
        exit_now(failed.map_or(PANICKED, |_| NOT_BEGUN))
    }

    fn run(self) -> io::Result<Infallible> {
        // Before the wall, behind which no timer is made: there are so many for each user, and no more.
        let _clock = start_clock()?;
        self.wall.confine().map_err(io::Error::other)?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // A guest that computes gives way at its turns only: each time, the server is heard.
            .event_interval(1)
            .build()?;
        runtime.block_on(async {
            self.serve().await?;
            // Here, without tidying up: the kernel does it at once.
            exit_now(WELL)
        })
    }

    async fn serve(self) -> io::Result<()> {
        let Self {
            executor,
            home,
            channel,
            connection,
            ..
        } = self;
        home.open(channel)?;
        home.tell(&FromChild::Begun {
            pid: std::process::id(),
        });
        let Some(order) = home.order().await else {
            return Ok(());
        };
        tokio::select! {
            biased;
            () = finish(&executor, &home, order, connection) => {}
            // The server is gone, or wants no more of this request.
            () = home.listen() => {}
            () = beat(&home) => {}
        }
        Ok(())
    }
}

/// Shows the server, as long as there is something to wait for, that this process has not come to a stand.
async fn beat(home: &Home) {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        sleep(PAUSE).await;
        home.tell(&FromChild::Beat);
    }
}

/// Runs the handler, tells how it ended, and is polite to the client.
async fn finish(executor: &Executor, home: &Arc<Home>, order: Order, connection: Option<OwnedFd>) {
    let (ended, linger) = match (order.work, connection) {
        (Work::Connection { tcp }, Some(connection)) => {
            let transport = if tcp { Transport::Tcp } else { Transport::Unix };
            let socket = Socket::handed_over(connection, transport);
            let metered = executor.connection(socket, Instant::now());
            let executed = executor.stream(order.request, &metered, order.client_address);
            let executed = executed.await;
            let moved = metered.connection.bytes_moved();
            (ended(executed, moved), shutdown_request(metered.connection))
        }
        (
            Work::Packet {
                bytes,
                length,
                truncated,
                server_address,
            },
            _,
        ) => {
            let packet = Packet {
                bytes: Bytes::from(bytes),
                length,
                truncated,
                server_address,
            };
            let replies = ReplyPath::Elsewhere(Arc::clone(home) as _);
            let executed = executor.packet(order.request, packet, order.client_address, replies);
            (ended(executed.await, (0, 0)), None)
        }
        (Work::Connection { .. }, None) => return,
    };
    home.tell(&FromChild::Ended(ended));
    if let Some(linger) = linger {
        linger.close().await;
    }
}

fn ended(executed: Executed, (bytes_in, bytes_out): (u64, u64)) -> Ended {
    Ended {
        outcome: executed.outcome,
        peak_memory: executed.peak_memory,
        denied: executed.denied,
        bytes_in,
        bytes_out,
    }
}
