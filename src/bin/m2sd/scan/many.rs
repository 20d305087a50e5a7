//! Several inputs: each is scanned by a process of its own, and one summary tells of all.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory};

use super::args::ScanArgs;
use super::input::{STANDARD_INPUT, told};
use super::recording::is_standard_output;
use crate::child;
use crate::clip_files::stem;
use crate::error::CliError;
use crate::media_files;
use crate::signals::Signals;
use crate::terminal::{
    Look, Page, Tone, escape_name, note, print_page, print_told, without_colors,
};

/// Options that are said to each scan anew, or to none.
const OWN: [&str; 5] = ["inputs", "out", "clips", "json", "jobs"];
/// How often it is looked whether a scan has ended.
const GLANCE: Duration = Duration::from_millis(50);
/// Not all of the input is scored, or it is damaged or cut short.
const PARTLY: i32 = 5;
/// From the worst: the exit code of several scans is the first of these that one has had.
const WORST: [i32; 5] = [141, 4, 3, 2, PARTLY];

pub fn is_folder(input: &OsStr) -> bool {
    input != STANDARD_INPUT && Path::new(input).is_dir()
}

/// A scan that is to be done, and where its results go.
struct Job {
    input: OsString,
    /// As it is told.
    told: String,
    /// The name of its folder among the others.
    name: String,
}

struct Running {
    number: usize,
    child: Child,
    said: File,
}

struct Done {
    code: i32,
    said: String,
}

/// Scans every input, and tells of all of them.
///
/// # Errors
/// The worst of what the scans ended with.
pub fn run(args: &ScanArgs, inputs: &[OsString]) -> Result<(), CliError> {
    if args.json.is_some() {
        let where_to = if args.json.as_deref().is_some_and(is_standard_output) {
            "standard output"
        } else {
            "one file"
        };
        return Err(CliError::usage(format!(
            "--json writes the records of one input, and there are several for {where_to}; --out DIR \
             gives each its folder"
        )));
    }
    let jobs = jobs(inputs)?;
    let options = options()?;
    let signals = Signals::take()?;
    let mut waiting: VecDeque<_> = (0..jobs.len()).collect();
    let mut running = Vec::<Running>::new();
    let mut done = BTreeMap::new();
    loop {
        if signals.received().is_some() {
            waiting.clear();
            running.iter_mut().for_each(|scan| child::end(&mut scan.child));
        }
        while running.len() < args.jobs as usize
            && let Some(number) = waiting.pop_front()
            && let Some(job) = jobs.get(number)
        {
            running.push(start(number, job, args, &options)?);
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(GLANCE);
        for scan in std::mem::take(&mut running) {
            match ended(scan)? {
                Ok((number, over)) => {
                    tell(jobs.get(number), &over)?;
                    done.insert(number, over);
                }
                Err(scan) => running.push(scan),
            }
        }
    }
    summary(&jobs, &done)?;
    if let Some(signal) = signals.received() {
        return Err(CliError::Signal(signal));
    }
    worst(done.values().map(|over| over.code))
}

/// The inputs in order, those of a folder by name; each with a name of its own.
fn jobs(inputs: &[OsString]) -> Result<Vec<Job>, CliError> {
    let mut all = Vec::new();
    for input in inputs {
        if input == STANDARD_INPUT {
            return Err(CliError::usage(
                "standard input (-) is scanned alone; name files, folders or URIs beside each other",
            ));
        }
        if is_folder(input) {
            all.extend(files(Path::new(input))?.into_iter().map(PathBuf::into_os_string));
        } else {
            all.push(input.clone());
        }
    }
    let mut taken = std::collections::BTreeSet::new();
    let named = all.into_iter().map(|input| {
        let told = told(&input);
        let plain = stem(&told);
        let mut names =
            (1u32..).map(|n| if n == 1 { plain.clone() } else { format!("{plain}-{n}") });
        let name = names.find(|name| taken.insert(name.to_lowercase())).unwrap_or_default();
        Job { input, told, name }
    });
    Ok(named.collect())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |e| CliError::input(format!("cannot read {}: {e}", folder.display()));
    let mut paths = Vec::<PathBuf>::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !media_files::is_media(&path) {
            continue;
        }
        match path.metadata() {
            Ok(found) if found.is_file() => paths.push(path),
            // What is below is not asked for.
            Ok(found) if found.is_dir() => {}
            Ok(_) => leave_out(&path, "it is a pipe or a device, and no file"),
            Err(error) => leave_out(&path, &format!("it cannot be opened: {error}")),
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(CliError::input(format!(
            "there are no videos and no pictures in {}; expected files that end in one of {}",
            folder.display(),
            media_files::endings()
        )));
    }
    Ok(paths)
}

/// What looks as if it were asked for is not passed over without a word.
fn leave_out(path: &Path, why: &str) {
    note(&format!("m2sd: {} is left out: {why}", escape_name(&path.to_string_lossy())));
}

/// The options of this command that every scan has, as they were given.
fn options() -> Result<Vec<OsString>, CliError> {
    let command = crate::Args::command();
    let matches = command.clone().try_get_matches_from(std::env::args_os());
    let matches = matches.map_err(CliError::usage)?;
    let (Some(given), Some(scan)) =
        (matches.subcommand_matches("scan"), command.find_subcommand("scan"))
    else {
        return Err(CliError::usage("several inputs are for m2sd scan"));
    };
    let mut options = Vec::new();
    for arg in scan.get_arguments() {
        let name = arg.get_id().as_str();
        let is_given = given.value_source(name) == Some(ValueSource::CommandLine);
        let Some(long) = arg.get_long().filter(|_| is_given && !OWN.contains(&name)) else {
            continue;
        };
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            options.push(format!("--{long}").into());
            continue;
        }
        for value in given.get_raw(name).into_iter().flatten() {
            let mut option = OsString::from(format!("--{long}="));
            option.push(value);
            options.push(option);
        }
    }
    Ok(options)
}

