//! Roles on engines that lie about what they are or answer nonsense.

use gstm2sd::core::image::{ChannelOrder, Normalization, PixelValues};
use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::infer::{Aligner, AudioSpec, CancelToken, Classifier, Clip, Detector, InferError};
use ndarray::{Array2, Array3, Array4, ArrayD};

use crate::common::{Fake, floats, tensor};

fn filled(shape: &[usize], value: f32) -> ArrayD<f32> {
    ArrayD::from_elem(shape, value)
}

fn detector(anchors: [usize; 3], last: f32) -> Result<Detector, InferError> {
    let outputs = vec![
        tensor("points", &[-1, -1, 10]),
        tensor("where", &[-1, -1, 4]),
        tensor("what", &[-1, -1, 2]),
    ];
    let engine = Fake::boxed(vec![tensor("x", &[-1, 3, -1, -1])], outputs, move |inputs, _| {
        assert_eq!(inputs[0].shape(), [1, 3, 6, 8]);
        let [a, b, c] = anchors;
        Ok(vec![filled(&[1, a, 10], 10.0), filled(&[1, b, 4], 4.0), filled(&[1, c, 2], last)])
    });
    Detector::from_engine(engine, &ModelInfo::default())
}

#[test]
fn a_detectors_outputs_are_told_apart_by_shape() {
    let mut detector = detector([5, 5, 5], 2.0).unwrap();
    assert_eq!(detector.channel_order(), ChannelOrder::Bgr);
    assert_eq!(detector.values(), PixelValues::Normalized(Normalization::RETINAFACE));
    assert_eq!((detector.height_px(), detector.width_px()), (None, None));
    let raw = detector.run(Array3::<f32>::zeros((3, 6, 8)).view(), &CancelToken::new()).unwrap();
    assert_eq!(raw.boxes, Array2::from_elem((5, 4), 4.0));
    assert_eq!(raw.classes, Array2::from_elem((5, 2), 2.0));
    assert_eq!(raw.landmarks, Array2::from_elem((5, 10), 10.0));
}

#[test]
fn a_detector_that_answers_nonsense_is_an_error() {
    let run = |mut detector: Detector| {
        let image = Array3::<f32>::zeros((3, 6, 8));
        detector.run(image.view(), &CancelToken::new()).unwrap_err()
    };
    let error = run(detector([5, 5, 4], 0.0).unwrap());
    assert_eq!(error.to_string(), "the detector's classes: expected shape [5, 2], found [4, 2]");
    let error = run(detector([5, 5, 5], f32::NAN).unwrap());
    assert!(error.to_string().starts_with("the detector's classes: the network answered with"));
    let mut fine = detector([5, 5, 5], 0.0).unwrap();
    let error = fine.run(Array3::<f32>::zeros((1, 6, 8)).view(), &CancelToken::new()).unwrap_err();
    assert!(matches!(error, InferError::WrongShape { .. }));
}

#[test]
fn signatures_that_no_role_can_feed_are_refused() {
    let refused = |inputs, outputs, make: fn(_) -> Result<(), InferError>| {
        let error = make(Fake::boxed(inputs, outputs, |_, _| Ok(Vec::new()))).unwrap_err();
        assert!(matches!(error, InferError::WrongSignature { .. }), "{error}");
    };
    let aligner = |engine| Aligner::from_engine(engine, &ModelInfo::default()).map(|_| ());
    let classifier = |engine| Classifier::from_engine(engine, &ModelInfo::default()).map(|_| ());
    // Not square, gray, a batch of two, nothing to feed, no or two outputs that fit.
    for input in [[1, 3, 112, 96], [1, 1, 112, 112], [2, 3, 112, 112]] {
        refused(vec![tensor("x", &input)], vec![tensor("y", &[1, 136])], aligner);
    }
    refused(vec![], vec![tensor("y", &[1, 136])], aligner);
    let square = || vec![tensor("x", &[1, 3, 112, 112])];
    refused(square(), vec![tensor("y", &[1, 68])], aligner);
    refused(square(), vec![tensor("y", &[1, 136]), tensor("z", &[1, 136])], aligner);

    let clip = || tensor("clip", &[-1, 3, 16, 224, 224]);
    let scores = || vec![tensor("logits", &[-1, 2])];
    refused(vec![clip(), tensor("other", &[-1, 1, 80, 100])], scores(), classifier);
    refused(vec![clip(), tensor("audio", &[-1, 1, 80, -1])], scores(), classifier);
    refused(vec![tensor("clip", &[-1, 3, 16, 224])], scores(), classifier);
    refused(vec![clip()], vec![tensor("logits", &[-1, 3])], classifier);
}

