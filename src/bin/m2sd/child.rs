//! Scans that a command has done by processes of its own program.
//!
//! A child reads a pipe as its standard input, whose other end only its parent has. When that is closed,
//! because the parent asks for it or is gone by whatever means, the child ends as after SIGTERM: with
//! finished files.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::signals;

/// Tells a child what its standard input is; an option of every command, for nobody else.
pub const UNTIL_STDIN_ENDS: &str = "until-stdin-ends";

/// This program as a child, without arguments yet.
///
/// # Errors
/// When nobody says where the program is.
pub fn command() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(format!("--{UNTIL_STDIN_ENDS}")).stdin(Stdio::piped());
    Ok(command)
}

/// Asks a child to end. Not by a signal: one from a terminal has reached it, too, and a second one would
/// end it at once.
pub fn end(child: &mut Child) {
    drop(child.stdin.take());
}

/// Waits for a child that nobody asks to end.
///
/// # Errors
/// When it cannot be waited for.
pub fn wait(mut child: Child) -> io::Result<ExitStatus> {
    // `Child::wait` would close it.
    let _pipe = child.stdin.take();
    child.wait()
}

/// In a child: ends it when the pipe is closed.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let mut bytes = [0; 64];
        loop {
            match io::stdin().lock().read(&mut bytes) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        signals::end_in_order();
    });
}
