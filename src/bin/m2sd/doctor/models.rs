//! The models that a scan would use, and those beside them.

use std::path::Path;
use std::time::Duration;

use gstm2sd::core::evidence::{Insufficiency, OperatingPoint, PointChoice};
use gstm2sd::core::modelinfo::{Role, Training};
use gstm2sd::infer::{self, CancelToken, EngineOptions, InferError, Provider};
use gstm2sd::models::lock::Lock;
use gstm2sd::models::resolve::{Found, ResolveError, Search};
use gstm2sd::models::{advice, sha256};

use super::report::{Finding, State, split};
use crate::bounded;

/// How long a model may take to load.
const PATIENCE: Duration = Duration::from_secs(120);

/// `runs`: there is something to load models with.
pub fn findings(search: &Search, runs: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut detector = Training::Unknown;
    for role in Role::ALL {
        match search.all(role) {
            Err(error) => found.push(broken(role, &error)),
            Ok(models) => match models.split_first() {
                None => found.push(absent(role)),
                Some((best, others)) => {
                    if role == Role::Detector {
                        detector = best.info.training;
                    }
                    found.push(used(role, best, detector, runs));
                    found.extend(others.iter().map(|other| {
                        let text = format!("{}, not used", describe(role, other));
                        Finding::fine("", text)
                    }));
                }
            },
        }
    }
    found
}

fn broken(role: Role, error: &ResolveError) -> Finding {
    split(State::Stops, role.as_str(), &error.to_string())
}

fn absent(role: Role) -> Finding {
    let name = role.as_str();
    match role {
        Role::Detector => Finding::stops(name, "none: no face can be found").remedy(format!(
            "{}, or {}",
            advice::models(),
            advice::command("models import FILE")
        )),
        Role::Aligner => {
            Finding::absent(name, "none: 5 landmarks a face, which scores do not need")
        }
        Role::Classifier => Finding::absent(name, "none: faces are followed and not judged")
            .remedy(format!("{} gets M2SD", advice::command("models fetch"))),
    }
}

/// A model that a scan would use.
fn used(role: Role, model: &Found, detector: Training, runs: bool) -> Finding {
    let text = describe(role, model);
    if runs && let Err(error) = load(role, model) {
        return split(State::Stops, role.as_str(), &error);
    }
    if has_changed(&model.path) {
        return Finding::wrong(role.as_str(), format!("{text}: not the file that was imported"))
            .remedy(format!("Import it again, or see {}", advice::command("models verify")));
    }
    let training = model.info.training.on_faces_of(detector);
    match Insufficiency::of(training) {
        Some(_) if role == Role::Classifier => {
            let text = format!("{text}: gives scores and no verdicts");
            let found = Finding::wrong(role.as_str(), text);
            if training == Training::Unknown {
                let import = advice::command("models import --training trained FILE");
                found.remedy(format!("If you trust it, import it again with {import}"))
            } else {
                found.remedy(format!("{} gets M2SD", advice::command("models fetch")))
            }
        }
        _ => Finding::fine(role.as_str(), text),
    }
}

fn describe(role: Role, Found { path, info }: &Found) -> String {
    let title = info.title.as_deref().unwrap_or("no title");
    let licence = info.licence.as_deref().unwrap_or("not told");
    let training = match info.training {
        Training::Unknown => "training unknown",
        known => known.as_str(),
    };
    let mut text = format!("{}: {title}, {training}, licence: {licence}", path.display());
    if role == Role::Classifier {
        let point = OperatingPoint::of(info, &PointChoice::Best).ok().flatten();
        text.push_str(&match point {
            Some(OperatingPoint { threshold, source }) => {
                format!(", fake above {:.6} ({})", threshold.get(), source.as_str())
            }
            None => ", no operating point".to_owned(),
        });
        if info.calibration.is_none() {
            text.push_str(", uncalibrated");
        }
    }
    text
}

/// Whether the file has another hash than the one that was recorded when it was written.
fn has_changed(model: &Path) -> bool {
    let lock = model.parent().and_then(|dir| Lock::read(dir).ok());
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    let recorded = lock.as_ref().and_then(|lock| lock.get(&name));
    recorded.is_some_and(|record| sha256(model).is_ok_and(|found| found != record.sha256))
}

/// Loads it on the CPU, which builds nothing.
fn load(role: Role, model: &Found) -> Result<(), String> {
    let path = model.path.clone();
    let loaded = bounded::run(PATIENCE, move || -> Result<(), InferError> {
        let (options, cancel) = (cpu(), CancelToken::new());
        match role {
            Role::Detector => infer::load_detector(&path, &options, &cancel).map(drop),
            Role::Aligner => infer::load_aligner(&path, &options, &cancel).map(drop),
            Role::Classifier => infer::load_classifier(&path, &options, &cancel).map(drop),
        }
    });
    match loaded {
        None => Err(format!("it is not loaded after {} s", PATIENCE.as_secs())),
        // Its own provider loads it.
        Some(Err(InferError::Compiled { .. })) | Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn cpu() -> EngineOptions {
    EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() }
}