fn start(
    number: usize,
    job: &Job,
    args: &ScanArgs,
    options: &[OsString],
) -> Result<Running, CliError> {
    let failed = |e: std::io::Error| CliError::runtime(format!("cannot start a scan: {e}"));
    let said = tempfile::tempfile().map_err(failed)?;
    let mut command = child::command().map_err(failed)?;
    let look = Look::of_stdout();
    command.arg(if look.has_colors { "--color=always" } else { "--color=never" });
    command.args(look.width.map(|columns| format!("--columns={columns}")));
    command.arg("scan").args(options);
    if !args.quiet {
        // Several bars would draw over each other.
        command.arg("--quiet");
    }
    for (option, folder) in [("--out", &args.out), ("--clips", &args.clips)] {
        if let Some(folder) = folder {
            command.arg(option).arg(folder.join(&job.name));
        }
    }
    command.arg("--").arg(&job.input);
    command.stdout(said.try_clone().map_err(failed)?);
    command.stderr(said.try_clone().map_err(failed)?);
    Ok(Running { number, child: command.spawn().map_err(failed)?, said })
}

/// What a scan has said, if it is over; else the scan.
fn ended(mut scan: Running) -> Result<Result<(usize, Done), Running>, CliError> {
    let failed = |e: std::io::Error| CliError::runtime(format!("cannot wait for a scan: {e}"));
    let Some(status) = scan.child.try_wait().map_err(failed)? else { return Ok(Err(scan)) };
    let mut bytes = Vec::new();
    scan.said.rewind().and_then(|()| scan.said.read_to_end(&mut bytes)).map_err(failed)?;
    let said = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ok(Ok((scan.number, Done { code: code(status), said })))
}

