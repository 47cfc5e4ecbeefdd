//! A thread of the generator: a runtime of its own, and what its clients share.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Client;
use super::{BenchError, PROGRESS, Run, Tally};

/// What one read takes at most: enough that a large reply needs few of them.
const BUFFER: usize = 256 * 1024;

/// What the clients of one thread share.
pub(super) struct Desk {
    pub(super) tally: RefCell<Tally>,
    /// What a read fills is checked before anybody else reads: one buffer does for all.
    pub(super) buffer: RefCell<Box<[u8]>>,
}

/// Runs `clients` clients until they are done or `end` says so.
pub(super) fn generate(
    run: &Arc<Run>,
    clients: usize,
    mut end: watch::Receiver<bool>,
) -> Result<Tally, BenchError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(BenchError::Thread)?;
    let desk = Rc::new(Desk {
        tally: RefCell::default(),
        buffer: RefCell::new(vec![0; BUFFER].into()),
    });
    runtime.block_on(async {
        let mut asking = JoinSet::new();
        for _ in 0..clients {
            let client = Client::new(Arc::clone(run), Rc::clone(&desk))?;
            asking.spawn_local(client.run());
        }
        let mut told = (0, 0);
        let mut tick = tokio::time::interval(PROGRESS);
        loop {
            tokio::select! {
                client = asking.join_next() => match client {
                    None => return Ok(()),
                    Some(ended) => ended.map_err(|error| BenchError::Thread(error.into()))??,
                },
                _ = end.wait_for(|end| *end) => return Ok(()),
                _ = tick.tick() => run.progress.add(&mut told, &desk.tally.borrow()),
            }
        }
    })?;
    Ok(desk.tally.take())
}
