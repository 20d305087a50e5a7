//! `m2sd report`: a scan's results as one page.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use gstm2sd::evidence::report::{Results, render};
use gstm2sd::models::sha256;

use crate::error::CliError;
use crate::partial_file;
use crate::terminal::{escape, print_line};
use crate::thumbnail::{last_frame, thumbnail};

/// The page's name where nobody gives another.
const NAME: &str = "report.html";
/// Of a face's picture.
const SIDE_PX: i32 = 192;

#[derive(Args)]
pub struct ReportArgs {
    /// The folder of a scan
    folder: PathBuf,
    /// Write the page there [default: report.html in the folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a page that is there
    #[arg(long)]
    force: bool,
}

pub fn run(args: &ReportArgs) -> Result<(), CliError> {
    let mut results = Results::read(&args.folder).map_err(CliError::input)?;
    gst::init().map_err(CliError::runtime)?;
    if let Some((video, called)) = video(args, &results) {
        // A clip's box is that of its newest frame.
        results.take_pictures(&called, |clip, rect| {
            thumbnail(&video, last_frame(clip.start, clip.end), rect, SIDE_PX)
        });
    }
    let page = render(&results, concat!("m2sd ", env!("CARGO_PKG_VERSION")));
    let out = args.out.clone().unwrap_or_else(|| args.folder.join(NAME));
    refuse(&out, args, &results)?;
    partial_file::write(&out, page.as_bytes())?;
    print_line(&format!("Report: {}", escape(&out.display().to_string())))
}

/// What pictures can be cut from: the input, if it is the file that was scanned, else the annotated video.
fn video(args: &ReportArgs, results: &Results) -> Option<(PathBuf, String)> {
    let input = results.header.as_ref().map(|header| &header.input);
    let scanned = input.and_then(|input| {
        let path = PathBuf::from(&input.name);
        let is_same = path.is_file() && sha256(&path).ok() == input.sha256;
        is_same.then_some((path, "the input".to_owned()))
    });
    scanned.or_else(|| {
        let names = ["annotated.mp4", "annotated.mkv", "annotated.mp4.part"];
        let found = names.into_iter().find(|name| args.folder.join(name).is_file())?;
        Some((args.folder.join(found), format!("{found}, with the boxes that were drawn")))
    })
}

/// Nothing is overwritten but an earlier report, and nothing is put into a folder that is sealed.
fn refuse(out: &Path, args: &ReportArgs, results: &Results) -> Result<(), CliError> {
    let name = out.display();
    if results.has_seal && is_inside(out, &args.folder) {
        return Err(CliError::input(format!(
            "{} is sealed, and {name} in it would be a change; name another place with --out, or make the \
             page before the seal",
            args.folder.display()
        )));
    }
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    if !is_report(out) {
        return Err(CliError::input(format!("{name} is there and no report; name another file")));
    }
    if !args.force {
        return Err(CliError::input(format!("{name} is there already; --force replaces it")));
    }
    Ok(())
}

fn is_inside(out: &Path, folder: &Path) -> bool {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize();
    folder.canonicalize().is_ok_and(|folder| parent.is_ok_and(|parent| parent.starts_with(folder)))
}

/// Whether a file is a page that this command has made, as far as its beginning says.
fn is_report(file: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = std::fs::File::open(file).map(|file| file.take(4096).read_to_end(&mut beginning));
    file.is_file()
        && read.is_ok_and(|read| read.is_ok())
        && String::from_utf8_lossy(&beginning).contains("<title>Report: ")
}