/// As shells have it: a signal that ended the process by force counts from 128.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn tell(job: Option<&Job>, over: &Done) -> Result<(), CliError> {
    let input = job.map_or("", |job| job.told.as_str());
    print_told(&format!("{}\n{}\n\n", escape_name(input), over.said))
}

/// One line for each input.
fn summary(jobs: &[Job], done: &BTreeMap<usize, Done>) -> Result<(), CliError> {
    let mut page = Page::default();
    page.text(counts(done.values().map(|over| over.code), jobs.len()));
    for (number, job) in jobs.iter().enumerate() {
        let (tone, line) = match done.get(&number) {
            None => (Tone::Dim, "not begun".to_owned()),
            Some(over) => {
                let tone = if over.code == 0 { Tone::Plain } else { Tone::Bad };
                let said = without_colors(&over.said);
                (tone, format!("{} (exit code {})", found(&said), over.code))
            }
        };
        page.item(format!("  {}: ", escape_name(&job.told)), tone, line);
    }
    print_page(&page)
}

/// How many of all inputs were scanned, by their exit codes.
fn counts(codes: impl Iterator<Item = i32>, all: usize) -> String {
    let (mut whole, mut partly) = (0, 0);
    codes.for_each(|code| match code {
        0 => whole += 1,
        PARTLY => partly += 1,
        _ => {}
    });
    let mut line = format!("{whole} of {all} inputs were scanned to their end");
    if partly > 0 {
        line += &format!(", {partly} only in part");
    }
    match all - whole - partly {
        0 => line + ":",
        none => line + &format!(", {none} not:"),
    }
}

/// The line that tells how many faces there are, else the last one.
fn found(said: &str) -> &str {
    let faces =
        said.lines().find(|line| line.starts_with("Faces: ") || line.starts_with("No face"));
    let begins = |line: &&str| !line.starts_with(char::is_whitespace);
    faces.or_else(|| said.lines().rfind(begins)).unwrap_or("nothing was said")
}

fn worst(codes: impl Iterator<Item = i32>) -> Result<(), CliError> {
    let codes: Vec<_> = codes.filter(|code| *code != 0).collect();
    let Some(first) = codes.first() else {
        note("All were scanned.");
        return Ok(());
    };
    let by_signal = codes.iter().find(|code| **code > 128 && **code != 141);
    let listed = WORST.iter().find(|code| codes.contains(code));
    let code = by_signal.or(listed).unwrap_or(first);
    Err(CliError::Several(u8::try_from(*code).unwrap_or(u8::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_one_name_have_names_of_their_own() {
        let inputs = ["a/clip.mp4", "b/clip.mkv", "b/Clip.mp4", "x.mp4", "rtsp://u:p@cam/clip"];
        let jobs = jobs(&inputs.map(OsString::from)).unwrap();
        let names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["clip", "clip-2", "Clip-3", "x", "clip-4"]);
    }

    #[test]
    fn what_failed_is_not_counted_as_scanned() {
        for (codes, all, expected) in [
            (&[0, 0][..], 2, "2 of 2 inputs were scanned to their end:"),
            (&[0, 3], 2, "1 of 2 inputs were scanned to their end, 1 not:"),
            (&[5, 0, 4], 5, "1 of 5 inputs were scanned to their end, 1 only in part, 3 not:"),
        ] {
            assert_eq!(counts(codes.iter().copied(), all), expected);
        }
    }

    #[test]
    fn the_worst_code_counts() {
        for (codes, expected) in [
            (&[0, 0][..], 0),
            (&[0, 5, 0], 5),
            (&[5, 3, 0], 3),
            (&[3, 4, 5], 4),
            (&[2, 5], 2),
            (&[4, 130], 130),
            (&[3, 137], 137),
        ] {
            let code = worst(codes.iter().copied()).map_or_else(|e| e.exit_code(), |()| 0);
            assert_eq!(i32::from(code), expected, "{codes:?}");
        }
    }
}
