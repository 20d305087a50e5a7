//! The network's tensors among everything else that a training script saves.

use std::collections::BTreeSet;

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

/// Names of what is no tensor, each once: a name of the file can be used a thousand times in it, and
/// a copy for each would cost a thousand times the file.
#[derive(Default)]
struct Ignored<'a> {
    /// By where they lie, which costs less than comparing them.
    seen: BTreeSet<*const u8>,
    names: BTreeSet<&'a str>,
}

impl<'a> Ignored<'a> {
    fn add(&mut self, name: &'a str) {
        if self.seen.insert(name.as_ptr()) {
            self.names.insert(name);
        }
    }

    fn names(&self) -> Vec<String> {
        self.names.iter().map(|name| (*name).to_owned()).collect()
    }
}

/// What is said of a file's entries in an error message.
fn some_of(names: &BTreeSet<&str>) -> String {
    const MOST: usize = 8;
    const LONGEST: usize = 64;
    let short = |name: &&str| name.chars().take(LONGEST).collect::<String>();
    names.iter().take(MOST).map(short).collect::<Vec<_>>().join(", ")
}

pub(super) fn find(pickle: &Pickle) -> Result<State<'_>, TorchError> {
    let mut ignored = Ignored::default();
    let state = unwrap(pickle, &mut ignored);
    let mut tensors = Vec::new();
    for (key, value) in pickle.dict(state).unwrap_or_default() {
        match (pickle.text(*key), pickle.tensor(*value)) {
            (Some(name), Some(tensor)) => tensors.push((name, tensor)),
            (Some(name), None) => ignored.add(name),
            (None, _) => ignored.add("an entry without a name"),
        }
    }
    if tensors.is_empty() {
        return Err(TorchError::NoTensors { entries: some_of(&ignored.names) });
    }
    if tensors.iter().all(|(name, _)| name.starts_with(PARALLEL_PREFIX)) {
        for (name, _) in &mut tensors {
            *name = name.strip_prefix(PARALLEL_PREFIX).unwrap_or(name);
        }
    }
    Ok(State { tensors, ignored: ignored.names() })
}

/// Follows wrappers, the second inside the first at most, and notes what lies beside them.
fn unwrap<'a>(pickle: &'a Pickle, ignored: &mut Ignored<'a>) -> Value {
    let mut state = pickle.root();
    for _ in 0..2 {
        let inner = |key| Some((key, pickle.get(state, key)?));
        let is_dict = |found: &(&str, Value)| pickle.dict(found.1).is_some();
        let Some((wrapper, inside)) = WRAPPERS.into_iter().filter_map(inner).find(is_dict) else {
            break;
        };
        let keys = pickle.dict(state).unwrap_or_default().iter();
        let beside = keys.filter_map(|(k, _)| pickle.text(*k)).filter(|k| *k != wrapper);
        beside.for_each(|name| ignored.add(name));
        state = inside;
    }
    state
}
