//! What an address is of, and what can be told of it before it is opened.

use std::path::PathBuf;

use crate::models::synth::moving::{SIZE_PX, Scene};

/// Where a camera's frames come from. Addresses hold no credentials any more.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// `rtsp://`, `rtsps://`.
    Rtsp(String),
    /// `http://`, `https://`: streams and HLS.
    Http(String),
    /// `srt://`.
    Srt(String),
    /// `file:///`.
    File(PathBuf),
    /// `v4l2:///dev/video0`.
    V4l2(PathBuf),
    /// `test://PATTERN`: as videotestsrc draws it.
    Test(String, Picture),
    /// `drawn://SCENE`: faces that the analytic networks know.
    Drawn(Scene, Picture),
}

/// The frames of a source that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub rate: u32,
}

impl Default for Picture {
    fn default() -> Self {
        let [width, height] = SIZE_PX.map(|px| u32::try_from(px).unwrap_or_default());
        Self { width, height, rate: 25 }
    }
}

const EXPECTED: &str = "expected rtsp://, rtsps://, http://, https://, srt://, \
                        file:///PATH, v4l2:///dev/video0, test://PATTERN or drawn://SCENE";

impl Source {
    /// Of an address without credentials.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub fn parse(uri: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = uri.split_once("://") else {
            let path = if uri.starts_with('/') {
                format!("; a file is written file://{uri}")
            } else {
                String::new()
            };
            return Err(format!("the uri is no address; {EXPECTED}{path}"));
        };
        let host = || match rest.split(['/', '?', '#', ':']).next() {
            Some("") | None if !rest.starts_with('[') => {
                Err(format!("the address names no host; expected {scheme}://HOST/…"))
            }
            _ => check_port(rest).map(|()| uri.to_owned()),
        };
        match scheme.to_ascii_lowercase().as_str() {
            "rtsp" | "rtsps" => host().map(Self::Rtsp),
            "http" | "https" => host().map(Self::Http),
            // One that listens has no host.
            "srt" => check_port(rest).map(|()| Self::Srt(uri.to_owned())),
            "file" => match glib::filename_from_uri(uri) {
                Ok((path, _)) => Ok(Self::File(path)),
                Err(error) => Err(format!("{error}; expected file:///PATH")),
            },
            "v4l2" if rest.starts_with('/') => Ok(Self::V4l2(rest.into())),
            "v4l2" => Err("expected v4l2:///dev/video0, with three slashes".to_owned()),
            "test" => made(rest, |name| pattern(name).map(|name| (name, Self::Test as _))),
            "drawn" => made(rest, |name| Ok((scene(name)?, Self::Drawn as _))),
            _ => Err(format!("{scheme}:// is not known; {EXPECTED}")),
        }
    }

    /// Whether its frames come when they are taken; others are waited for.
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Http(_) | Self::File(_))
    }
}

/// A source that is made here: `NAME?width=…&height=…&rate=…`.
fn made<T>(
    rest: &str,
    named: impl FnOnce(&str) -> Result<(T, fn(T, Picture) -> Source), String>,
) -> Result<Source, String> {
    let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, make) = named(name.trim_end_matches('/'))?;
    let mut picture = Picture::default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (field, range) = match key {
            "width" => (&mut picture.width, 16..=7680),
            "height" => (&mut picture.height, 16..=4320),
            "rate" => (&mut picture.rate, 1..=240),
            _ => return Err(format!("{key:?} is not known; expected width, height or rate")),
        };
        let number = value.parse().ok().filter(|number| range.contains(number));
        *field = number.ok_or_else(|| {
            format!("{key}={value}; expected {} to {}", range.start(), range.end())
        })?;
    }
    Ok(make(name, picture))
}

fn scene(name: &str) -> Result<Scene, String> {
    name.parse().map_err(|_| {
        format!("there is no drawn scene {name:?}; expected one of {}", Scene::NAMES.join(", "))
    })
}

/// A pattern that videotestsrc has.
fn pattern(name: &str) -> Result<String, String> {
    use gst::prelude::*;
    let name = if name.is_empty() { "smpte" } else { name };
    let source = gst::ElementFactory::make("videotestsrc").build();
    let source = source
        .map_err(|_| "test:// needs videotestsrc; install gstreamer1.0-plugins-base".to_owned())?;
    let kind = source.find_property("pattern").map(|spec| spec.value_type());
    let class = kind.and_then(glib::EnumClass::with_type);
    let nicks: Vec<_> =
        class.iter().flat_map(|class| class.values()).map(|value| value.nick()).collect();
    if nicks.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there is no test pattern {name:?}; expected one of {}", nicks.join(", ")))
}

/// Of an address behind its scheme: whether its port, if it has one, is one.
fn check_port(rest: &str) -> Result<(), String> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest[authority.len()..].contains('@') {
        // A password may hold a slash, and what is taken for a port be a part of it.
        return Ok(());
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = match host.rsplit_once(']') {
        Some((_, behind)) => behind.strip_prefix(':'),
        None => host.split_once(':').map(|(_, port)| port),
    };
    match port {
        Some(port) if !port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Err(format!("the address has the port {port:?}; expected a number from 1 to 65535"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_and_no_part_of_a_password() {
        for good in [
            "rtsp://cam:554/x",
            "rtsp://cam",
            "rtsp://u:p:w@cam/x",
            "rtsp://u:p@[::1]:554/x",
            "rtsp://[::1]/x",
            "srt://:7001?mode=listener",
            "rtsp://u:se/cret@cam/x",
        ] {
            assert!(Source::parse(good).is_ok(), "{good}");
        }
        for bad in ["rtsp://cam:99999/x", "srt://cam:0", "http://u:p@cam:http/x", "rtsp://[::1]:x/"]
        {
            let error = Source::parse(bad).unwrap_err();
            assert!(error.contains("from 1 to 65535"), "{bad}: {error}");
        }
    }

    #[test]
    fn addresses_are_told_apart() {
        gst::init().unwrap();
        let parse = |uri: &str| Source::parse(uri);
        assert_eq!(parse("rtsp://cam/x"), Ok(Source::Rtsp("rtsp://cam/x".to_owned())));
        assert_eq!(parse("file:///a%20b"), Ok(Source::File("/a b".into())));
        assert_eq!(parse("v4l2:///dev/video0"), Ok(Source::V4l2("/dev/video0".into())));
        let small = Picture { width: 320, height: 240, rate: 10 };
        let uri = "test://ball?width=320&height=240&rate=10";
        assert_eq!(parse(uri), Ok(Source::Test("ball".to_owned(), small)));
        assert_eq!(parse("drawn://mixed"), Ok(Source::Drawn(Scene::Mixed, Picture::default())));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told() {
        gst::init().unwrap();
        for (uri, expected) in [
            ("/a/b.mp4", "file:///a/b.mp4"),
            ("cam", "expected rtsp://"),
            ("ftp://cam", "ftp:// is not known"),
            ("rtsp:///x", "no host"),
            ("v4l2://video0", "v4l2:///dev/video0"),
            ("test://bal", "ball"),
            ("test://ball?size=3", "width, height or rate"),
            ("test://ball?rate=0", "1 to 240"),
            ("drawn://faces", "mixed"),
        ] {
            let error = Source::parse(uri).unwrap_err();
            assert!(error.contains(expected), "{uri}: {error}");
        }
    }
}
