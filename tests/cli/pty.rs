//! A command on a terminal of its own.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};

/// What a terminal of that many columns is sent by a command whose standard output and standard error
/// it is, and the exit code.
pub fn on_terminal(mut command: Command, columns: u16) -> (String, i32) {
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut main, mut other) = (0, 0);
    // SAFETY: writes two descriptors, and reads a size.
    let made = unsafe {
        let null = std::ptr::null_mut();
        libc::openpty(&mut main, &mut other, null, null.cast(), &raw const size as *mut _)
    };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: nobody else has them.
    let (mut main, other) = unsafe { (File::from_raw_fd(main), File::from_raw_fd(other)) };
    command.stdin(Stdio::null()).stdout(other.try_clone().unwrap()).stderr(other);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        if !command.get_envs().any(|(set, _)| set == name) {
            command.env_remove(name);
        }
    }
    if !command.get_envs().any(|(set, _)| set == "TERM") {
        command.env("TERM", "xterm-256color");
    }
    let mut child = command.spawn().unwrap();
    // It holds the terminal's other end, too.
    drop(command);
    let (mut said, mut part) = (Vec::new(), [0; 4096]);
    // The last reader of the other end has gone: EIO.
    while let Ok(count @ 1..) = main.read(&mut part) {
        said.extend(&part[..count]);
    }
    let code = child.wait().unwrap().code().unwrap();
    (String::from_utf8(said).unwrap().replace("\r\n", "\n"), code)
}

/// The text without colours; nothing else that a terminal obeys may be in it.
#[track_caller]
pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let (code, after) = after.split_once('m').expect(text);
        assert!(code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{text:?}");
        rest = after;
    }
    plain.push_str(rest);
    assert!(!plain.contains(|c: char| c.is_control() && c != '\n'), "{plain:?}");
    plain
}
