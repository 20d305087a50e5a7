//! What a pipeline's error means to whoever runs a scan: which element says it, of what input, and
//! what to do.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use gst::prelude::*;
use gstm2sd::models::advice::quoted;
use gstm2sd::watch::pipeline::failure::detail;

use super::input::Input;
use super::{address, boxes};
use crate::error::CliError;
use crate::terminal::escape_name;

/// What is said of an input that is only sound.
pub const NO_VIDEO: &str = "there is no video stream in the input";

/// What a decoder's element classes have in their names.
const READS_INPUT: [&str; 3] = ["Demuxer", "Decoder", "Parser"];

/// Whether `source` or an element in it reports an error.
pub fn is_of(error: &gst::message::Error, source: &gst::Element) -> bool {
    error
        .src()
        .is_some_and(|src| src == source.upcast_ref::<gst::Object>() || src.has_as_ancestor(source))
}

/// What GStreamer says, behind the name of the element that says it.
pub fn said(error: &gst::message::Error) -> String {
    let text = error.error().to_string();
    let name = error.src().map_or_else(|| "the pipeline".to_owned(), name_of);
    let detail = detail(error.debug().as_deref().unwrap_or_default());
    if detail.is_empty() || text.contains(&detail) {
        format!("{name}: {text}")
    } else {
        format!("{name}: {text} ({detail})")
    }
}

/// The error of a message. `source` decodes the input; `filter` speaks for itself.
pub fn explain(
    error: &gst::message::Error,
    source: &gst::Element,
    filter: &gst::Object,
    input: &Input,
) -> CliError {
    if error.src() == Some(filter) {
        return CliError::Runtime(error.error().to_string());
    }
    let text = said(error);
    if !is_of(error, source) {
        return CliError::Input(format!("the results cannot be written: {text}"));
    }
    let name = escape_name(&input.name);
    if let Some(why) =
        input.address().filter(|_| opens(error)).and_then(|at| address::why(at, &text))
    {
        return CliError::Input(format!("{name}: {why} [{text}]"));
    }
    let is_convertible = is_about_format(&error.error()) && !text.contains(NO_VIDEO);
    let advice = if is_convertible { advice(source, input) } else { String::new() };
    CliError::Input(format!("{name}: {text}{advice}"))
}

/// Whether an error is of an element that is to bring what the input holds, and not of one that reads
/// what has come.
pub fn opens(error: &gst::message::Error) -> bool {
    let element = error.src().and_then(|src| src.downcast_ref::<gst::Element>());
    let class = element.and_then(|element| element.metadata(gst::ELEMENT_METADATA_KLASS));
    class.is_some_and(|class| class.split('/').any(|part| part == "Source"))
}

/// The element's name among GStreamer's elements, `qtdemux`.
fn name_of(object: &gst::Object) -> String {
    let factory = object.downcast_ref::<gst::Element>().and_then(|element| element.factory());
    factory.map_or_else(|| object.name().to_string(), |factory| factory.name().to_string())
}

/// Whether the input is there, but cannot be read.
fn is_about_format(error: &glib::Error) -> bool {
    error.is::<gst::StreamError>() || error.matches(gst::CoreError::MissingPlugin)
}

/// What is known of the input's format, and how to convert it where it may have video.
pub fn advice(source: &gst::Element, input: &Input) -> String {
    let (formats, readers) = formats(source);
    if let Some(start) = input.path.as_deref().filter(|_| formats.is_empty()).and_then(start) {
        return format!(". {start}: it is no video and no picture");
    }
    if let Some(missing) = input.path.as_deref().and_then(boxes::missing) {
        return format!(". {missing}");
    }
    if formats.contains("text/html") {
        return ". It is a web page; name the address of the video itself".to_owned();
    }
    let convert = match input.path {
        Some(_) if may_have_video(&formats) => format!(
            ". Convert it first, for example: ffmpeg -i {} -c:v libx264 -pix_fmt yuv420p \
             converted.mp4",
            escape_name(&quoted(&for_ffmpeg(input)))
        ),
        _ => String::new(),
    };
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    let known = match (list(formats), list(readers)) {
        (formats, _) if formats.is_empty() => "Its format is not known".to_owned(),
        (formats, readers) if readers.is_empty() => format!("It is {formats}, which nothing reads"),
        (formats, readers) => format!("It is {formats}, read by {readers}"),
    };
    format!(". {known}{convert}")
}

