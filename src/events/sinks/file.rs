//! JSON lines: in a file that is rotated, or on standard output.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::spool::Stored;
use super::address::Address;
use super::{Failure, Progress, Sink, SinkError};

/// What every line of ours begins with.
const HEAD: &[u8] = br#"{"schema":"m2sd.event/"#;

/// Where the lines go, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileConfig {
    pub(super) path: PathBuf,
    /// A file is not longer than this, unless one line is.
    max_bytes: u64,
    /// Full files beside the one that is written.
    keep: u32,
    /// Whether lines are on the disk before they count as delivered.
    sync: bool,
}

impl FileConfig {
    pub(super) fn parse(address: &mut Address) -> Result<Self, SinkError> {
        const EXPECTED: &str = "file:///absolute/path/events.jsonl";
        if !address.hosts.is_empty() || !address.shown.starts_with("file:///") {
            return Err(address.incomplete("it is no absolute path", EXPECTED));
        }
        let path = PathBuf::from(format!("/{}", address.decoded_path()));
        if path.file_name().is_none() || address.path.ends_with('/') {
            return Err(address.incomplete("it names no file", EXPECTED));
        }
        Ok(Self {
            path,
            max_bytes: address.value("max-bytes", 100 << 20, 4096..=1 << 40)?,
            keep: address.value("keep", 10, 1..=1000)?,
            sync: address.choice("sync", "yes", &["yes", "no"])? == "yes",
        })
    }
}

/// The file that is written.
#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

#[derive(Debug)]
struct Writer {
    config: FileConfig,
    open: Option<Open>,
}

/// The sink of a file.
#[derive(Debug)]
pub(super) struct FileSink(Arc<Mutex<Writer>>);

impl FileSink {
    pub(super) fn new(config: FileConfig) -> Self {
        Self(Arc::new(Mutex::new(Writer { config, open: None })))
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&mut Writer) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), Failure> {
        let writer = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let path = writer.config.path.clone();
            work(&mut writer).map_err(|e| {
                writer.open = None;
                Failure::new(format!("cannot write {}: {e}", path.display()))
            })
        });
        done.await.map_err(|e| Failure::new(e.to_string()))?
    }
}

impl Sink for FileSink {
    async fn connect(&mut self) -> Result<(), Failure> {
        self.blocking(Writer::open).await
    }

    async fn deliver(&mut self, events: &[Stored], _: &Progress) -> Result<(), Failure> {
        let lines: Vec<String> = events.iter().map(|stored| format!("{}\n", stored.json)).collect();
        self.blocking(move |writer| writer.append(&lines)).await
    }
}

impl Writer {
    /// Opens the file, also where another has taken its name since.
    fn open(&mut self) -> std::io::Result<()> {
        if let Some(open) = &self.open
            && is_same(&open.file, &self.config.path)
        {
            return Ok(());
        }
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&self.config.path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(std::io::Error::other("another process writes it"));
            }
            // Where the file system knows no locks, there is no better way.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let bytes = whole_lines(&file)?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        self.open = Some(Open { file, bytes });
        Ok(())
    }

    fn append(&mut self, lines: &[String]) -> std::io::Result<()> {
        let mut batch = Vec::new();
        for line in lines {
            let bytes = self.open.as_ref().map_or(0, |open| open.bytes) + batch.len() as u64;
            if bytes > 0 && bytes + line.len() as u64 > self.config.max_bytes {
                self.write(&batch)?;
                batch.clear();
                self.rotate()?;
            }
            batch.extend_from_slice(line.as_bytes());
        }
        self.write(&batch)
    }

    /// All of it, or nothing.
    fn write(&mut self, batch: &[u8]) -> std::io::Result<()> {
        let Some(open) = &mut self.open else { return Err(ErrorKind::NotConnected.into()) };
        let written = open
            .file
            .write_all(batch)
            .and_then(|()| if self.config.sync { open.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => open.bytes += batch.len() as u64,
            // A part of it may be there, which would make a broken line.
            Err(_) => open.file.set_len(open.bytes)?,
        }
        written
    }

    /// `events.jsonl` becomes `events.jsonl.1`, that one `events.jsonl.2`, and so on.
    fn rotate(&mut self) -> std::io::Result<()> {
        let path = &self.config.path;
        for number in (1..self.config.keep).rev() {
            rename_if_there(&numbered(path, number), &numbered(path, number + 1))?;
        }
        rename_if_there(path, &numbered(path, 1))?;
        self.open = None;
        self.open()
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn rename_if_there(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::rename(from, to) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

/// Whether the path still leads to the open file.
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// The length of the whole lines of a file of events. A process that was killed may have left a part
/// of one behind, which is not counted; anything else is somebody's file.
fn whole_lines(file: &File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let mut whole = 0;
    // Backwards in blocks, to the last end of a line.
    let mut end = length;
    while end > 0 && whole == 0 {
        let start = end.saturating_sub(64 << 10);
        let block = part(file, start, end - start)?;
        whole = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| start + at as u64 + 1);
        end = start;
    }
    let head = HEAD.len() as u64;
    if HEAD.starts_with(&part(file, 0, head)?) && HEAD.starts_with(&part(file, whole, head)?) {
        Ok(whole)
    } else {
        let text = "it holds something else than events; choose another file, or move it";
        Err(std::io::Error::new(ErrorKind::InvalidData, text))
    }
}

/// Up to `length` bytes of a file.
fn part(mut file: &File, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The sink of standard output.
#[derive(Debug)]
pub(super) struct Stdout;

impl Sink for Stdout {
    async fn connect(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn deliver(&mut self, events: &[Stored], _: &Progress) -> Result<(), Failure> {
        let lines: String = events.iter().map(|stored| format!("{}\n", stored.json)).collect();
        let written = tokio::task::spawn_blocking(move || {
            let mut out = std::io::stdout().lock();
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        });
        let failed = |e: String| Failure::new(format!("cannot write to standard output: {e}"));
        written.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))
    }
}
