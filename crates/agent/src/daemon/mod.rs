//! `senko run`: one thread owns the gateway and does one thing at a time; others tell it of requests, signals, files and
//! interfaces.

mod health;
mod metrics;
mod signals;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

pub use self::health::{Health, State};
use crate::{
    api::{Job, Server, Sight},
    confirm::Awaited,
    error::Error,
    gateway::{Applied, Gateway, Refused, now},
    place::Place,
    request::{self, InterfaceReply, Refusal, Reply, interfaces},
};

/// Something for the gateway's thread.
pub enum Event {
    Job(Job),
    /// SIGHUP.
    Reload,
    /// Interfaces came, went or were renamed.
    Links,
    /// A file of a watched set may have changed.
    Files,
    Stop,
}

/// How long the daemon waits for a command that is changing the gateway as it starts.
const PATIENCE: Duration = Duration::from_secs(10);
/// A file is often written in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// What failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest sleep. Clocks are set, too.
const GLANCE: Duration = Duration::from_secs(60);

/// Runs until it is told to stop. The data path stays. `tell` is for the log.
pub fn run(main: &Path, tell: &dyn Fn(&str)) -> Result<(), Refusal> {
    // Before there are other threads: they inherit the mask, and only one waits.
    let mask = signals::block()?;
    let gateway = Gateway::open(Place::here()?, PATIENCE)?;
    let (events, incoming) = mpsc::channel();
    signals::wait(mask, events.clone());
    let health = Arc::new(Health::default());
    let mut daemon =
        Daemon { gateway, health: health.clone(), tell, files_due: None, not_before: Instant::now() };
    // Before they are looked at: none comes unseen between.
    watch::links(events.clone())?;
    daemon.start(main)?;

    let place = daemon.gateway.place().clone();
    let sight = Arc::new(Sight::new(&place));
    let server = Server { events: events.clone(), place, health, sight };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(Error::io("start the API"))?;
    let listening = {
        let _inside = runtime.enter();
        server.clone().listen()?
    };
    runtime.spawn(listening);
    let mut metrics = metrics::Endpoint::new(runtime.handle().clone(), server);
    let mut files = watch::Files::new(events)?;

    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        files.watch(daemon.gateway.watched());
        metrics.listen_on(daemon.gateway.metrics_address(), tell);
        let _ = sd_notify::notify(&[NotifyState::Status(&daemon.health.line())]);
        if !daemon.serve(&incoming) {
            break;
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    let socket = daemon.gateway.place().socket();
    runtime.shutdown_timeout(Duration::from_millis(500));
    let _ = std::fs::remove_file(socket);
    daemon.gateway.leave();
    Ok(())
}

struct Daemon<'a> {
    gateway: Gateway,
    health: Arc<Health>,
    tell: &'a dyn Fn(&str),
    /// When changed files are read.
    files_due: Option<Instant>,
    /// What was due and failed is tried again then.
    not_before: Instant,
}