/// The format of what comes from an address or a file; `None`: nothing is known to have come.
pub fn format(source: &gst::Element) -> Option<String> {
    let source = source.downcast_ref::<gst::Bin>()?;
    let mut elements = source.iterate_recurse().into_iter().flatten();
    let caps = elements.find_map(|element| found(&element))?;
    Some(caps.structure(0)?.name().to_string())
}

/// What is said of an address that sends something, and no picture; `None`: nothing is known to have come.
pub fn what_came(source: &gst::Element) -> Option<String> {
    let format = format(source)?;
    Some(format!(
        ". What it sends is {format}, and no picture comes of it: check that it holds video and is sent from \
         its beginning"
    ))
}

/// What an element has found that it is given, if that is its purpose.
fn found(element: &gst::Element) -> Option<gst::Caps> {
    let is_finder = element.has_property_with_type("caps", gst::Caps::static_type())
        && element.factory().is_some_and(|factory| factory.name() == "typefind");
    if is_finder { element.property("caps") } else { None }
}

/// What ffmpeg takes for the input: no address of a file, in which it reads no `%20`.
fn for_ffmpeg(input: &Input) -> String {
    match input.path.as_deref().filter(|_| input.name.starts_with("file://")) {
        Some(path) => path.to_str().unwrap_or("INPUT").to_owned(),
        None => input.name.clone(),
    }
}

/// How a file begins, where that shows that it is no video.
fn start(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(512).read_to_end(&mut start).ok()?;
    if start.is_empty() {
        return Some("It is empty".to_owned());
    }
    if start.iter().all(|byte| *byte == 0) {
        return Some(
            "It begins with zeros, as a copy or a download that was not finished".to_owned(),
        );
    }
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    // The last character may be cut in two.
    let text = match std::str::from_utf8(&start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let first: String = text.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    let first: String = first.chars().take(40).collect();
    text.chars().all(is_text).then(|| format!("It is text and begins with {first:?}"))
}

/// Whether conversion may help: the format is not known, or is not only sound or text.
fn may_have_video(formats: &BTreeSet<String>) -> bool {
    let has_none = |format: &String| format.starts_with("audio/") || format.starts_with("text/");
    formats.is_empty() || !formats.iter().all(has_none)
}

/// The encoded formats inside the source, and the elements that read them.
fn formats(source: &gst::Element) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut formats, mut readers) = (BTreeSet::new(), BTreeSet::new());
    let Some(source) = source.downcast_ref::<gst::Bin>() else { return (formats, readers) };
    let elements = source.iterate_recurse().into_iter().flatten();
    for element in elements {
        formats.extend(found(&element).iter().filter_map(media));
        let class = element.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
        if READS_INPUT.iter().any(|part| class.contains(part)) && !element.is::<gst::Bin>() {
            readers.insert(name_of(element.upcast_ref()));
            let pads = element.sink_pads().into_iter();
            formats.extend(pads.filter_map(|pad| media(&pad.current_caps()?)));
        }
    }
    (formats, readers)
}

/// `video/x-h264` of caps that do not describe raw data.
fn media(caps: &gst::Caps) -> Option<String> {
    let name = caps.structure(0)?.name();
    (!name.ends_with("/x-raw")).then(|| name.to_string())
}

/// What a message about a missing element says is missing, such as `H.265 decoder`.
pub fn missing_plugin(message: &gst::Message) -> Option<String> {
    let missing = message.structure().filter(|s| s.name() == "missing-plugin")?;
    missing.get::<String>("name").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_video_is_not_to_be_converted() {
        for (formats, may) in [
            (&[][..], true),
            (&["audio/x-wav"], false),
            (&["text/plain"], false),
            (&["audio/mpeg", "video/x-msvideo"], true),
            (&["application/ogg", "audio/x-vorbis"], true),
        ] {
            let formats = formats.iter().map(|format| (*format).to_owned()).collect();
            assert_eq!(may_have_video(&formats), may, "{formats:?}");
        }
    }

    #[test]
    fn the_detail_is_what_follows_the_place_in_the_code() {
        for (debug, expected) in [
            (
                "../a.c(12): f (): /Pipe/El:el:\nstreaming stopped, reason error (-5)",
                "streaming stopped, reason error (-5)",
            ),
            ("../a.c(12): f (): /Pipe/El:el", "/Pipe/El:el"),
            ("../a.c(12): f (): /Pipe/El:el: no atom", "no atom"),
            ("", ""),
        ] {
            assert_eq!(detail(debug), expected);
        }
    }
}
