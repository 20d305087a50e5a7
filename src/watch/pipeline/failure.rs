//! What a pipeline's error means to whoever watches the camera.

use gst::prelude::*;

use crate::core::redact::redact;
use crate::filter::M2sdFilter;
use crate::watch::config::Credentials;

/// What a message of an error says: what happened, in which element, and what to do about it where
/// that is known; without secrets.
pub fn explain(error: &gst::message::Error, credentials: &Credentials) -> String {
    let glib_error = error.error();
    let what = glib_error.message().trim_end_matches('.').to_owned();
    let detail = detail(error.debug().as_deref().unwrap_or_default());
    let name = error.src().and_then(|src| src.downcast_ref::<gst::Element>()?.factory());
    let name = name.map_or_else(|| "pipeline".to_owned(), |factory| factory.name().to_string());
    // What this program says itself has a path behind it, with another number at each try.
    let says_nothing =
        detail.is_empty() || what.contains(&detail) || detail.contains("/GstPipeline:");
    let said = match says_nothing {
        true => format!("{name}: {what}"),
        false => format!("{name}: {what} ({detail})"),
    };
    // It explains itself, and is not the camera.
    let advice = match is_of_filter(error) {
        true => None,
        false => advice(&glib_error, &said, credentials),
    };
    let text = match advice {
        Some(advice) => format!("{advice} [{said}]"),
        None => said,
    };
    let text = redact(&text).into_owned();
    match &credentials.password {
        Some(password) => password.hide_in(&text),
        None => text,
    }
}

/// Whether it is the analysis that fails, such as for want of models, and not the camera.
pub fn is_of_filter(error: &gst::message::Error) -> bool {
    error.src().is_some_and(|src| src.is::<M2sdFilter>())
}

/// Whether a camera refuses who logs in: trying at once again may lock the account.
pub fn is_refused(error: &gst::message::Error) -> bool {
    let debug = error.debug().unwrap_or_default();
    is_refusal(&error.error(), &debug)
}

fn is_refusal(error: &glib::Error, debug: &str) -> bool {
    let says = |word| error.message().contains(word) || debug.contains(word);
    error.matches(gst::ResourceError::NotAuthorized) || says("Unauthorized") || says("(401)")
}

fn advice(error: &glib::Error, said: &str, credentials: &Credentials) -> Option<String> {
    if is_refusal(error, said) {
        return Some(match (&credentials.username, &credentials.password) {
            (Some(_), Some(_)) => "the camera refuses the user name or the password".to_owned(),
            (None, None) => "the camera wants a user name and a password: set username with \
                             password-env or password-file"
                .to_owned(),
            (Some(_), None) => {
                "the camera wants a password: set password-env or password-file".to_owned()
            }
            (None, Some(_)) => "the camera refuses the password; no username is set".to_owned(),
        });
    }
    if error.matches(gst::CoreError::MissingPlugin) {
        return Some(
            "a decoder or a plugin is missing; install gstreamer1.0-libav and \
                     gstreamer1.0-plugins-bad"
                .to_owned(),
        );
    }
    error
        .matches(gst::ResourceError::NotFound)
        .then(|| "there is nothing at this address".to_owned())
}

/// The last line of a debug text, which says what happened; those before say where in the code.
pub fn detail(debug: &str) -> String {
    let mut lines = debug.lines();
    let first = lines.next().unwrap_or_default();
    let last = lines.last().unwrap_or_default().trim();
    if !last.is_empty() {
        return last.to_owned();
    }
    // FILE(LINE): FUNCTION (): PATH: TEXT
    first.rsplit_once(": ").map_or(first, |(_, text)| text).trim().to_owned()
}
