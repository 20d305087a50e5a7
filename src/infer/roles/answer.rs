//! What a classifier's numbers say: which of them, and of which class.

use ndarray::ArrayView1;

use super::signature::Signature;
use crate::core::evidence::Probability;
use crate::core::modelinfo::{ClassifierOutput, FakeIndex, ModelInfo};
use crate::infer::error::InferError;

pub(super) const SCORES: &str = "the classifier's scores";

/// What fp16 rounding can do to a probability, and no more.
const ROUNDING: f64 = 0.01;

/// What the network says about one clip. All numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipScore {
    /// Two numbers, fake first: logits, or probabilities where the network tells these. A network
    /// with one logit is given 0 for "real", one with one probability the rest to 1: either way
    /// they mean what a network with two numbers would mean by them.
    pub outputs: [f32; 2],
    /// P(fake), 0..=1.
    pub fake: f64,
}

/// How the numbers of a network are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether they are logits or probabilities.
    pub outputs: ClassifierOutput,
    /// Which of the two classes is fake.
    pub fake_index: FakeIndex,
}

impl Answer {
    /// As the sidecar says, and with two numbers by default as M2SD: logits, fake first. Returns
    /// the place of these numbers among the network's outputs as well.
    ///
    /// One number alone could be a logit or a probability, of "fake" or of "real": the sidecar has
    /// to say.
    pub(super) fn of(
        signature: &Signature<'_>,
        sidecar: &ModelInfo,
    ) -> Result<(Self, usize), InferError> {
        let (one, two) = (signature.outputs_of(1), signature.outputs_of(2));
        let only = |places: &[usize]| match places {
            [place] => Some(*place),
            _ => None,
        };
        let wrong = |expected: &str| Err(signature.wrong_as(expected));
        let place = match (sidecar.outputs.map(ClassifierOutput::count), only(&one), only(&two)) {
            (Some(1), Some(place), _) => place,
            (Some(1), None, _) => {
                return wrong(
                    "one output f32[N,1] or f32[N], as outputs=logit or probability in its sidecar \
                     says; for two numbers set outputs=logits or probabilities",
                );
            }
            (_, _, Some(place)) => place,
            (Some(_), _, None) => {
                return wrong(
                    "one output f32[N,2], as outputs=logits or probabilities in its sidecar says; \
                     for one number set outputs=logit or probability",
                );
            }
            (None, Some(_), None) if two.is_empty() => {
                return wrong(
                    "one output f32[N,2]; for a network with one number, set outputs=logit or \
                     probability in its sidecar, and fake-index=1 where a large number means \
                     fake, 0 where it means real",
                );
            }
            (None, _, None) => return Err(signature.wrong()),
        };
        let outputs = sidecar.outputs.unwrap_or_default();
        let fake_index = match (sidecar.fake_index, outputs.count()) {
            (Some(index), _) => index,
            (None, 2) => FakeIndex::Zero,
            (None, _) => {
                return wrong(
                    "fake-index in the sidecar of a network with one number: 1 where a large \
                     number means fake, 0 where it means real",
                );
            }
        };
        Ok((Self { outputs, fake_index }, place))
    }

    /// Reads the numbers of one clip.
    ///
    /// # Errors
    /// [`InferError::WrongValues`] for numbers that are no such answer.
    pub(super) fn score(self, numbers: ArrayView1<'_, f32>) -> Result<ClipScore, InferError> {
        let classes = match (self.outputs, numbers.len()) {
            (ClassifierOutput::Logit, 1) => [0.0, numbers[0]],
            (ClassifierOutput::Probability, 1) => [1.0 - numbers[0], numbers[0]],
            (ClassifierOutput::Logits | ClassifierOutput::Probabilities, 2) => {
                [numbers[0], numbers[1]]
            }
            (_, found) => return Err(nonsense(format!("{found} numbers for a clip"))),
        };
        let outputs = match (self.fake_index, self.outputs, classes) {
            (FakeIndex::Zero, ClassifierOutput::Logit, [_, real]) => [-real, 0.0],
            (FakeIndex::Zero, _, classes) => classes,
            (FakeIndex::One, _, [real, fake]) => [fake, real],
        };
        let fake = match self.outputs {
            ClassifierOutput::Logit | ClassifierOutput::Logits => {
                Probability::fake_from_logits(outputs).map_err(|e| nonsense(e.to_string()))?.get()
            }
            ClassifierOutput::Probability | ClassifierOutput::Probabilities => {
                self.checked(outputs)?
            }
        };
        Ok(ClipScore { outputs, fake })
    }

