//! What is scanned: a file or an address.

use std::path::PathBuf;

use crate::error::CliError;
use gstm2sd::core::redact::redact;

/// The input as GStreamer reads it, and as users are told of it.
#[derive(Clone, Debug)]
pub struct Input {
    pub uri: String,
    /// The file that it is, if it is one.
    pub path: Option<PathBuf>,
    /// What the user called it, without passwords.
    pub name: String,
}

impl Input {
    /// # Errors
    /// When it is neither a file nor an address.
    pub fn find(input: &str) -> Result<Self, CliError> {
        let name = redact(input).into_owned();
        if input.contains("://") {
            let path = glib::filename_from_uri(input).ok().map(|(path, _host)| path);
            return Ok(Self { uri: input.to_owned(), path, name });
        }
        let path = std::path::absolute(input).map_err(CliError::input)?;
        if !path.is_file() {
            return Err(CliError::input(format!(
                "{input:?} is neither a file nor a URI; expected a path like clip.mp4 or a URI like \
                 rtsp://camera/stream"
            )));
        }
        let uri = glib::filename_to_uri(&path, None).map_err(CliError::input)?.into();
        Ok(Self { uri, path: Some(path), name })
    }
}
