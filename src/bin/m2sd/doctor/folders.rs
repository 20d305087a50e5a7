//! Where models are looked for, and where compiled ones are kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gstm2sd::core::counted::counted;
use gstm2sd::core::modelinfo::Role;
use gstm2sd::infer::{EngineOptions, engine_cache};
use gstm2sd::models::folders::data_home;
use gstm2sd::models::onnx_files;
use gstm2sd::models::resolve::Search;

use super::report::Finding;

/// Variables that change what is found.
const VARIABLES: [&str; 13] = [
    "M2SD_ENGINES",
    "M2SD_RUNTIME",
    "ORT_DYLIB_PATH",
    "LD_LIBRARY_PATH",
    "XDG_DATA_HOME",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_REGISTRY_1_0",
    "GST_REGISTRY",
    "GST_PLUGIN_FEATURE_RANK",
    "GST_DEBUG",
];

/// `named`: the first folder is one that the user named.
pub fn findings(search: &Search, named: bool) -> Vec<Finding> {
    let mut found: Vec<_> = search.dirs().iter().enumerate().map(engines).collect();
    if named
        && let Some(dir) = search.dirs().first().filter(|dir| !dir.is_dir())
        && let Some(first) = found.first_mut()
    {
        *first = Finding::stops("engines 1", format!("{}: no such folder", dir.display()))
            .remedy("Name one that exists, or none: then the usual places are searched");
    }
    found.push(cache(search));
    found.push(match data_home() {
        Some(dir) => Finding::fine("data", dir.display().to_string()),
        None => Finding::wrong("data", "this user has no data folder")
            .remedy("Set HOME or XDG_DATA_HOME to an absolute path"),
    });
    let set = |name: &&'static str| Some((*name, std::env::var_os(name)?));
    found.extend(VARIABLES.iter().filter_map(set).map(variable));
    found
}

fn variable((name, value): (&str, OsString)) -> Finding {
    Finding::fine("set", format!("{name}={}", value.to_string_lossy()))
}

fn engines((place, dir): (usize, &PathBuf)) -> Finding {
    let (name, shown) = (format!("engines {}", place + 1), dir.display());
    if !dir.is_dir() {
        return Finding::absent(name, format!("{shown}: no such folder"));
    }
    match onnx_files(dir).len() {
        0 => Finding::absent(name, format!("{shown}: no models")),
        1 => Finding::fine(name, format!("{shown}: 1 model")),
        count => Finding::fine(name, format!("{shown}: {}", counted(count, "model"))),
    }
}

/// Where engines that take long to build are kept: beside the classifier, else where the detector is.
fn cache(search: &Search) -> Finding {
    let best = |role| search.find(role, None).ok().map(|found| found.path);
    let Some(model) = best(Role::Classifier).or_else(|| best(Role::Detector)) else {
        return Finding::absent("cache", "beside the models, once there are some");
    };
    let dir = engine_cache::root(&EngineOptions::default(), &model);
    match writable(&dir) {
        Ok(()) => Finding::fine("cache", format!("{}: can be written", dir.display())),
        Err(error) => Finding::wrong("cache", format!("{}: {error}", dir.display())).remedy(
            "Make it writable, else engines of TensorRT and OpenVINO are built at every start or \
             cannot be used",
        ),
    }
}

/// Tries to write where the folder is, or would be made. Leaves nothing behind.
fn writable(dir: &Path) -> std::io::Result<()> {
    let existing = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok());
    let existing = existing.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !existing.is_dir() {
        return Err(std::io::Error::other(format!("{} is no folder", existing.display())));
    }
    tempfile::Builder::new().prefix(".m2sd-doctor").tempfile_in(existing).map(drop)
}
