//! User names and passwords of cameras, which no text shows.

use std::path::Path;

use super::camera::CameraSettings;
use crate::core::percent::decoded;
use crate::core::redact::{redact, unencoded};
pub use crate::events::Secret;

/// Who logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

impl Credentials {
    /// Of the environment and the files that a camera names, now; and else of its address.
    /// Returns the address without them, too.
    ///
    /// # Errors
    /// When a variable or a file is not there.
    pub fn read(settings: &CameraSettings) -> Result<(Self, String), String> {
        let (uri, mut found) = split(&settings.uri);
        let password = match (&settings.password_env, &settings.password_file) {
            (Some(_), Some(_)) => {
                return Err("password-env and password-file are both set; expected one".to_owned());
            }
            (Some(name), None) => Some(of_environment(name)?),
            (None, Some(path)) => Some(of_file(path)?),
            (None, None) => None,
        };
        found.username = settings.username.clone().or(found.username);
        found.password = password.map(Secret::new).or(found.password);
        Ok((found, uri))
    }
}

fn of_environment(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        Ok(_) => Err(format!("the environment variable {name} is empty; expected a password")),
        Err(_) => Err(format!(
            "there is no environment variable {name}; set it to the password before starting"
        )),
    }
}

fn of_file(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read password-file {}: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(format!(
            "password-file {} is empty; expected the password on its first line",
            path.display()
        ));
    }
    Ok(line.to_owned())
}

/// Splits user and password off an address. What is not encoded, as some cameras' manuals have it,
/// is taken up to the last `@` before the host.
fn split(uri: &str) -> (String, Credentials) {
    let none = || (uri.to_owned(), Credentials::default());
    let Some((scheme, rest)) = uri.split_once("://") else { return none() };
    if !matches!(scheme, "rtsp" | "rtsps" | "rtspt" | "rtspu" | "http" | "https") {
        return none();
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password that was not encoded may hold a slash, and then an @ behind it.
    let Some(at) = rest[..end].rfind('@').or_else(|| unencoded(&rest[..end], rest)) else {
        return none();
    };
    let (user, password) = match rest[..at].split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (&rest[..at], None),
    };
    let credentials = Credentials {
        username: (!user.is_empty()).then(|| decoded(user)),
        password: password.filter(|text| !text.is_empty()).map(|text| Secret::new(decoded(text))),
    };
    (format!("{scheme}://{}", &rest[at + 1..]), credentials)
}

/// Whether an address holds a password.
pub(super) fn has_password(uri: &str) -> bool {
    split(uri).1.password.is_some() || redact(uri) != uri
}

/// An address that may be shown: without user and password, and with `***` for secrets in its query.
pub(crate) fn shown(uri: &str) -> String {
    redact(&split(uri).0).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_are_taken_out_of_addresses() {
        for (uri, rest, user, password) in [
            ("rtsp://bob:s3cret@cam/x", "rtsp://cam/x", Some("bob"), Some("s3cret")),
            ("rtsp://bob:p%40ss@cam:554", "rtsp://cam:554", Some("bob"), Some("p@ss")),
            ("rtsp://bob:ge/heim@cam/x", "rtsp://cam/x", Some("bob"), Some("ge/heim")),
            ("http://bob@cam/x@y", "http://cam/x@y", Some("bob"), None),
            ("rtsp://cam:554/a@b:c", "rtsp://cam:554/a@b:c", None, None),
            ("rtsp://[::1]:554/a", "rtsp://[::1]:554/a", None, None),
            ("file:///a:b@c", "file:///a:b@c", None, None),
        ] {
            let (found, credentials) = split(uri);
            assert_eq!(found, rest);
            assert_eq!(credentials.username.as_deref(), user, "{uri}");
            assert_eq!(credentials.password.as_ref().map(Secret::expose), password, "{uri}");
            assert!(!format!("{credentials:?}").contains("s3cret"));
        }
        assert_eq!(shown("srt://h:1?passphrase=abcd"), "srt://h:1?passphrase=***");
        assert!(has_password("srt://h:1?passphrase=abcd") && !has_password("rtsp://bob@h"));
    }
}