impl Daemon<'_> {
    /// Adopts what is live, and applies the files if they say something else. Broken ones leave what is live.
    fn start(&mut self, main: &Path) -> Result<(), Refusal> {
        let is_live = self.gateway.record().is_some();
        if is_live && let Err(error) = self.gateway.load() {
            (self.tell)(&format!("cannot take over the live tables ({error}); they are made anew"));
        }
        let result = self.gateway.apply(main, "start");
        match result {
            Err(refused) if !is_live => return Err(refused.into()),
            result => self.after_apply(result, "start"),
        }
        if let Err(error) = self.gateway.load() {
            (self.tell)(&format!("cannot look into the live tables: {error}"));
        }
        trim();
        Ok(())
    }

    /// Works until what is watched may have changed (`true`) or it is time to stop.
    fn serve(&mut self, incoming: &Receiver<Event>) -> bool {
        loop {
            let sleep = self.sleep();
            // What is due waits for no end of other work.
            if sleep.is_zero() && self.on_time() {
                trim();
                return true;
            }
            let is_new = match incoming.recv_timeout(self.sleep()) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Event::Job(job)) => self.answer(job),
                Ok(Event::Reload) => {
                    self.reload();
                    true
                }
                Ok(Event::Files) => {
                    self.files_due.get_or_insert_with(|| Instant::now() + SETTLE);
                    false
                }
                Ok(Event::Links) => {
                    self.reconcile();
                    false
                }
                Err(RecvTimeoutError::Timeout) => self.on_time(),
            };
            if is_new {
                trim();
                return true;
            }
        }
    }

    /// Until something is due.
    fn sleep(&self) -> Duration {
        let ends = [self.gateway.edits().next_end(), Awaited::read(self.gateway.place()).map(|a| a.until)];
        let end = ends.into_iter().flatten().min_by(f64::total_cmp);
        let until_end = end.and_then(|end| Duration::try_from_secs_f64((end - now()).max(0.0)).ok());
        let until_files = self.files_due.map(|due| due.saturating_duration_since(Instant::now()));
        let due = [until_end, until_files].into_iter().flatten().fold(GLANCE, Duration::min);
        due.max(self.not_before.saturating_duration_since(Instant::now()))
    }

    /// What is due.
    fn on_time(&mut self) -> bool {
        let mut is_new = false;
        match self.gateway.expire() {
            Ok(over) => over.iter().for_each(|prefix| (self.tell)(&format!("the block of {prefix} is over"))),
            Err(error) => {
                (self.tell)(&format!("blocks that are over cannot be taken out: {error}"));
                self.not_before = Instant::now() + AGAIN;
            }
        }
        if let Some(result) = request::roll_back_overdue(&mut self.gateway) {
            match result {
                Ok(_) => (self.tell)("nobody confirmed the generation in time: rolled back"),
                Err(refusal) => {
                    (self.tell)(&format!("cannot roll back: {}", refusal.cause));
                    self.not_before = Instant::now() + AGAIN;
                }
            }
            self.health.look(&self.gateway);
            is_new = true;
        }
        if self.files_due.is_some_and(|due| due <= Instant::now()) {
            self.files_due = None;
            let result = self.gateway.apply_watched();
            self.after_apply(result, "watched file");
            is_new = true;
        }
        is_new
    }

    fn answer(&mut self, job: Job) -> bool {
        let reply = request::perform(&mut self.gateway, &job.request);
        let is_new = matches!(&reply, Ok(Reply::Applied(_) | Reply::Detached { .. }));
        if is_new {
            self.health.reloaded(&self.gateway, None);
        }
        // The asker may have gone.
        let _ = job.answer.send(reply);
        is_new
    }

    fn reload(&mut self) {
        let _ = sd_notify::notify(&[NotifyState::Reloading]);
        let main: PathBuf =
            self.gateway.record().map_or_else(|| crate::config::DEFAULT.into(), |record| record.main.clone());
        let result = self.gateway.apply(&main, "reload");
        self.after_apply(result, "reload");
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    /// Says what came of it; a failure leaves the generation that was live, and is remembered.
    fn after_apply(&mut self, result: Result<Applied, Refused>, by: &str) {
        match result {
            Ok(applied) => {
                self.announce(&interfaces(&applied.announcements));
                let what = if applied.unchanged { "is live as before" } else { "is live" };
                (self.tell)(&format!("{by}: generation {} {what}", applied.generation));
                self.health.reloaded(&self.gateway, None);
            }
            Err(refused) => {
                let refusal = Refusal::from(refused);
                let number = self.gateway.record().map_or(0, |record| record.generation);
                (self.tell)(&format!("{}{by}: {}; generation {number} goes on", refusal.text, refusal.cause));
                self.health.reloaded(&self.gateway, Some(refusal.cause));
            }
        }
    }

    fn reconcile(&mut self) {
        match self.gateway.reconcile() {
            Ok(announcements) => self.announce(&interfaces(&announcements)),
            Err(error) => (self.tell)(&format!("interfaces changed, and cannot be served: {error}")),
        }
        self.health.look(&self.gateway);
    }

    fn announce(&self, interfaces: &[InterfaceReply]) {
        for InterfaceReply { interface, what, mode, why } in interfaces {
            let mode = mode.as_ref().map_or(String::new(), |mode| format!(" in {mode} mode"));
            let why = why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            (self.tell)(&format!("{interface}: {what}{mode}{why}"));
        }
    }
}

/// Gives memory of a compilation back to the system: it is many times what the daemon needs between two.
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
