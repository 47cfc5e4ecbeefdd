//! Requests on connections: sending and receiving side by side, so that neither end can wait for the other.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::connection::{Connection, Since};
use super::reply::Reply;
use super::tally::{Failure, Traffic};
use super::{Desk, Run};

/// A client's connections, one after the other.
#[derive(Default)]
pub(super) struct Streams {
    /// A connection that can take another request.
    kept: Option<Connection>,
    /// Requests that it has taken.
    asked: u64,
}

impl Streams {
    /// Makes one request, and says when the reply was complete. A connection on which one failed is closed, also
    /// if this is dropped.
    pub(super) async fn ask(
        &mut self,
        run: &Run,
        desk: &Desk,
        traffic: &mut Traffic,
    ) -> Result<Instant, Failure> {
        let mut connection = self.connection(run, traffic).await?;
        let plan = &run.plan;
        let mut exchange = Exchange {
            connection: &mut connection,
            unsent: &plan.payload,
            half_close: plan.half_close,
            reply: Reply::new(&plan.expected, plan.is_one_each()),
            closed: false,
            desk,
            traffic,
        };
        poll_fn(|cx| exchange.poll(cx)).await?;
        let answered = Instant::now();
        if plan.is_one_each() {
            exchange.finish().await?;
        } else if !exchange.closed {
            self.asked += 1;
            let more = plan
                .per_connection
                .is_none_or(|most| self.asked < most.get());
            self.kept = more.then_some(connection);
        }
        Ok(answered)
    }

    /// The connection that was kept, if the server has not closed it meanwhile, or a new one.
    async fn connection(
        &mut self,
        run: &Run,
        traffic: &mut Traffic,
    ) -> Result<Connection, Failure> {
        if let Some(mut connection) = self.kept.take() {
            match connection.since().await {
                Since::Nothing => {
                    traffic.connected = true;
                    return Ok(connection);
                }
                Since::End => {}
                Since::Bytes => return Err(Failure::unasked()),
            }
        }
        self.asked = 0;
        let connected = Connection::to(&run.plan.target.place).await;
        let connection = connected.map_err(|error| Failure::to_connect(&error))?;
        traffic.connected = true;
        run.is_reached();
        Ok(connection)
    }
}

/// One request and its reply.
struct Exchange<'a> {
    connection: &'a mut Connection,
    unsent: &'a [u8],
    /// True if this side's output is to be ended when all is sent.
    half_close: bool,
    reply: Reply<'a>,
    /// True once the server has closed the connection.
    closed: bool,
    desk: &'a Desk,
    traffic: &'a mut Traffic,
}

impl Exchange<'_> {
    /// Goes on until all is sent and the reply is complete.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            self.send(cx)?;
            if self.closed || (self.reply.is_complete() && self.unsent.is_empty()) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    /// Sends as much as the kernel takes.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        while !self.unsent.is_empty() {
            match self.connection.poll_send(cx, self.unsent) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(count)) => {
                    self.unsent = self.unsent.get(count..).unwrap_or_default();
                    self.traffic.sent += count as u64;
                }
                // The server reads no more, but may have answered: what comes from it tells.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.unsent = &[];
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
        }
        if self.half_close {
            self.half_close = false;
            self.connection.end_output();
        }
        Ok(())
    }

    /// Receives once.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let mut buffer = self.desk.buffer.borrow_mut();
        let count = ready!(self.connection.poll_receive(cx, &mut buffer))?;
        self.traffic.received += count as u64;
        Poll::Ready(if count == 0 {
            self.closed = true;
            self.reply.end()
        } else {
            self.reply.take(buffer.get(..count).unwrap_or_default())
        })
    }

    /// Waits until the server has closed the connection, too, and sees to it that nothing follows the reply.
    async fn finish(&mut self) -> Result<(), Failure> {
        if !self.closed {
            // A server that goes on until its client leaves learns that it has.
            self.connection.end_output();
        }
        while !self.closed {
            poll_fn(|cx| self.poll_receive(cx)).await?;
        }
        Ok(())
    }
}
