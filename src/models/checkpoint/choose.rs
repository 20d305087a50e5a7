//! Which of a file's dictionaries is the network: the one that has the tensors of one.

use std::collections::HashMap;

use super::CheckpointError;
use super::dicts::{Dict, Entry};

/// Tensors that together only one network has, by their names without any prefix.
pub type Signature = &'static [&'static str];

/// Which weights are wanted, where a training script has kept two kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// As training left them.
    #[default]
    Last,
    /// Their moving average over the training.
    Ema,
}

/// A dictionary, and what stands before every name of the network in it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) dict: usize,
    pub(super) prefix: String,
    /// What else would have done.
    pub(super) note: Option<String>,
}

/// What `torch.nn.DataParallel` puts before every name.
const PARALLEL_PREFIX: &str = "module.";

/// A place where a signature is complete.
struct Candidate<'a> {
    dict: usize,
    prefix: &'a str,
    place: Place<'a>,
    label: String,
    is_ema: bool,
}

/// Where the signature's first tensor lies: copies that share it are the same.
type Place<'a> = Option<(&'a str, u64)>;

pub(super) fn choose(
    dicts: &[Dict<'_>],
    signatures: &[Signature],
    kept: Kept,
) -> Result<Choice, CheckpointError> {
    let mut candidates = Vec::new();
    for (index, dict) in dicts.iter().enumerate() {
        candidates.extend(candidates_in(index, dict, signatures));
    }
    let depth = |c: &Candidate<'_>| dicts.get(c.dict).map_or(0, |dict| dict.path.len());
    // Stable: of those that are alike, the file's first.
    candidates.sort_by_key(|c| (depth(c), c.prefix.len()));
    let (averaged, last): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|c| c.is_ema);
    let (wanted, other) = match kept {
        Kept::Last => (last, averaged),
        Kept::Ema => (averaged, last),
    };
    let Some(taken) = wanted.first() else {
        return match (kept, other.first()) {
            (Kept::Last, Some(only)) => Err(CheckpointError::OnlyEma(only.label.clone())),
            (Kept::Ema, Some(only)) => Err(CheckpointError::NoEma(only.label.clone())),
            (_, None) => Ok(largest(dicts)),
        };
    };
    let note = note(taken, &wanted, &other, kept);
    Ok(Choice { dict: taken.dict, prefix: taken.prefix.to_owned(), note })
}

/// The dictionary with the most tensors, for messages about a network that is not known.
fn largest(dicts: &[Dict<'_>]) -> Choice {
    let sizes = dicts.iter().enumerate().rev();
    let dict = sizes.max_by_key(|(_, dict)| dict.entries.len()).map_or(0, |(index, _)| index);
    let names = dicts.get(dict).map(|dict| dict.entries.as_slice()).unwrap_or_default();
    let is_parallel = names.iter().all(|(name, _)| name.starts_with(PARALLEL_PREFIX));
    let prefix = if is_parallel { PARALLEL_PREFIX } else { "" };
    Choice { dict, prefix: prefix.to_owned(), note: None }
}

fn candidates_in<'a>(
    index: usize,
    dict: &Dict<'a>,
    signatures: &[Signature],
) -> Vec<Candidate<'a>> {
    let all: HashMap<&str, &Entry<'_>> = dict.entries.iter().map(|(n, e)| (*n, e)).collect();
    let mut found: Vec<Candidate<'a>> = Vec::new();
    for (name, entry) in &dict.entries {
        for signature in signatures {
            let Some((first, others)) = signature.split_first() else { continue };
            let prefix = name.strip_suffix(first).filter(|p| p.is_empty() || p.ends_with('.'));
            let Some(prefix) = prefix else { continue };
            let has = |other: &&str| all.contains_key(format!("{prefix}{other}").as_str());
            if !others.iter().all(has) {
                continue;
            }
            let place = match entry {
                Entry::Tensor(tensor) => Some((tensor.storage.key.as_str(), tensor.offset)),
                Entry::Placeholder(_) => None,
            };
            let label = label(dict, prefix);
            let is_ema = is_ema(&label);
            found.push(Candidate { dict: index, prefix, place, label, is_ema });
        }
    }
    found
}

/// A place, for people: `state_dict, backbone.*`.
fn label(dict: &Dict<'_>, prefix: &str) -> String {
    const LONGEST: usize = 128;
    let path = dict.path.join(".");
    let whole = match (path.is_empty(), prefix.is_empty()) {
        (true, true) => "the top".to_owned(),
        (false, true) => path,
        (true, false) => format!("{prefix}*"),
        (false, false) => format!("{path}, {prefix}*"),
    };
    whole.chars().take(LONGEST).collect()
}

/// Whether a place is called after a moving average: `model_ema`, `state_dict_ema`, `ema.*`.
fn is_ema(label: &str) -> bool {
    let words = label.split(|c: char| !c.is_ascii_alphanumeric());
    words.into_iter().any(|word| word.eq_ignore_ascii_case("ema"))
}

/// What else would have done, where that is not the same once more.
fn note(
    taken: &Candidate<'_>,
    wanted: &[Candidate<'_>],
    other: &[Candidate<'_>],
    kept: Kept,
) -> Option<String> {
    const MOST: usize = 4;
    let differs = |c: &&Candidate<'_>| c.place.is_none() || c.place != taken.place;
    let rest = wanted.iter().skip(1).filter(differs).take(MOST);
    let rest: Vec<_> = rest.map(|c| c.label.as_str()).collect();
    let mut said = Vec::new();
    if !rest.is_empty() {
        said.push(format!(
            "its network is there more than once: {} was taken, not {}",
            taken.label,
            rest.join("; ")
        ));
    }
    if let Some(other) = other.iter().find(differs).filter(|_| kept == Kept::Last) {
        said.push(format!(
            "the moving average of its weights, {}, was left out; --weights ema takes it",
            other.label
        ));
    }
    (!said.is_empty()).then(|| said.join(". "))
}
