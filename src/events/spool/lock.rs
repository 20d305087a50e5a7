//! One process at a time: a file that is locked while the spool is open.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::SpoolError;

const NAME: &str = "spool.lock";
/// How long a lock may outlive its spool: a process that is being started has a copy of every open file
/// until its program begins.
const LINGERING: Duration = Duration::from_secs(1);

/// The right to a spool's folder. The system ends it together with the process, however that ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    pub(super) fn acquire(folder: &Path) -> Result<Self, SpoolError> {
        let path = folder.to_owned();
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = match options.open(folder.join(NAME)) {
            Ok(file) => file,
            Err(source) => return Err(SpoolError::Folder { path, source }),
        };
        let until = Instant::now() + LINGERING;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(SpoolError::InUse { path, holder: holder(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(SpoolError::Lock { path, source }),
            }
        }
        // For people only: what matters is the lock.
        let _ = sign(&mut file);
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(64).read_to_string(&mut text);
    let text = text.trim();
    if read.is_ok() && text.starts_with("process ") {
        text.to_owned()
    } else {
        "another process".to_owned()
    }
}
