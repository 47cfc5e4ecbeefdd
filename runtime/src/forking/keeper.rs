//! The server's side of its zygote: a thread that hears it, and starts another when it has died.

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::message::{FromZygote, Status, ToZygote};
use super::seqpacket::{receive_waiting, send, send_waiting, wait_for_room};
use super::start::{Recipe, Started};

/// A living zygote, as long as there is a server. When it dies, the requests that it had not forked for are given to
/// the next one; its children go on.
pub(super) struct Keeper {
    shared: Arc<Shared>,
}

struct Shared {
    /// The zygote that lives; none while there is none.
    living: watch::Sender<Option<Arc<Living>>>,
    closing: AtomicBool,
}

/// One zygote.
pub(super) struct Living {
    control: OwnedFd,
    dead: AtomicBool,
    /// Who waits to hear how the child of a request ended.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Status>>>,
}

impl Keeper {
    /// Starts the first zygote.
    ///
    /// # Errors
    ///
    /// What is wrong, if it cannot be started.
    pub(super) fn start(recipe: Recipe) -> Result<Self, String> {
        let started = recipe.start()?;
        for missing in &started.missing {
            tracing::warn!("{missing}");
        }
        let shared = Arc::new(Shared {
            living: watch::Sender::new(None),
            closing: AtomicBool::new(false),
        });
        let kept = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("zygote".to_owned());
        thread
            .spawn(move || kept.keep(&recipe, started))
            .map_err(|error| format!("cannot watch the zygote: {error}"))?;
        Ok(Self { shared })
    }

    /// Waits for a zygote that lives, and is not `dead`.
    pub(super) async fn living(&self, dead: Option<&Arc<Living>>) -> Arc<Living> {
        let mut living = self.shared.living.subscribe();
        let is_other = |living: &Arc<Living>| dead.is_none_or(|dead| !Arc::ptr_eq(dead, living));
        let found = living
            .wait_for(|living| living.as_ref().is_some_and(is_other))
            .await;
        match found.ok().and_then(|living| living.clone()) {
            Some(living) => living,
            // There is always a sender while there is a keeper.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.closing.store(true, SeqCst);
        let living = self.shared.living.borrow();
        if let Some(living) = &*living {
            // It ends when it hears of it, with all of its children; its keeper waits for it.
            living.hang_up();
        }
    }
}

impl Shared {
    /// How long a zygote that cannot be started is left alone before the next try.
    const PAUSE: Duration = Duration::from_millis(500);

    /// The keeper's thread: ends with the server.
    fn keep(&self, recipe: &Recipe, first: Started) {
        let mut started = Some(first);
        while !self.closing.load(SeqCst) {
            let since = Instant::now();
            match started.take().map_or_else(|| recipe.start(), Ok) {
                Ok(Started {
                    process, control, ..
                }) => {
                    self.listen(process, control);
                    if since.elapsed() < Self::PAUSE && !self.closing.load(SeqCst) {
                        std::thread::park_timeout(Self::PAUSE);
                    }
                }
                Err(reason) => {
                    tracing::error!("no zygote: {reason}; trying again until it works");
                    std::thread::park_timeout(Self::PAUSE);
                }
            }
        }
    }

    /// Hears one zygote until it ends.
    fn listen(&self, mut process: Child, control: OwnedFd) {
        let living = Arc::new(Living {
            control,
            dead: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        self.living.send_replace(Some(Arc::clone(&living)));
        // The server may have been closed before there was anything to close.
        while !self.closing.load(SeqCst)
            && let Ok(Some(received)) = receive_waiting(&living.control)
        {
            if let FromZygote::Ended { request, status } = received.message
                && let Some(waiting) = living.lock().remove(&request)
            {
                // Who does not wait any more need not know.
                let _ = waiting.send(status);
            }
        }
        self.living.send_replace(None);
        living.dead.store(true, SeqCst);
        living.lock().clear();
        if self.closing.load(SeqCst) {
            living.hang_up();
        } else {
            // It closed its side, or talks nonsense: in either case it is of no use any more.
            drop(process.kill());
        }
        let ended = process.wait();
        adopt(process.id());
        if !self.closing.load(SeqCst) {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!("the zygote died ({how}): starting another");
        }
    }
}

/// Waits for the children that a zygote left behind, if that is for this process to do: the first one of a container
/// inherits all orphans, and those of a zygote are a group of their own.
fn adopt(zygote: u32) {
    if std::process::id() == 1 {
        let group = Pid::from_raw(-zygote.cast_signed());
        std::thread::spawn(move || while waitpid(group, None).is_ok() {});
    }
}

impl Living {
    /// Hands a request to the zygote; what is returned tells later how its child ended, if that was not well, and
    /// nothing if the zygote died.
    ///
    /// # Errors
    ///
    /// If the zygote is dead.
    pub(super) async fn serve(
        self: &Arc<Self>,
        request: u64,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<oneshot::Receiver<Status>> {
        let (sender, status) = oneshot::channel();
        self.lock().insert(request, sender);
        if self.is_dead() {
            // Nobody would drop what was just inserted.
            self.forget(request);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        loop {
            match send(&self.control, &ToZygote::Serve { request }, descriptors) {
                Ok(()) => return Ok(status),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.room().await?,
                Err(error) => {
                    self.forget(request);
                    return Err(error);
                }
            }
        }
    }

    /// Waits until the zygote has heard some of what it was told.
    async fn room(self: &Arc<Self>) -> io::Result<()> {
        let living = Arc::clone(self);
        let wait = move || wait_for_room(&living.control);
        tokio::task::spawn_blocking(wait).await?
    }

    /// Lets the zygote know that there is no more to do.
    fn hang_up(&self) {
        // One that is dead already need not know.
        let _ = rustix::net::shutdown(&self.control, rustix::net::Shutdown::Both);
    }

    /// True if its children have lost it.
    fn is_dead(&self) -> bool {
        self.dead.load(SeqCst)
    }

    /// The request is over.
    pub(super) fn forget(&self, request: u64) {
        self.lock().remove(&request);
    }

    /// Ends the child of a request. Of a zygote that is dead, the child itself notices that nobody listens.
    pub(super) fn kill(self: &Arc<Self>, request: u64) {
        let kill = ToZygote::Kill { request };
        if let Err(error) = send(&self.control, &kill, &[])
            && error.kind() == io::ErrorKind::WouldBlock
        {
            let living = Arc::clone(self);
            std::thread::spawn(move || send_waiting(&living.control, &kill, &[]));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Status>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
