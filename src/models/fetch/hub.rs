//! Models of Hugging Face's hub.

use std::path::{Path, PathBuf};

use super::{Download, FetchError, Progress, fetch};
use crate::models::manifest::HubModel;

const HUGGING_FACE: &str = "https://huggingface.co";
/// What the network is like, then its tensors.
const CONFIG: &str = "config.json";
const TENSORS: &str = "model.safetensors";

/// A server of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Without a slash at its end.
    url: String,
}

impl Hub {
    /// The hub at this address.
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// The one that `HF_ENDPOINT` names, as for Hugging Face's own programs, else the public one.
    pub fn from_env() -> Self {
        let named = std::env::var("HF_ENDPOINT").ok().filter(|url| !url.is_empty());
        Self::new(named.as_deref().unwrap_or(HUGGING_FACE))
    }

    /// Where the model is.
    pub fn url(&self, model: &HubModel) -> String {
        format!("{}/{}", self.url, model.hub)
    }

    fn file(&self, model: &HubModel, file: &str) -> String {
        format!("{}/resolve/{}/{file}", self.url(model), model.revision)
    }
}

/// Downloads a model's configuration and tensors into a folder of its own in `dir`, as [`fetch`] does
/// each, and returns the folder.
///
/// # Errors
/// [`FetchError`].
pub fn fetch_hub(
    model: &HubModel,
    hub: &Hub,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    let folder = dir.join(model.folder());
    let pin = model.sha256.as_ref().map(|pin| pin.as_str());
    for (file, sha256) in [(CONFIG, None), (TENSORS, pin)] {
        let url = hub.file(model, file);
        fetch(&Download { url: &url, file, sha256 }, &folder, progress)?;
    }
    Ok(folder)
}
