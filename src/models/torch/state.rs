//! The network's tensors among everything else that a training script saves.

use super::TorchError;
use crate::models::pickle::{Pickle, TensorRef, Value};

/// Keys under which training scripts keep the weights: Lightning and many others, DeepSpeed,
/// VideoMAE, PyTorch's tutorials.
const WRAPPERS: [&str; 4] = ["state_dict", "module", "model", "model_state_dict"];

/// What `torch.nn.DataParallel` puts before every name.
const PARALLEL_PREFIX: &str = "module.";

pub(super) struct State<'a> {
    pub(super) tensors: Vec<(&'a str, &'a TensorRef)>,
    pub(super) ignored: Vec<String>,
}

pub(super) fn find(pickle: &Pickle) -> Result<State<'_>, TorchError> {
    let mut ignored = Vec::new();
    let state = unwrap(pickle, &mut ignored);
    let mut tensors = Vec::new();
    for (key, value) in pickle.dict(state).unwrap_or_default() {
        match (pickle.text(*key), pickle.tensor(*value)) {
            (Some(name), Some(tensor)) => tensors.push((name, tensor)),
            (Some(name), None) => ignored.push(name.to_owned()),
            (None, _) => ignored.push("an entry without a name".to_owned()),
        }
    }
    if tensors.is_empty() {
        ignored.truncate(8);
        return Err(TorchError::NoTensors { entries: ignored.join(", ") });
    }
    if tensors.iter().all(|(name, _)| name.starts_with(PARALLEL_PREFIX)) {
        for (name, _) in &mut tensors {
            *name = name.strip_prefix(PARALLEL_PREFIX).unwrap_or(name);
        }
    }
    Ok(State { tensors, ignored })
}

/// Follows wrappers, the second inside the first at most, and notes what lies beside them.
fn unwrap(pickle: &Pickle, ignored: &mut Vec<String>) -> Value {
    let mut state = pickle.root();
    for _ in 0..2 {
        let inner = |key| Some((key, pickle.get(state, key)?));
        let is_dict = |found: &(&str, Value)| pickle.dict(found.1).is_some();
        let Some((wrapper, inside)) = WRAPPERS.into_iter().filter_map(inner).find(is_dict) else {
            break;
        };
        let keys = pickle.dict(state).unwrap_or_default().iter();
        let beside = keys.filter_map(|(k, _)| pickle.text(*k)).filter(|k| *k != wrapper);
        ignored.extend(beside.map(str::to_owned));
        state = inside;
    }
    state
}
