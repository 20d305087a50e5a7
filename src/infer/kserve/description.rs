//! What a server says of a network.

use std::num::NonZeroUsize;
use std::path::Path;

use tonic::Status;

use super::client::{Client, said};
use super::proto::{ModelRequest, TensorMetadata};
use crate::core::modelinfo::ModelInfo;
use crate::infer::info::{ElementType, EngineInfo, TensorInfo};
use crate::infer::options::{Precision, Provider};
use crate::models::remote::RemoteModel;
use crate::models::repository::{MODELINFO, SHA256};

/// A network on a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What it takes and gives, and who runs it.
    pub info: EngineInfo,
    /// What its sidecar says: the server's parameter `modelinfo`, else the file that the address names;
    /// else nothing, so that its training is unknown and it gives no verdicts.
    pub sidecar: ModelInfo,
    /// Of the network's file, by the server's word.
    pub sha256: Option<String>,
}

pub(super) fn request(remote: &RemoteModel) -> ModelRequest {
    let version = remote.version.clone().unwrap_or_default();
    ModelRequest { name: remote.model.clone(), version }
}

/// Asks one endpoint.
///
/// # Errors
/// In words, with what the endpoint said.
pub(super) async fn ask(client: &Client, remote: &RemoteModel) -> Result<Described, String> {
    let failed = |status: Status| said(&status);
    let model = request(remote);
    client.is_ready(model.clone()).await.map_err(failed)?;
    let metadata = client.metadata(model.clone()).await.map_err(failed)?;
    let config = client.config(model).await.map_err(failed)?.and_then(|answer| answer.config);
    // It has a name on every server that says it is ready; a server need not tell it.
    let server = client.server().await.unwrap_or_default();
    let parameter = |name: &str| {
        let parameters = &config.as_ref()?.parameters;
        parameters.get(name).map(|parameter| parameter.string_value.clone())
    };
    let largest_batch = config
        .as_ref()
        .and_then(|config| NonZeroUsize::new(usize::try_from(config.max_batch_size).ok()?));
    let info = EngineInfo {
        model: remote.to_string(),
        inputs: metadata.inputs.iter().map(tensor).collect(),
        outputs: metadata.outputs.iter().map(tensor).collect(),
        largest_batch,
        provider: Provider::Kserve,
        precision: Precision::Auto,
        assigned: vec![metadata.platform.clone()],
        runtime: format!("{} {}", server.name, server.version).trim().to_owned(),
        passed_over: Vec::new(),
    };
    let sidecar = sidecar(parameter(MODELINFO), remote.modelinfo.as_deref())?;
    let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(Described { info, sidecar, sha256: parameter(SHA256).filter(is_hash) })
}

fn sidecar(told: Option<String>, file: Option<&Path>) -> Result<ModelInfo, String> {
    match (told, file) {
        // The user's word counts more than the server's.
        (_, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| format!("modelinfo: {} cannot be read: {e}", path.display()))?;
            text.parse().map_err(|e| format!("modelinfo: {}: {e}", path.display()))
        }
        (Some(text), None) => {
            text.parse().map_err(|e| format!("the parameter {MODELINFO} of its configuration: {e}"))
        }
        (None, None) => Ok(ModelInfo::default()),
    }
}

fn tensor(metadata: &TensorMetadata) -> TensorInfo {
    let element = match metadata.datatype.as_str() {
        "FP32" => ElementType::F32,
        "UINT8" => ElementType::U8,
        other => ElementType::Other(other.to_owned()),
    };
    // A negative size is any.
    let dims = metadata.shape.iter().map(|size| usize::try_from(*size).ok()).collect();
    TensorInfo { name: metadata.name.clone(), dims, element }
}

/// The network of all endpoints that answered, and why the others did not.
pub(super) fn agreed(
    model: &RemoteModel,
    answers: Vec<Result<Described, String>>,
) -> Result<(Described, Vec<(usize, String)>), String> {
    let (mut first, mut reasons) = (None::<(usize, Described)>, Vec::new());
    for (place, answer) in answers.into_iter().enumerate() {
        let endpoint = &model.endpoints[place];
        match (answer, &first) {
            (Err(reason), _) => reasons.push((place, reason)),
            (Ok(described), None) => first = Some((place, described)),
            (Ok(described), Some((other, known))) if !is_same(known, &described) => {
                return Err(format!(
                    "{} and {endpoint} serve different networks ({} and {}); name endpoints that serve \
                     the same",
                    model.endpoints[*other],
                    summary(known),
                    summary(&described)
                ));
            }
            (Ok(_), Some(_)) => {}
        }
    }
    match first {
        Some((_, described)) => Ok((described, reasons)),
        None => {
            let reasons = reasons
                .iter()
                .map(|(place, reason)| format!("{}: {reason}", model.endpoints[*place]));
            let reasons: Vec<_> = reasons.collect();
            Err(format!(
                "no server answers: {}. Start it, or name one that serves the model {}",
                reasons.join("; "),
                model.model
            ))
        }
    }
}

fn is_same(a: &Described, b: &Described) -> bool {
    let tensors = |of: &Described| (of.info.inputs.clone(), of.info.outputs.clone());
    let hashes_agree = match (&a.sha256, &b.sha256) {
        (Some(a), Some(b)) => a == b,
        // One of the servers does not tell.
        _ => true,
    };
    tensors(a) == tensors(b) && hashes_agree
}

fn summary(of: &Described) -> String {
    let inputs: Vec<_> = of.info.inputs.iter().map(ToString::to_string).collect();
    match &of.sha256 {
        Some(hash) => format!("{}, {}…", inputs.join(", "), hash.get(..12).unwrap_or(hash)),
        None => inputs.join(", "),
    }
}
