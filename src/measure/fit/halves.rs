//! Two halves of the videos, alike in classes and groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::measure::{Class, Sample, SampleError};

/// Which videos are in the first half; all others are in the second.
#[derive(Clone, Debug)]
pub struct Halves {
    first: BTreeSet<String>,
}

impl Halves {
    /// Whether the video of this name is of the half that is fitted on.
    pub(super) fn is_first(&self, file: &str) -> bool {
        self.first.contains(file)
    }

    /// The first and the second half of a sample of these videos.
    ///
    /// # Errors
    /// When a half has no score of a class.
    pub fn split(&self, sample: &Sample) -> Result<[Sample; 2], SampleError> {
        let half = |first| sample.subset(|video| self.is_first(&video.file) == first);
        Ok([half(true)?, half(false)?])
    }
}

/// Splits the scored videos by class and group, drawn from `seed`: whole videos, since frames of one
/// video on both sides would measure memory. Of groups of odd size, the spare videos go to either half
/// in turn.
pub fn halve(sample: &Sample, seed: u64) -> Halves {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut first = BTreeSet::new();
    for class in Class::BOTH {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for video in sample.scored(class).into_iter().filter_map(|n| sample.videos().get(n)) {
            groups.entry(&video.group).or_default().push(&video.file);
        }
        let mut is_first = true;
        for files in groups.values_mut() {
            // Whatever order the list had.
            files.sort_unstable();
            random.shuffle(files);
            for file in files {
                if is_first {
                    first.insert((*file).to_owned());
                }
                is_first = !is_first;
            }
        }
    }
    Halves { first }
}
