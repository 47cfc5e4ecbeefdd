//! One client: a request, its reply, the next one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::alarm::{Alarm, Patience};
use super::datagram::Datagrams;
use super::stream::Streams;
use super::tally::{Failure, Kind, Traffic};
use super::{BenchError, Desk, Run};

/// The rest after a failure that took no time, such as a refused connection: a server that is gone for a moment
/// is not stormed, and this process does not spin.
const REST: Duration = Duration::from_millis(10);

/// A client, with a socket of its own.
pub(super) struct Client {
    run: Arc<Run>,
    desk: Rc<Desk>,
    link: Link,
    patience: Patience,
    /// Only an open loop waits for a time.
    alarm: Option<Alarm>,
}

/// How a client asks.
enum Link {
    Stream(Streams),
    Datagram(Datagrams),
}

impl Client {
    pub(super) fn new(run: Arc<Run>, desk: Rc<Desk>) -> Result<Self, BenchError> {
        let plan = &run.plan;
        let is_open = plan.timing.rate.is_some();
        let alarm = is_open.then(Alarm::new).transpose();
        Ok(Self {
            link: if plan.target.is_datagram() {
                Link::Datagram(Datagrams::default())
            } else {
                Link::Stream(Streams::default())
            },
            patience: Patience::new(plan.timeout),
            alarm: alarm.map_err(BenchError::Thread)?,
            run,
            desk,
        })
    }

    /// Makes requests as long as there are some to make.
    pub(super) async fn run(mut self) -> Result<(), BenchError> {
        loop {
            let now = Instant::now();
            let Some(turn) = self.run.pace.next(now) else {
                return Ok(());
            };
            if let Some(alarm) = &mut self.alarm {
                let woken = alarm.wait(now, turn.due).await;
                woken.map_err(BenchError::Thread)?;
            }
            let mut traffic = Traffic::default();
            let outcome = self.ask(now.max(turn.due), &mut traffic).await;
            if turn.counts {
                let mut tally = self.desk.tally.borrow_mut();
                tally.count(turn.due, &traffic, &outcome);
            }
            if let Err(failure) = outcome {
                self.recover(failure).await?;
            }
        }
    }

    /// One request, which may take as long as the plan says.
    async fn ask(&mut self, begun: Instant, traffic: &mut Traffic) -> Result<Instant, Failure> {
        let (run, desk) = (&*self.run, &*self.desk);
        let request = async {
            match &mut self.link {
                Link::Stream(streams) => streams.ask(run, desk, traffic).await,
                Link::Datagram(datagrams) => datagrams.ask(run, desk, traffic).await,
            }
        };
        match self.patience.during(begun, request).await {
            Some(outcome) => outcome,
            None if traffic.connected => Err(Failure::new(Kind::Timeout, "no reply in time")),
            None => Err(Failure::new(Kind::Connect, "no answer in time")),
        }
    }

    /// After a failure: a server that nobody has reached so far is not there, and the run is over.
    async fn recover(&self, failure: Failure) -> Result<(), BenchError> {
        match failure.kind {
            Kind::Connect if !self.run.was_reached() => Err(BenchError::Unreachable {
                address: self.run.plan.target.to_string(),
                reason: failure.reason,
            }),
            Kind::Connect | Kind::Other => {
                tokio::time::sleep(REST).await;
                Ok(())
            }
            Kind::Wrong | Kind::Timeout | Kind::Reset | Kind::Closed => Ok(()),
        }
    }
}
