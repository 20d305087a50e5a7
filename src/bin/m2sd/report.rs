//! `m2sd report`: a scan's results as a page and as PDF.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use gstm2sd::evidence::records::input_places;
use gstm2sd::evidence::report::{Results, html, pdf};
use gstm2sd::evidence::seal::sealed_above;
use gstm2sd::models::sha256;

use crate::error::CliError;
use crate::outputs;
use crate::partial_file;
use crate::terminal::{escape, print_line};
use crate::thumbnail::{last_frame, thumbnail, whole};

/// Of a face's picture.
const SIDE_PX: i32 = 192;
/// Of a whole frame.
const WIDTH_PX: i32 = 480;
/// A PDF has some MB.
const LARGEST: u64 = 256 << 20;
const MADE_BY: &str = concat!("m2sd ", env!("CARGO_PKG_VERSION"));

/// What reports are called in the folder of the results that they tell of.
pub const NAMES: [&str; 2] = ["report.html", "report.pdf"];

#[derive(Args)]
pub struct ReportArgs {
    /// The folder of a scan
    folder: PathBuf,
    /// Write there, a page (.html) or a PDF (.pdf) [default: report.html and report.pdf in the folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace reports that are there
    #[arg(long)]
    force: bool,
}

/// How a report is written.
#[derive(Clone, Copy)]
enum Format {
    Page,
    Pdf,
}

impl Format {
    /// By the ending of a file's name.
    fn of(path: &Path) -> Result<Self, CliError> {
        match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).as_deref() {
            Some("html" | "htm") => Ok(Self::Page),
            Some("pdf") => Ok(Self::Pdf),
            _ => Err(CliError::Usage(format!(
                "{}: a report is a page or a PDF; expected a name that ends in .html or .pdf",
                path.display()
            ))),
        }
    }

    fn write(self, results: &Results) -> Result<Vec<u8>, CliError> {
        match self {
            Self::Page => Ok(html(results, MADE_BY).into_bytes()),
            Self::Pdf => pdf(results, MADE_BY).map_err(CliError::runtime),
        }
    }

    /// What is only in reports of this command, and within how many bytes.
    fn mark(self) -> (&'static [u8], u64) {
        match self {
            Self::Page => (b"<title>Report: ", 4096),
            // At the end.
            Self::Pdf => (b"<xmp:CreatorTool>m2sd ", LARGEST),
        }
    }
}

pub fn run(args: &ReportArgs) -> Result<(), CliError> {
    let outs = match &args.out {
        Some(out) => vec![(out.clone(), Format::of(out)?)],
        None => vec![
            (args.folder.join(NAMES[0]), Format::Page),
            (args.folder.join(NAMES[1]), Format::Pdf),
        ],
    };
    let mut results = Results::read(&args.folder).map_err(CliError::input)?;
    for (out, format) in &outs {
        refuse(out, *format, args)?;
    }
    results.take_crops();
    gst::init().map_err(CliError::runtime)?;
    if let Some((video, called)) = video(args, &results) {
        // A clip's box is that of its newest frame.
        results.take_pictures(
            &called,
            |clip, rect| thumbnail(&video, last_frame(clip.start, clip.end), rect, SIDE_PX),
            |time| whole(&video, time, WIDTH_PX),
        );
    }
    for (out, format) in &outs {
        partial_file::write(out, &format.write(&results)?)?;
        print_line(&format!("Report: {}", escape(&out.display().to_string())))?;
    }
    Ok(())
}

/// What pictures can be cut from: the input, if it is the file that was scanned, else the annotated one.
fn video(args: &ReportArgs, results: &Results) -> Option<(PathBuf, String)> {
    let input = results.header.as_ref().map(|header| &header.input);
    let scanned = input.and_then(|input| {
        let is_same = |path: &PathBuf| path.is_file() && sha256(path).ok() == input.sha256;
        let found = input_places(&input.name, &args.folder).into_iter().find(is_same)?;
        Some((found, "the input".to_owned()))
    });
    scanned.or_else(|| {
        // Others in the folder may be of another scan.
        let found = match &results.footer {
            Some(footer) => footer.annotated.as_deref()?,
            None => "annotated.mp4.part",
        };
        let is_name = Path::new(found).file_name() == Some(OsStr::new(found));
        if !is_name || !args.folder.join(found).is_file() {
            return None;
        }
        Some((args.folder.join(found), format!("{found}, with the boxes that were drawn")))
    })
}

/// Nothing is overwritten but an earlier report, and nothing is put into a folder that is sealed.
fn refuse(out: &Path, format: Format, args: &ReportArgs) -> Result<(), CliError> {
    let name = out.display();
    if let Some(sealed) = sealed_above(out) {
        return Err(CliError::input(format!(
            "{} is sealed, and {name} in it would be a change; name another place with --out, or make the \
             page before the seal",
            sealed.display()
        )));
    }
    let found = "it is no report";
    outputs::refuse_foreign(out, is_report(out, format), found).map_err(CliError::Input)?;
    if !args.force && out.symlink_metadata().is_ok() {
        return Err(CliError::input(format!("{name} is there already; --force replaces it")));
    }
    Ok(())
}

/// Whether a file is a report that this command has made.
fn is_report(file: &Path, format: Format) -> bool {
    let (mark, within) = format.mark();
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).map(|file| file.take(within).read_to_end(&mut bytes));
    file.is_file()
        && read.is_ok_and(|read| read.is_ok())
        && bytes.windows(mark.len()).any(|part| part == mark)
}
