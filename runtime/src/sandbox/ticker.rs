//! The clock of an engine: one thread, however many guests run, which sleeps while none computes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often the clock ticks.
const TICK: Duration = Duration::from_millis(1);

/// Ticks that a guest computes before it is looked at first. Most have ended by then, and whoever polls them
/// where they were received must not wait for the others.
pub(super) const FIRST_TURN: u64 = 2;

/// Ticks that it computes from then on before it is looked at again: the precision of the CPU limit, and the
/// time that other guests on the same thread wait.
pub(super) const TURN: u64 = 5;

/// Ticks without a guest after which the thread goes to sleep: a busy server does not wake it for
/// every request.
const PATIENCE: u32 = 1000;

/// Advances an engine's epoch while guests run. Dropping it ends the thread.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    guests: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// A guest that computes. The ticker ticks until this is dropped.
pub(super) struct Ticking<'a>(&'a Shared);

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ticking = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ticker".to_owned())
            .spawn(move || ticking.tick(&engine))?;
        Ok(Self {
            shared,
            thread: thread.thread().clone(),
        })
    }

    /// Announces a guest.
    pub(super) fn guest(&self) -> Ticking<'_> {
        self.shared.guests.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) && self.shared.asleep.swap(false, SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, SeqCst);
    }
}

impl Shared {
    fn tick(&self, engine: &EngineWeak) {
        let mut idle = 0;
        while !self.ended.load(SeqCst) {
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
            let guests = self.guests.load(SeqCst);
            idle = if guests == 0 { idle + 1 } else { 0 };
            if idle < PATIENCE {
                std::thread::sleep(TICK);
            } else {
                self.sleep();
                idle = 0;
            }
        }
    }

    /// Sleeps until a guest is announced. Whoever announces one after `asleep` is set wakes this thread;
    /// whoever did before is seen here.
    fn sleep(&self) {
        self.asleep.store(true, SeqCst);
        while self.asleep.load(SeqCst) && self.guests.load(SeqCst) == 0 && !self.ended.load(SeqCst)
        {
            std::thread::park();
        }
        self.asleep.store(false, SeqCst);
    }
}
