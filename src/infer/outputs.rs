//! What a network answers, in memory that is kept from run to run.

use ndarray::{Array, ArrayD, ArrayViewD, Dimension};

/// The outputs of a run, in the order of [`super::EngineInfo::outputs`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs(Vec<ArrayD<f32>>);

impl Outputs {
    /// Writes an output in its place, or behind the last one: into the same memory where it has the
    /// shape of the one before.
    pub fn put(&mut self, place: usize, output: &ArrayViewD<'_, f32>) {
        match self.0.get_mut(place) {
            Some(kept) if kept.shape() == output.shape() => kept.assign(output),
            Some(kept) => *kept = output.to_owned(),
            None => self.0.push(output.to_owned()),
        }
    }

    /// Forgets the outputs of an earlier run that had more than `count`.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// The output at this place of the network's; `None`: there are fewer.
    pub fn get(&self, place: usize) -> Option<ArrayViewD<'_, f32>> {
        self.0.get(place).map(|output| output.view())
    }
}

impl<D: Dimension> From<Array<f32, D>> for Outputs {
    fn from(only: Array<f32, D>) -> Self {
        Self(vec![only.into_dyn()])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;

    #[test]
    fn outputs_of_one_shape_stay_in_one_place() {
        let mut outputs = Outputs::default();
        let [a, b] = [1.0, 2.0].map(|v| Array2::from_elem((2, 3), v).into_dyn());
        let short = Array1::from_elem(4, 3.0).into_dyn();
        let take = |outputs: &mut Outputs, all: &[&ArrayD<f32>]| {
            all.iter().enumerate().for_each(|(place, output)| outputs.put(place, &output.view()));
            outputs.truncate(all.len());
        };
        take(&mut outputs, &[&a, &short]);
        let place = outputs.get(0).unwrap().as_ptr();
        take(&mut outputs, &[&b, &b]);
        assert_eq!(outputs.get(0).unwrap(), b);
        assert_eq!((outputs.get(0).unwrap().as_ptr(), outputs.get(1).unwrap()), (place, b.view()));
        take(&mut outputs, &[&short]);
        assert_eq!((outputs.0.len(), outputs.get(0).unwrap()), (1, short.view()));
        assert!(outputs.get(1).is_none() && !outputs.0.is_empty());
    }
}
