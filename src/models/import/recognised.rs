//! What the manifest's knowledge of a file means for its model: its name, its sidecar, what is said.

use std::path::Path;

use super::{ImportOptions, Problem};
use crate::core::modelinfo::{ModelInfo, Role, Training};
use crate::models::checkpoint::Source;
use crate::models::manifest::{Manifest, Recognised};

/// Why a file is not what its name says, or may not be; what to do where nobody vouches for it.
pub(super) fn caution(
    recognised: Recognised<'_>,
    info: &ModelInfo,
    name: &str,
    sha256: &str,
    model: &str,
) -> Option<String> {
    const TRUST: &str = "If you trust it, import it again with --training trained";
    let vouched = info.training != Training::Unknown;
    match recognised {
        Recognised::Known(_) => None,
        Recognised::Named(_) if vouched => None,
        Recognised::Named(known) => Some(format!(
            "{name} is the name of {}, and no sha256 is pinned for it in models.toml: whether this \
             is that file is not known, so it counts as untrained and gives no verdicts. Its sha256 \
             is {sha256}. {TRUST}",
            known.title
        )),
        Recognised::Stranger if vouched || info.role != Some(Role::Classifier) => None,
        Recognised::Stranger => Some(format!(
            "nobody says whether {name} was trained, so it gives scores and no verdicts. {TRUST}"
        )),
        Recognised::Impostor(known) => Some(format!(
            "{name} is the name of {}, and this is another file: its sha256 is {sha256}, which is \
             not the one that models.toml pins. It was imported as {model}, and replaces nothing",
            known.title
        )),
    }
}

/// The sidecar of a file that the manifest has something to say of.
pub(super) fn told(recognised: Recognised<'_>, input: &str) -> Option<ModelInfo> {
    match recognised {
        Recognised::Known(known) => Some(known.info(input)),
        Recognised::Named(known) => Some(known.info_unverified(input)),
        Recognised::Impostor(_) | Recognised::Stranger => None,
    }
}

/// The model's name. What only has the name of a known file does not take its model's place.
pub(super) fn file_name(
    manifest: &Manifest,
    source: &Source,
    recognised: Recognised<'_>,
    sha256: &str,
    options: &ImportOptions,
) -> Result<String, Problem> {
    let stem = match (&options.name, recognised.model()) {
        (Some(name), _) => name.strip_suffix(".onnx").unwrap_or(name).to_owned(),
        (None, Some(known)) => return Ok(known.file.clone()),
        (None, None) => {
            let stem = source.stem();
            match manifest.by_file(&format!("{stem}.onnx")) {
                Some(_) => format!("{stem}-{}", sha256.get(..8).unwrap_or(sha256)),
                None => stem,
            }
        }
    };
    let plain = Path::new(&stem).file_name().is_some_and(|n| n == stem.as_str());
    if plain { Ok(format!("{stem}.onnx")) } else { Err(Problem::Name(stem)) }
}

/// What is known of a training, once the user has spoken.
pub(super) fn declared(known: Training, told: Training) -> Result<Training, Problem> {
    if known == Training::Unknown || known == told {
        Ok(told)
    } else {
        Err(Problem::Training { known, told })
    }
}