    /// P(fake), of two numbers that sum to 1.
    fn checked(self, outputs: [f32; 2]) -> Result<f64, InferError> {
        let [fake, real] = outputs.map(f64::from);
        if fake >= -ROUNDING && real >= -ROUNDING && (fake + real - 1.0).abs() <= ROUNDING {
            return Ok(fake.clamp(0.0, 1.0));
        }
        Err(nonsense(match self.outputs.count() {
            1 => {
                let found = if self.fake_index == FakeIndex::One { fake } else { real };
                format!(
                    "{found} is no probability; if it is a logit, set outputs=logit in the model's \
                     sidecar"
                )
            }
            _ => format!(
                "{outputs:?} are no two probabilities; if they are logits, set outputs=logits in the \
                 model's sidecar"
            ),
        }))
    }
}

fn nonsense(reason: String) -> InferError {
    InferError::WrongValues { what: SCORES, reason }
}

#[cfg(test)]
mod tests {
    use ndarray::aview1;

    use super::*;
    use ClassifierOutput::{Logit, Logits, Probabilities, Probability as One};

    fn score(
        outputs: ClassifierOutput,
        fake_index: FakeIndex,
        numbers: &[f32],
    ) -> Result<ClipScore, InferError> {
        Answer { outputs, fake_index }.score(aview1(numbers))
    }

    #[test]
    fn scores_are_probabilities_whatever_the_logits() {
        let logits = |numbers: [f32; 2]| score(Logits, FakeIndex::Zero, &numbers).unwrap().fake;
        assert_eq!(logits([0.0, 0.0]), 0.5);
        assert!((logits([2.0, 0.0]) - 0.880_797_077_977_882_4).abs() < 1e-12);
        assert_eq!(logits([f32::MAX, f32::MIN]), 1.0);
        assert_eq!(logits([f32::MIN, f32::MAX]), 0.0);
        let logit = |number| score(Logit, FakeIndex::One, &[number]).unwrap().fake;
        assert_eq!([f32::MIN, 0.0, f32::MAX].map(logit), [0.0, 0.5, 1.0]);
    }

    /// The same clip, told in every way: P(fake) is 0.8.
    #[test]
    fn every_way_of_telling_it_gives_the_same_score() {
        let logit = 4.0f32.ln();
        let (zero, one) = (FakeIndex::Zero, FakeIndex::One);
        for (outputs, index, numbers, fake_first) in [
            (Logits, zero, vec![logit + 1.0, 1.0], [logit + 1.0, 1.0]),
            (Logits, one, vec![1.0, logit + 1.0], [logit + 1.0, 1.0]),
            (Probabilities, zero, vec![0.8, 0.2], [0.8, 0.2]),
            (Probabilities, one, vec![0.2, 0.8], [0.8, 0.2]),
            (Logit, one, vec![logit], [logit, 0.0]),
            (Logit, zero, vec![-logit], [logit, 0.0]),
            (One, one, vec![0.8], [0.8, 0.2]),
            (One, zero, vec![0.2], [0.8, 0.2]),
        ] {
            let found = score(outputs, index, &numbers).unwrap();
            assert!((found.fake - 0.8).abs() < 1e-6, "{outputs:?} {index:?}: {found:?}");
            let near = found.outputs.iter().zip(fake_first).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{outputs:?} {index:?}: {found:?}");
        }
    }

    #[test]
    fn logits_that_were_called_probabilities_are_noticed() {
        let two = |numbers: [f32; 2]| score(Probabilities, FakeIndex::Zero, &numbers);
        assert_eq!(two([0.25, 0.75]).unwrap().fake, 0.25);
        assert_eq!(two([1.0005, -0.0005]).unwrap().fake, 1.0);
        for wrong in [[3.0, -2.0], [0.2, 0.2]] {
            assert!(two(wrong).unwrap_err().to_string().contains("set outputs=logits"));
        }
        for (index, number) in [(FakeIndex::One, 3.5), (FakeIndex::Zero, -0.5)] {
            let error = score(One, index, &[number]).unwrap_err().to_string();
            let expected =
                format!("{number} is no probability; if it is a logit, set outputs=logit");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
