//! A command that a test deals with while it runs.

use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use super::{command, stderr};

/// More than any wait takes on a busy machine, and less than a scan that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Running {
    child: Child,
    /// What it says, in a file, since nobody reads while it runs.
    said: tempfile::NamedTempFile,
}

impl Running {
    pub fn start(args: &[&str], stdout: impl Into<Stdio>, env: &[(&str, &str)]) -> Self {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut command = command(args);
        command.envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(stdout).stderr(said.reopen().unwrap());
        Self { child: command.spawn().unwrap(), said }
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: signals a child that has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Ends it as nothing can be prevented.
    pub fn kill(&mut self) {
        // Ended already, where it was quick.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.said.path()).unwrap()
    }

    /// Waits until `is_it` says so; the command must not end before.
    pub fn until(&mut self, what: &str, is_it: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_it(self) {
            assert_eq!(self.child.try_wait().unwrap(), None, "before {what}: {}", self.stderr());
            assert!(started.elapsed() < PATIENCE, "no {what}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the records have so many lines.
    pub fn until_records(&mut self, records: &Path, lines: usize) {
        self.until("records", |_| {
            std::fs::read_to_string(records).is_ok_and(|text| text.lines().count() >= lines)
        });
    }

    /// As [`Self::until_records`], or until the command has ended.
    pub fn until_records_or_end(&mut self, records: &Path, lines: usize) {
        let there =
            || std::fs::read_to_string(records).is_ok_and(|text| text.lines().count() >= lines);
        let started = Instant::now();
        while !there() && self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "no records: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end, which must come within `limit`.
    pub fn end(mut self, limit: Duration) -> Output {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > limit {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("no end within {limit:?}: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let stderr = self.stderr().into_bytes();
        Output { status, stdout: Vec::new(), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for what a process does that is nobody's child here.
#[track_caller]
pub fn wait_until(what: &str, is_it: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_it() {
        assert!(started.elapsed() < PATIENCE, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
pub fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
}
