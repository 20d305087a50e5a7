//! What can be told to be wrong before anything is started.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::camera::{CameraConfig, CameraSettings, Defaults};
use super::credentials::{Credentials, has_password};
use super::file::{SinkSection, WatchConfig};
use super::problem::{Problem, Severity};
use super::properties::FilterProperties;
use crate::core::redact::redact;
use crate::events::sinks::shown;
use crate::events::{Body, CameraId};
use crate::models::resolve::Search;
use crate::watch::pipeline::address::Source;
use crate::watch::rest::HttpConfig;

/// The types of event.
const TYPES: [&str; 7] = Body::TYPES;

/// Everything that is wrong with a file, in its order. `file` is where it stands.
pub fn check(config: &WatchConfig, file: &Path) -> Vec<Problem> {
    let properties = FilterProperties::new();
    let mut problems = Vec::new();
    for (name, text) in properties.check(&config.defaults.filter) {
        problems.push(Problem::error(&["defaults", "filter", &name], text));
    }
    let mut seen = BTreeMap::new();
    for (number, camera) in config.cameras.iter().enumerate() {
        let number = number.to_string();
        let outer = ["camera", number.as_str()];
        if let Some(first) = seen.insert(&camera.id, number.clone()) {
            let text = format!("camera {} is there twice, as number {first} too", camera.id);
            problems.push(Problem::error(&["id"], text).inside(&outer));
        }
        let own = check_camera(camera, &config.defaults, &properties);
        problems.extend(own.into_iter().map(|problem| problem.inside(&outer)));
        if has_password(&camera.uri) && others_may_read(file) {
            let text = format!(
                "others may read {}, and the password in this address; chmod 600 it, or use \
                 password-env or password-file",
                file.display()
            );
            problems.push(Problem::warning(&["uri"], text).inside(&outer));
        }
    }
    let mut names = BTreeSet::new();
    for (number, sink) in config.sinks.iter().enumerate() {
        let outer = ["sink", &number.to_string()];
        if let Ok(sink) = sink.sink()
            && !names.insert(sink.name().to_owned())
        {
            let text = format!(
                "two sinks have the name {}: give this one another name",
                shown(sink.name())
            );
            problems.push(Problem::error(&["url"], text).inside(&outer));
        }
        problems.extend(check_sink(sink).into_iter().map(|problem| problem.inside(&outer)));
        let known = |id: &CameraId| config.cameras.iter().any(|camera| camera.id == *id);
        for id in sink.cameras.iter().flatten().filter(|id| !known(id)) {
            // REST may add it.
            let text = format!("no camera of this file has the id {id}");
            problems.push(Problem::warning(&["cameras"], text).inside(&outer));
        }
    }
    if let Some(Err(error)) = config.http.as_ref().map(HttpConfig::check) {
        problems.push(Problem::error(&["http"], error.to_string()));
    }
    if let Err((name, text)) = config.recordings.limits().check() {
        problems.push(Problem::error(&["recordings", name], text));
    }
    problems
}

fn check_sink(sink: &SinkSection) -> Vec<Problem> {
    let mut problems = Vec::new();
    match sink.sink() {
        Err(error) => problems.push(Problem::error(&["url"], redact(&error.to_string()))),
        Ok(sink) => {
            // It may be mounted later.
            if let Some(folder) = sink.folder().filter(|folder| !folder.is_dir()) {
                let text =
                    format!("there is no folder {} now; events wait for it", folder.display());
                problems.push(Problem::warning(&["url"], text));
            }
        }
    }
    for name in sink.types.iter().flatten().filter(|name| !TYPES.contains(&name.as_str())) {
        let text = format!("{name:?} is no type of event; expected {}", TYPES.join(", "));
        problems.push(Problem::error(&["types"], text));
    }
    problems
}

/// Everything that is wrong with a camera; paths are its own keys.
pub fn check_camera(
    camera: &CameraConfig,
    defaults: &Defaults,
    properties: &FilterProperties,
) -> Vec<Problem> {
    let settings = camera.settings(defaults);
    let mut problems = Vec::new();
    match Credentials::read(&settings) {
        Ok((_, uri)) => problems.extend(check_source(&uri)),
        Err(text) => {
            let key = if camera.password_env.is_some() { "password-env" } else { "password-file" };
            problems.push(Problem::error(&[key], text));
        }
    }
    problems.extend(check_times(&settings));
    let filter = properties.check(&camera.filter);
    problems
        .extend(filter.iter().map(|(name, text)| Problem::error(&["filter", name], text.as_str())));
    if filter.is_empty() {
        problems.extend(check_models(&settings));
    }
    problems
}

fn check_source(uri: &str) -> Option<Problem> {
    let problem = |text: String| Some(Problem::error(&["uri"], text));
    match Source::parse(uri) {
        Err(text) => problem(text),
        Ok(Source::File(path)) => {
            // To open a pipe waits for whoever writes it.
            if path.exists() && !path.is_file() {
                return problem(format!("{} is no file; expected a video", path.display()));
            }
            let error = std::fs::File::open(&path).err()?;
            problem(format!("cannot open {}: {error}", path.display()))
        }
        Ok(Source::V4l2(path)) if !path.exists() => {
            // It may be plugged in later.
            Some(Problem::warning(&["uri"], format!("there is no {} now", path.display())))
        }
        Ok(_) => None,
    }
}

fn check_times(settings: &CameraSettings) -> Vec<Problem> {
    let within = |name: &str, found: Duration, least: u64, most: u64| {
        let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
        let text = format!("{name} is {found:?}; expected {least:?} to {most:?}");
        (!(least..=most).contains(&found)).then(|| Problem::error(&[name], text))
    };
    let found = [
        within("latency", settings.latency, 0, 60_000),
        within("connect-timeout", settings.connect_timeout, 500, 600_000),
        within("stall-timeout", settings.stall_timeout, 500, 600_000),
    ];
    found.into_iter().flatten().collect()
}

/// Models that are named and not there. One that is not named may come later.
fn check_models(settings: &CameraSettings) -> Vec<Problem> {
    use crate::core::modelinfo::Role;
    let text = |name: &str| settings.filter.get(name).and_then(|value| value.as_str());
    let folder = text("engines-dir").map(Path::new);
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let text = format!(
            "there is no engines folder {}; name one that exists, or none: then the usual places are \
             searched",
            folder.display()
        );
        return vec![Problem::error(&["filter", "engines-dir"], text)];
    }
    let search = Search::new(folder);
    let mut problems = Vec::new();
    for role in [Role::Detector, Role::Aligner, Role::Classifier] {
        let name = role.to_string();
        let named = text(&name).into_iter().flat_map(|names| names.split(','));
        for model in named.map(str::trim).filter(|model| *model != "none") {
            if let Err(error) = search.find(role, Some(model)) {
                problems.push(Problem::error(&["filter", &name], error.to_string()));
            }
        }
    }
    problems
}

fn others_may_read(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

impl WatchConfig {
    /// What of it cannot be lived with.
    pub fn errors(problems: &[Problem]) -> Vec<&Problem> {
        problems.iter().filter(|problem| problem.severity == Severity::Error).collect()
    }
}
