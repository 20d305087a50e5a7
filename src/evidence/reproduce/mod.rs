//! Running a scan again from what its records say, and comparing.

mod bounds;
mod compare;
mod networks;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

pub use self::bounds::Bounds;
pub use self::compare::{Comparison, RecordDifference, compare};
pub use self::networks::RemoteNetwork;
use super::records::{
    Edge, FILES, FORMAT, Header, InputKind, Span, fault, input_places, those_below,
};
use crate::core::modelinfo::Role;
use crate::models::remote::RemoteModel;
use crate::models::resolve::ResolveError;
use crate::models::sha256;

/// No header is longer.
const MOST_HEADER_BYTES: u64 = 1 << 24;

/// Why a scan cannot be run again.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ReproduceError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// No records of a scan, or more than one.
    #[error("{}: {why}", folder.display())]
    Records { folder: PathBuf, why: String },
    /// They were written by another version.
    #[error("{}: {why}", path.display())]
    Header { path: PathBuf, why: String },
    #[error("{0} is a stream, nothing of which can be read again")]
    Stream(String),
    /// The input is not where it was.
    #[error("the input {0:?} is not there; name it with --input FILE")]
    NoInput(String),
    /// Another file.
    #[error(
        "{} is not the file that was scanned: its sha256 is {is}, and the records say {was}; name the \
         right one with --input FILE",
        path.display()
    )]
    OtherInput { path: PathBuf, was: String, is: String },
    /// No such model.
    #[error("a model of the scan: {0}")]
    Model(#[from] ResolveError),
    /// Another model of the same name.
    #[error(
        "{} is not the {role} of the scan: its sha256 is {is}, and the records say {was}; name the folder \
         with the right one with --engines DIR",
        path.display()
    )]
    OtherModel { role: Role, path: PathBuf, was: String, is: String },
    /// A server has another network by now.
    #[error(
        "{address} does not serve the {role} of the scan: its sha256 is {is}, and the records say {was}; \
         name a server that does, or the file, with --{role} MODEL"
    )]
    OtherNetwork { role: Role, address: String, was: String, is: String },
    /// The records do not tell all of an address.
    #[error(
        "the {role} of the scan was on a server, and its address was recorded without what may be secret: \
         {address}; name it with --{role} ADDRESS"
    )]
    Redacted { role: Role, address: String },
    /// What the records or the options say is no address.
    #[error("the {role}: {reason}")]
    Address { role: Role, reason: String },
    #[error(
        "the scan had {was} networks as {role}, and {is} are named; name {was}, in their order"
    )]
    Count { role: Role, was: usize, is: usize },
}

/// What runs a scan again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The records that are to be reproduced.
    pub records: PathBuf,
    /// The input, which has the right hash.
    pub input: PathBuf,
    /// What follows `m2sd scan`, but for where the records go.
    pub arguments: Vec<OsString>,
    /// The networks of it that servers run, who are to be asked whether they are those of the scan.
    pub remote: Vec<RemoteNetwork>,
    /// Where the scan is to end, in seconds of the input's own time: of one that did not reach its end, somewhat
    /// behind its last frame. `None`: where the input does, or what was asked for of it.
    pub until: Option<f64>,
}

/// Where the input and the models are, if not where they were, and what is set otherwise.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The input's file; `None`: what the records name, there or beside the records.
    pub input: Option<PathBuf>,
    /// The folder of the models; `None`: the usual places.
    pub engines: Option<PathBuf>,
    /// Networks in other places than the records say, as options of a scan name them.
    pub networks: BTreeMap<Role, String>,
    /// Properties of the element with other values than in the records, such as `provider`.
    pub instead: BTreeMap<String, String>,
}

/// How to run the scan again whose results a folder holds (or whose records a file holds): input and
/// models are looked for, and are those of the records, by their hashes.
///
/// # Errors
/// [`ReproduceError`]
pub fn plan(results: &Path, places: &Places) -> Result<Plan, ReproduceError> {
    let records = records(results)?;
    let header = header(&records)?;
    let input = input(&header, &records, places)?;
    let (mut arguments, mut remote) = (Vec::<String>::new(), Vec::new());
    for (option, role, files) in [
        ("--detector", Role::Detector, std::slice::from_ref(&header.detector)),
        ("--aligner", Role::Aligner, header.aligner.as_slice()),
        ("--classifier", Role::Classifier, &header.classifiers),
    ] {
        let (mut names, mut on_servers) = (Vec::new(), Vec::new());
        for network in networks::named(role, files, &header, places)? {
            names.push(network.argument);
            on_servers.extend(network.remote);
        }
        let named = if names.is_empty() { "none".to_owned() } else { names.join(",") };
        arguments.extend([option.to_owned(), named]);
        remote.extend(on_servers);
    }
    if header.span.start > 0.0 {
        arguments.extend(["--start".to_owned(), header.span.start.to_string()]);
    }
    let (until, duration) = span(&header.span, &records);
    if let Some(duration) = duration {
        arguments.extend(["--duration".to_owned(), duration.to_string()]);
    }
    let mut settings: BTreeMap<_, _> = header
        .settings
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), setting(name, value)?)))
        .collect();
    settings.extend(places.instead.clone());
    for (name, value) in settings {
        arguments.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    let arguments = arguments.into_iter().map(OsString::from);
    // A path with a folder is neither an option nor an address.
    let named = if input.is_absolute() { input.clone() } else { Path::new(".").join(&input) };
    let arguments = [named.into_os_string()].into_iter().chain(arguments).collect();
    Ok(Plan { records, input, arguments, remote, until })
}