#[test]
fn audio_reaches_the_input_that_is_called_so() {
    let inputs = vec![tensor("audio", &[1, 1, 4, 5]), tensor("clip", &[-1, 3, 2, 8, 8])];
    let engine = Fake::boxed(inputs, vec![tensor("logits", &[-1, 2])], |inputs, _| {
        assert_eq!(inputs[0].shape(), [1, 1, 4, 5]);
        assert_eq!(inputs[1].shape(), [1, 3, 2, 8, 8]);
        Ok(vec![ArrayD::from_shape_vec(vec![1, 2], vec![floats(&inputs[0]).sum(), 0.0]).unwrap()])
    });
    let mut classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
    assert_eq!(classifier.spec().audio, Some(AudioSpec { mels: 4, frames: 5 }));
    assert!(!classifier.spec().batches, "one input has a batch of one");

    let frames = Array4::<f32>::zeros((3, 2, 8, 8));
    let sound = Array3::from_elem((1, 4, 5), 0.05);
    let clip = Clip { frames: frames.view().into(), audio: Some(sound.view()) };
    let scores = classifier.run(&[clip, clip], &CancelToken::new()).unwrap();
    assert_eq!(scores.len(), 2);
    assert!((scores[1].outputs[0] - 1.0).abs() < 1e-6);

    let silent = Clip { audio: None, ..clip };
    let error = classifier.run(&[silent], &CancelToken::new()).unwrap_err();
    assert!(error.to_string().starts_with("the classifier's audio: expected shape [1, 4, 5]"));
}

#[test]
fn a_score_that_is_no_number_is_an_error() {
    for (answer, shape) in [(f32::NAN, [1, 2]), (f32::INFINITY, [1, 2]), (0.0, [2, 2])] {
        let inputs = vec![tensor("clip", &[1, 3, 1, 4, 4])];
        let engine = Fake::boxed(inputs, vec![tensor("logits", &[1, 2])], move |_, _| {
            Ok(vec![filled(&shape, answer)])
        });
        let mut classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
        let frames = Array4::<f32>::zeros((3, 1, 4, 4));
        let clip = Clip { frames: frames.view().into(), audio: None };
        assert!(classifier.run(&[clip], &CancelToken::new()).is_err());
    }
}

#[test]
fn sizes_that_no_memory_holds_are_refused_before_anything_is_made_of_them() {
    let refused = |input: Vec<i64>, output: i64, make: fn(_) -> Result<(), InferError>| {
        let outputs = vec![tensor("y", &[-1, output])];
        let engine = Fake::boxed(vec![tensor("x", &input)], outputs, |_, _| Ok(Vec::new()));
        make(engine)
            .map_err(|error| assert!(matches!(error, InferError::TooLarge { .. }), "{error}"))
    };
    let classifier = |engine| Classifier::from_engine(engine, &ModelInfo::default()).map(|_| ());
    let aligner = |engine| Aligner::from_engine(engine, &ModelInfo::default()).map(|_| ());
    assert!(refused(vec![-1, 3, 16, 224, 224], 2, classifier).is_ok());
    assert!(refused(vec![-1, 3, 64, 512, 512], 2, classifier).is_ok());
    // Large clips share a run with fewer others.
    for ([frames, size_px], most) in [([16, 224], 64), ([64, 512], 5), ([64, 810], 2)] {
        let input = vec![tensor("x", &[-1, 3, frames, size_px, size_px])];
        let engine = Fake::boxed(input, vec![tensor("y", &[-1, 2])], |_, _| Ok(Vec::new()));
        let classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
        assert_eq!(classifier.together(64), most, "{frames}×{size_px}²");
    }
    for [frames, size_px] in [[1 << 40, 224], [16, 1 << 31], [1 << 40, 1], [1 << 20, 1 << 20]] {
        assert!(refused(vec![-1, 3, frames, size_px, size_px], 2, classifier).is_err(), "{frames}");
    }
    assert!(refused(vec![-1, 3, 256, 256], 136, aligner).is_ok());
    assert!(refused(vec![-1, 3, 1 << 31, 1 << 31], 136, aligner).is_err());

    let audio = |mels, frames| {
        let inputs = vec![tensor("clip", &[1, 3, 1, 8, 8]), tensor("audio", &[1, 1, mels, frames])];
        let outputs = vec![tensor("y", &[1, 2])];
        let engine = Fake::boxed(inputs, outputs, |_, _| Ok(Vec::new()));
        Classifier::from_engine(engine, &ModelInfo::default()).map(|_| ())
    };
    assert!(audio(80, 400).is_ok());
    for (mels, frames) in [(1 << 40, 1), (80, 1 << 40), (1 << 31, 1 << 31)] {
        assert!(matches!(audio(mels, frames), Err(InferError::TooLarge { .. })), "{mels}×{frames}");
    }

    let detector = |height, width| {
        let outputs = [10, 4, 2].map(|last| tensor("y", &[1, -1, last])).to_vec();
        let engine =
            Fake::boxed(vec![tensor("x", &[1, 3, height, width])], outputs, |_, _| Ok(Vec::new()));
        Detector::from_engine(engine, &ModelInfo::default()).map(|_| ())
    };
    assert!(detector(2160, 3840).is_ok());
    assert!(matches!(detector(1 << 40, 640), Err(InferError::TooLarge { .. })));
    assert!(matches!(detector(1 << 31, 1 << 31), Err(InferError::TooLarge { .. })));
}
