//! What is scanned: a file, an address or standard input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use gstm2sd::core::file_name;
use gstm2sd::core::redact::redact;
use gstm2sd::evidence::provenance::{self, Provenance, TrustList};
use gstm2sd::evidence::records::{self, InputKind, Media};

use super::address;
use super::media::media;
use crate::error::CliError;
use crate::terminal::escape_name;

/// Names standard input.
pub const STANDARD_INPUT: &str = "-";

/// The input as GStreamer reads it, and as users are told of it.
#[derive(Debug)]
pub struct Input {
    pub uri: String,
    /// The file that it is, if it is one.
    pub path: Option<PathBuf>,
    /// What the user called it, without passwords.
    pub name: String,
    pub kind: InputKind,
    /// What its container says; see [`Self::look`].
    pub media: Option<Media>,
    /// Why that could not be read, where its content is at fault.
    pub fault: Option<String>,
    /// Its content credentials; see [`Self::read_provenance`].
    pub provenance: Option<Provenance>,
    /// What came by standard input. It has no name, and is gone when it is closed.
    spooled: Option<File>,
}

impl Input {
    /// # Errors
    /// When it is neither a file nor an address, or standard input cannot be read or kept.
    pub fn find(input: &OsStr) -> Result<Self, CliError> {
        let name = told(input);
        let kind = InputKind::File;
        let unknown = |uri, path, kind| Self {
            uri,
            path,
            name,
            kind,
            media: None,
            fault: None,
            provenance: None,
            spooled: None,
        };
        if input == STANDARD_INPUT {
            let spooled = spool(&mut io::stdin().lock())?;
            if spooled.metadata().is_ok_and(|is| is.len() == 0) {
                return Err(CliError::input(
                    "standard input is empty: not one byte came by it; expected a video or a picture. See \
                     what the command before the pipe says, and that it writes to its standard output",
                ));
            }
            let path = PathBuf::from(format!("/proc/self/fd/{}", spooled.as_raw_fd()));
            let uri = glib::filename_to_uri(&path, None).map_err(CliError::input)?.into();
            let mut this = unknown(uri, Some(path), InputKind::StandardInput);
            this.spooled = Some(spooled);
            return Ok(this);
        }
        let wrong = |why: String| CliError::Input(format!("{}: {why}", escape_name(&told(input))));
        if let Some(address) = input.to_str().filter(|input| address::is_address(input)) {
            address::check(address).map_err(wrong)?;
            let path = glib::filename_from_uri(address).ok().map(|(path, _host)| path);
            if let Some(path) = &path {
                check_file(path, true).map_err(wrong)?;
            }
            let is_file = path.as_ref().is_some_and(|path| path.is_file());
            let kind = if is_file { kind } else { InputKind::Stream };
            return Ok(unknown(address.to_owned(), path, kind));
        }
        let path = std::path::absolute(input).map_err(CliError::input)?;
        check_file(&path, false).map_err(wrong)?;
        let uri = glib::filename_to_uri(&path, None).map_err(CliError::input)?.into();
        Ok(unknown(uri, Some(path), kind))
    }

    /// Reads what the container of a file says.
    pub fn look(&mut self) {
        if self.is_file() {
            match media(&self.uri) {
                Ok(media) => self.media = Some(media),
                // Told when it is decoded, by whoever decodes it, or by this.
                Err(fault) => self.fault = fault,
            }
        }
    }

    /// Whether it is one picture. What may move is a video.
    pub fn is_picture(&self) -> bool {
        let Some(media) = &self.media else { return false };
        let may_move = |codec: &str| ["image/gif", "image/webp"].contains(&codec);
        media.container.is_none()
            && media.video.as_ref().is_some_and(|video| video.still && !may_move(&video.codec))
    }

    /// Reads the content credentials of a file, of those that `trust` vouches for as trusted.
    pub fn read_provenance(&mut self, trust: Option<&TrustList>) {
        if self.is_file() {
            let path = self.path.as_ref();
            // A file that cannot be read fails the scan by itself.
            self.provenance = path.and_then(|path| provenance::read(path, trust).ok());
        }
    }