/// [`Plan::until`], and how much is to be scanned.
fn span(asked: &Span, records: &Path) -> (Option<f64>, Option<f64>) {
    // Records that cannot be read are told when they are compared.
    let text = std::fs::read_to_string(records).unwrap_or_default();
    let until = compare::scanned_until(&text).filter(|until| *until > asked.start);
    let until = until.filter(|until| asked.duration.is_none_or(|all| asked.start + all > *until));
    (until, until.map(|until| until - asked.start).or(asked.duration))
}

/// A setting as text; `None` for those that are named otherwise, or were not set.
fn setting(name: &str, value: &Value) -> Option<String> {
    // Models by their hashes; and a scan has one mode.
    const NAMED_OTHERWISE: [&str; 5] = ["engines-dir", "detector", "aligner", "classifier", "mode"];
    if NAMED_OTHERWISE.contains(&name) {
        return None;
    }
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The records in a folder: `scores.jsonl`, or the one file that begins with a header.
fn records(results: &Path) -> Result<PathBuf, ReproduceError> {
    if !results.is_dir() {
        return Ok(results.to_owned());
    }
    for usual in FILES {
        let usual = results.join(usual);
        if usual.is_file() {
            return Ok(usual);
        }
    }
    let cannot = |source| ReproduceError::Read { path: results.to_owned(), source };
    let mut found = Vec::new();
    for entry in results.read_dir().map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let is_jsonl = path.extension().is_some_and(|extension| extension == "jsonl");
        if is_jsonl && path.is_file() && header(&path).is_ok() {
            found.push(path);
        }
    }
    let why = match found.len() {
        1 => return Ok(found.remove(0)),
        0 => {
            let those = those_below(results, &FILES);
            let those = those.map(|those| format!("; those in it are {those}"));
            format!("there are no records of a scan in it{}", those.unwrap_or_default())
        }
        n => format!("there are records of {n} scans in it; name the file of one"),
    };
    Err(ReproduceError::Records { folder: results.to_owned(), why })
}

fn header(path: &Path) -> Result<Header, ReproduceError> {
    let cannot = |source| ReproduceError::Read { path: path.to_owned(), source };
    let wrong = |why: String| ReproduceError::Header { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut line = Vec::new();
    BufReader::new(file.take(MOST_HEADER_BYTES)).read_until(b'\n', &mut line).map_err(cannot)?;
    let line = String::from_utf8(line).map_err(|_| wrong("its first line is no text".into()))?;
    let header = match Edge::parse(&line) {
        Ok(Edge::Header(header)) => *header,
        Ok(Edge::Footer(_)) => return Err(wrong("its first record is a footer".into())),
        Err(e) => {
            return Err(wrong(format!("its first line is no header of a scan: {}", fault(&e))));
        }
    };
    header.check_format().map_err(|newer| wrong(newer.to_string()))?;
    // A server need not tell its network's hash.
    let detector = &header.detector;
    let is_known = !detector.sha256.is_empty() || RemoteModel::is_address(&detector.file);
    if header.format != FORMAT || !is_known {
        return Err(wrong(format!(
            "records of format {}, and format {FORMAT} is expected; scan again with this version",
            header.format
        )));
    }
    Ok(header)
}

/// The file that was scanned, wherever it is now.
fn input(header: &Header, records: &Path, places: &Places) -> Result<PathBuf, ReproduceError> {
    let name = &header.input.name;
    if header.input.kind == InputKind::Stream {
        return Err(ReproduceError::Stream(name.clone()));
    }
    let near = || {
        let all = input_places(name, crate::models::folder(records));
        all.into_iter().find(|path| path.is_file())
    };
    let path = places.input.clone().or_else(near);
    let path = path.ok_or_else(|| ReproduceError::NoInput(name.clone()))?;
    let is = sha256(&path).map_err(|source| ReproduceError::Read { path: path.clone(), source })?;
    match &header.input.sha256 {
        Some(was) if *was == is => Ok(path),
        was => Err(ReproduceError::OtherInput {
            path,
            was: was.clone().unwrap_or_else(|| "nothing of it".to_owned()),
            is,
        }),
    }
}
