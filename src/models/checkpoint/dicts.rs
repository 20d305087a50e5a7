//! Dictionaries of tensors, however deep a training script has put them.

use std::collections::{BTreeSet, HashSet};

use super::{CheckpointError, Config};
use crate::models::pickle::{Pickle, TensorRef, Value};

/// Dictionaries inside dictionaries that are looked into.
const MOST_DEEP: usize = 8;
/// Keys under which training scripts keep what their network was made with.
const CONFIGS: [&str; 5] = ["args", "config", "hyper_parameters", "model_args", "cfg"];

/// What a file holds.
pub(super) enum Contents {
    Pickle(Pickle),
    /// The tensors of safetensors files, which know no dictionaries.
    Flat(Vec<(String, FlatEntry)>),
}

/// A tensor, or the name of an element type that is not read.
#[derive(Clone, Debug)]
pub(super) enum FlatEntry {
    Tensor(TensorRef),
    Placeholder(String),
}

impl FlatEntry {
    fn view(&self) -> Entry<'_> {
        match self {
            Self::Tensor(tensor) => Entry::Tensor(tensor),
            Self::Placeholder(what) => Entry::Placeholder(what),
        }
    }
}

/// A tensor in a dictionary, or what is in the place of one and is not read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    Tensor(&'a TensorRef),
    Placeholder(&'a str),
}

/// A dictionary that has tensors.
#[derive(Debug)]
pub(super) struct Dict<'a> {
    /// The keys that lead to it; none: it is all of the file.
    pub(super) path: Vec<&'a str>,
    pub(super) entries: Vec<(&'a str, Entry<'a>)>,
}

impl Contents {
    /// All dictionaries that have tensors, each once, those that are less deep first.
    pub(super) fn dicts(&self) -> Vec<Dict<'_>> {
        match self {
            Self::Pickle(pickle) => dicts_of(pickle),
            Self::Flat(tensors) => {
                let entries = tensors.iter().map(|(name, entry)| (name.as_str(), entry.view()));
                let all = Dict { path: Vec::new(), entries: entries.collect() };
                if all.entries.is_empty() { Vec::new() } else { vec![all] }
            }
        }
    }

    /// Names of what is neither this dictionary nor a tensor in it. Each once: a name of the file
    /// can be used a thousand times in it, and a copy for each would cost a thousand times the file.
    pub(super) fn ignored(&self, dict: Option<&Dict<'_>>) -> BTreeSet<&str> {
        let (Self::Pickle(pickle), Some(dict)) = (self, dict) else { return BTreeSet::new() };
        let (mut ignored, mut seen) = (BTreeSet::new(), HashSet::new());
        let mut at = pickle.root();
        for depth in 0..=dict.path.len() {
            let inside = dict.path.get(depth).copied();
            for (key, value) in pickle.dict(at).unwrap_or_default() {
                let is_taken = inside.is_none() && entry(pickle, *value).is_some();
                let name = pickle.text(*key);
                // By where they lie, which costs less than comparing them.
                if is_taken || name.is_some_and(|name| !seen.insert(name.as_ptr())) {
                    continue;
                }
                match name {
                    name if name == inside && name.is_some() => {}
                    Some(name) => drop(ignored.insert(name)),
                    None => drop(ignored.insert("an entry without a name")),
                }
            }
            let Some(next) = inside.and_then(|key| pickle.get(at, key)) else { break };
            at = next;
        }
        ignored
    }

    /// What the file says of its network beside the tensors.
    pub(super) fn config(&self) -> Config {
        let Self::Pickle(pickle) = self else { return Config::default() };
        let mut config = Config::default();
        for found in CONFIGS.iter().filter_map(|key| pickle.get(pickle.root(), key)) {
            config.add(pickle, found);
        }
        config
    }

    pub(super) fn without_tensors(&self) -> CheckpointError {
        const MOST: usize = 8;
        const LONGEST: usize = 64;
        let Self::Pickle(pickle) = self else {
            return CheckpointError::NoTensors { entries: String::new() };
        };
        if let Some(class) = pickle.placeholder(pickle.root()) {
            return CheckpointError::Object { class: class.to_owned() };
        }
        let short = |name: &str| name.chars().take(LONGEST).collect::<String>();
        let keys = pickle.dict(pickle.root()).unwrap_or_default().iter();
        let names: BTreeSet<&str> =
            keys.take(1 << 10).filter_map(|(k, _)| pickle.text(*k)).collect();
        let some: Vec<_> = names.into_iter().take(MOST).map(short).collect();
        CheckpointError::NoTensors { entries: some.join(", ") }
    }
}

fn entry(pickle: &Pickle, value: Value) -> Option<Entry<'_>> {
    let tensor = pickle.tensor(value).map(Entry::Tensor);
    tensor.or_else(|| pickle.placeholder(value).map(Entry::Placeholder))
}

/// Breadth first, each dictionary once, wherever else it is used.
fn dicts_of(pickle: &Pickle) -> Vec<Dict<'_>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut level = vec![(Vec::new(), pickle.root())];
    for _ in 0..=MOST_DEEP {
        let mut next = Vec::new();
        for (path, value) in level {
            let Some(items) = pickle.dict(value).filter(|_| seen.insert(pickle.place(value)))
            else {
                continue;
            };
            let named = || items.iter().filter_map(|(k, v)| Some((pickle.text(*k)?, *v)));
            let entries: Vec<_> =
                named().filter_map(|(name, v)| Some((name, entry(pickle, v)?))).collect();
            for (key, inner) in named().filter(|(_, v)| pickle.dict(*v).is_some()) {
                let mut path: Vec<&str> = path.clone();
                path.push(key);
                next.push((path, inner));
            }
            if entries.iter().any(|(_, entry)| matches!(entry, Entry::Tensor(_))) {
                found.push(Dict { path, entries });
            }
        }
        level = next;
    }
    found
}