    /// The address, of what comes over a network.
    pub fn address(&self) -> Option<&str> {
        (self.kind == InputKind::Stream).then_some(self.uri.as_str())
    }

    /// Whether it can be read twice.
    fn is_file(&self) -> bool {
        !matches!(self.kind, InputKind::Stream)
    }

    /// What the records say of it: of a file, its hash.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn record(&self) -> Result<records::Input, CliError> {
        let failed = |e: io::Error| CliError::input(format!("cannot read {}: {e}", self.name));
        let file = self.path.as_ref().filter(|_| self.is_file());
        let sha256 = file.map(|path| gstm2sd::models::sha256(path)).transpose().map_err(failed)?;
        let bytes = file.map(|path| path.metadata()).transpose().map_err(failed)?;
        Ok(records::Input {
            name: self.name.clone(),
            kind: self.kind,
            sha256,
            bytes: bytes.map(|metadata| metadata.len()),
            media: self.media.clone(),
            provenance: self.provenance.clone(),
        })
    }
}

/// What an input is called, without passwords: see [`file_name::told`].
pub fn told(input: &OsStr) -> String {
    // Of a name that is empty there is no absolute path; it is no file either.
    let absolute = std::path::absolute(input).unwrap_or_default();
    redact(&file_name::told(Path::new(input), &absolute)).into_owned()
}

/// That a file is there, can be read, and has something in it; else why not.
fn check_file(path: &Path, is_address: bool) -> Result<(), String> {
    let denied = || {
        Err("it may not be read (permission denied): ask its owner, or see ls -l and chmod".into())
    };
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return denied(),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("it cannot be looked at: {error}"));
        }
        Err(_) => {
            let missing = path.ancestors().skip(1).filter(|dir| !dir.exists()).last();
            // As it was written: what was meant as an address is seen to be one, with its password.
            let here = std::env::current_dir().unwrap_or_default();
            let missing = missing.map(|dir| dir.strip_prefix(&here).unwrap_or(dir));
            let missing = missing.map(|dir| format!(": there is no folder {}", dir.display()));
            let missing = missing.unwrap_or_default();
            return Err(match is_address {
                true => format!("there is no such file{missing}; see that its path is right"),
                false => format!(
                    "it is neither a file nor a URI{missing}; expected a path like clip.mp4 or a URI \
                     like rtsp://camera/stream"
                ),
            });
        }
    };
    if found.is_dir() {
        return Err("it is a folder; name it without file://".into());
    }
    if !found.is_file() {
        // As a stream, which is not opened twice.
        return match is_address {
            true => Ok(()),
            false => Err(format!(
                "it is a pipe or a device, and no file; scan - reads standard input, and \
                 file://{} what comes as a stream",
                path.display()
            )),
        };
    }
    if found.len() == 0 {
        return Err("it is empty; expected a video or a picture. Was it copied to its end?".into());
    }
    match File::open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied(),
        Err(error) => Err(format!("it cannot be opened: {error}")),
    }
}

/// Standard input as a file: containers have indices at their ends, and hashes come first.
fn spool(input: &mut impl Read) -> Result<File, CliError> {
    let unkept = |e: io::Error| {
        CliError::input(format!(
            "standard input cannot be kept in {}: {e}. TMPDIR names another folder",
            std::env::temp_dir().display()
        ))
    };
    let mut file = tempfile::tempfile().map_err(unkept)?;
    let mut bytes = vec![0; 1 << 16];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return Ok(file),
            Ok(read) => file.write_all(&bytes[..read]).map_err(unkept)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(CliError::input(format!(
                    "standard input cannot be read: {error}; expected a video or a picture, from a file \
                     (m2sd scan - < clip.mp4) or a pipe"
                )));
            }
        }
    }
}
