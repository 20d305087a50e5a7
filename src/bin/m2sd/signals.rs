//! Signals that end the command: the first in order, the second at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::bounded;
use crate::error::CliError;

const GLANCE: Duration = Duration::from_millis(50);

/// The first signal that was taken; 0: none.
static FIRST: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Ends this process as SIGTERM does, unless a signal has asked for that already.
pub fn end_in_order() {
    // One that was sent before this was called may be under way.
    std::thread::sleep(GLANCE);
    if FIRST.load(Ordering::Relaxed) == 0 {
        // A process may signal itself.
        let _ = kill_process(getpid(), Signal::TERM);
    }
}

/// Takes SIGINT, SIGTERM and SIGHUP from now on.
#[derive(Clone, Debug)]
pub struct Signals {
    first: Arc<AtomicUsize>,
}

impl Signals {
    /// The first signal is remembered for [`Signals::received`]; the second ends the process at
    /// once, whatever its threads do.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> Result<Self, CliError> {
        Self::take_these(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// As [`Signals::take`], for what goes on after SIGHUP.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_to_end() -> Result<Self, CliError> {
        Self::take_these(&[SIGINT, SIGTERM])
    }

    fn take_these(taken: &[i32]) -> Result<Self, CliError> {
        let signals = Self { first: Arc::clone(&FIRST) };
        let again = Arc::new(AtomicBool::new(false));
        for signal in taken.iter().copied() {
            if signal == SIGHUP && is_ignored(signal) {
                // Started by nohup.
                continue;
            }
            let number = usize::try_from(signal).map_err(CliError::runtime)?;
            // In this order: the one that ends looks at what the ones before have left.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))
                .and_then(|_| flag::register(signal, Arc::clone(&again)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&signals.first), number))
                .map_err(|e| CliError::runtime(format!("cannot take signal {signal}: {e}")))?;
        }
        Ok(signals)
    }

    /// The signal that came, if one did.
    pub fn received(&self) -> Option<i32> {
        let number = self.first.load(Ordering::Relaxed);
        i32::try_from(number).ok().filter(|number| *number != 0)
    }

    /// Has `act` called when the first signal has come.
    pub fn on_first(self, act: impl FnOnce() + Send + 'static) {
        bounded::start(move || {
            while self.received().is_none() {
                std::thread::sleep(GLANCE);
            }
            act();
        });
    }
}

/// A file that may not grow further (`ulimit -f`) is an error of whoever writes it, as a full disk is, and not the
/// end of the process.
pub fn outlive_file_limits() {
    // Refused, it ends the process as before.
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// SIGHUP, which asks for the configuration to be read again.
#[derive(Debug)]
pub struct HangUps(Arc<AtomicBool>);

impl HangUps {
    /// Takes it from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> Result<Self, CliError> {
        let came = Arc::new(AtomicBool::new(false));
        flag::register(SIGHUP, Arc::clone(&came))
            .map_err(|e| CliError::runtime(format!("cannot take signal {SIGHUP}: {e}")))?;
        Ok(Self(came))
    }

    /// Whether it came since this was asked last.
    pub fn received(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Whether whoever started the process had it ignore a signal, as Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
