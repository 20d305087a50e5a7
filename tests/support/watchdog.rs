//! Ends the process if a test does not end: a hang must not look like a slow machine.

use std::backtrace::Backtrace;
use std::ffi::c_int;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Far more than any test takes, also on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    pub fn new() -> Self {
        Self::with_patience(PATIENCE)
    }

    pub fn with_patience(patience: Duration) -> Self {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let (alive, watched) = channel();
        std::thread::spawn(move || {
            if watched.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                say(&format!("{test} hangs: no end after {patience:?}"));
                print_stacks();
                std::process::abort();
            }
        });
        Self { _alive: alive }
    }
}

/// Not `eprintln!`: the output of a test is kept back until it ends.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Threads that have printed their stack.
static PRINTED: AtomicUsize = AtomicUsize::new(0);

/// Prints the stack of the thread that it interrupts. Not safe in a handler, strictly: a thread
/// that is interrupted while it allocates may print nothing. The process ends right after.
extern "C" fn print_stack(_signal: c_int) {
    say(&Backtrace::force_capture().to_string());
    PRINTED.fetch_add(1, Ordering::Release);
}

/// Has every thread print its stack, one after the other.
fn print_stacks() {
    const SIGNAL: c_int = libc::SIGUSR2;
    let handler = print_stack as extern "C" fn(c_int) as libc::sighandler_t;
    // SAFETY: the handler stays as long as the process, and see there.
    unsafe { libc::signal(SIGNAL, handler) };
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Some(id) = thread.file_name().to_str().and_then(|id| id.parse::<i32>().ok()) else {
            continue;
        };
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        say(&format!("\nThread {id} {}", name.trim_end()));
        let before = PRINTED.load(Ordering::Acquire);
        // SAFETY: signals a thread of this process, or none if it has just ended.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), id, SIGNAL) };
        let asked = Instant::now();
        while PRINTED.load(Ordering::Acquire) == before && asked.elapsed().as_secs() < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
