//! What a sidecar says of a classifier, on planted networks: generated files whose answer is known,
//! in every order of axes, way of telling and order of classes.

use std::path::{Path, PathBuf};

use gstm2sd::core::modelinfo::{Align, FakeIndex, InputLayout, ModelInfo, Template};
use gstm2sd::infer::{
    CancelToken, Classifier, Clip, ClipJob, InferError, Pool, PoolOptions, Provider,
    load_classifier,
};
use gstm2sd::models::arch::{Tensors, Weights};
use gstm2sd::models::checkpoint::CheckpointError;
use gstm2sd::models::graph::{Axis, Edge, Graph, int, ints};
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::onnx::{Attention, to_half};
use ndarray::Array4;

use crate::common::{Fake, on, providers, tensor};

const SIDE: usize = 8;
/// The red level that says "fake", and P(fake) there.
const FAKE: f64 = 0.8;

/// Planted networks have none.
struct NoWeights;

impl Weights for NoWeights {
    fn shape(&self, _: &str) -> Option<&[usize]> {
        None
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        panic!("{name} was asked for")
    }
}

/// How a planted network tells P(red), which is the redness of the clip's last frame.
#[derive(Clone, Copy, Debug)]
enum Tells {
    /// Its logit, `[N,1]` or `[N]`.
    Logit { flat: bool },
    /// It, `[N,1]`.
    Probability,
    /// The logits of both classes, red at this place.
    Logits { red: usize },
    /// The probabilities of both.
    Probabilities { red: usize },
}

/// Writes a network that reads floats from 0 to 1 in the order of `axes`: the mean red of the last
/// picture, which no other order of axes would find.
fn planted(dir: &Path, layout: &str, frames: usize, tells: Tells, sidecar: &str) -> PathBuf {
    let mut g = Graph::new("planted");
    let (n, c, t, s) = (Axis::Any("N"), Axis::Size(3), Axis::Size(frames), Axis::Size(SIDE));
    let (axes, colours, time) = match layout {
        "NCTHW" => (vec![n, c, t, s, s], 1, Some(2)),
        "NTCHW" => (vec![n, t, c, s, s], 2, Some(1)),
        _ => (vec![n, c, s, s], 1, None),
    };
    let last = frames as i64 - 1;
    let x = g.input("clip", &axes);
    let mut x = g.slice(&x, colours, 0..1, 1);
    if let Some(time) = time {
        x = g.slice(&x, time, last..last + 1, 1);
    }
    let red = g.reshape(&x, &[0, -1]);
    let red = g.op("ReduceMean", &[&red], &[ints("axes", &[1]), int("keepdims", 1)]);
    let one = g.scalar(1.0);
    let other = g.op("Sub", &[&one, &red], &[]);
    let two = |g: &mut Graph, place: usize, red: &Edge, other: &Edge| {
        let order = if place == 0 { [red, other] } else { [other, red] };
        g.op("Concat", &order, &[int("axis", 1)])
    };
    let (answer, axes) = match tells {
        Tells::Probability => (red, vec![n, Axis::Size(1)]),
        Tells::Probabilities { red: place } => {
            (two(&mut g, place, &red, &other), vec![n, Axis::Size(2)])
        }
        Tells::Logits { red: place } => {
            let [red, other] = [red, other].map(|p| g.op("Log", &[&p], &[]));
            (two(&mut g, place, &red, &other), vec![n, Axis::Size(2)])
        }
        Tells::Logit { flat } => {
            let odds = g.op("Div", &[&red, &other], &[]);
            let logit = g.op("Log", &[&odds], &[]);
            match flat {
                true => (g.reshape(&logit, &[-1]), vec![n]),
                false => (logit, vec![n, Axis::Size(1)]),
            }
        }
    };
    g.output("answer", &answer, &axes);
    let path = dir.join("planted.onnx");
    let file = std::fs::File::create(&path).unwrap();
    g.write(&mut Tensors::new(&mut NoWeights), file).unwrap();
    let text = format!("[modelinfo]\nrole=classifier\n{sidecar}\n[clip]\ndir=input\nranges=0,1\n");
    std::fs::write(dir.join("planted.onnx.modelinfo"), text).unwrap();
    path
}

/// All ways of telling, each with the keys that say so and the class that is red.
fn ways() -> Vec<(Tells, &'static str, usize)> {
    use Tells::{Logit, Logits, Probabilities, Probability};
    vec![
        (Logits { red: 0 }, "", 0),
        (Logits { red: 1 }, "outputs=logits", 1),
        (Probabilities { red: 0 }, "outputs=probabilities", 0),
        (Probabilities { red: 1 }, "outputs=probabilities", 1),
        // The class 1 is what one number speaks of.
        (Logit { flat: false }, "outputs=logit", 1),
        (Logit { flat: true }, "outputs=logit", 1),
        (Probability, "outputs=probability", 1),
    ]
}

/// 8-bit RGB whose last picture alone has the red that says "fake".
fn pixels(frames: usize, fake: f64) -> Array4<u8> {
    Array4::from_shape_fn((3, frames, SIDE, SIDE), |(colour, frame, _, _)| match (colour, frame) {
        (0, frame) if frame + 1 == frames => (fake * 255.0).round() as u8,
        (0, _) => 13,
        _ => 77,
    })
}

fn load(model: &Path, provider: Provider) -> Result<Classifier, InferError> {
    load_classifier(model, &on(provider), &CancelToken::new())
}

/// P(fake) of two clips that share a run: one whose red says `FAKE`, and one that says 0.4.
fn scores(classifier: &mut Classifier) -> [f64; 2] {
    let spec = classifier.spec().clone();
    let clips = [FAKE, 0.4].map(|fake| {
        let clip = spec.clip(pixels(spec.frames, fake).view(), Vec::new).unwrap();
        assert_eq!(clip.view().shape(), spec.clip_dims());
        clip
    });
    let clips = clips.each_ref().map(|clip| Clip { frames: clip.view(), audio: None });
    let found = classifier.run(&clips, &CancelToken::new()).unwrap();
    [found[0].fake, found[1].fake]
}

fn assert_near(found: [f64; 2], red_is_fake: bool, tolerance: f64, what: &str) {
    let expected = if red_is_fake { [FAKE, 0.4] } else { [1.0 - FAKE, 0.6] };
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < tolerance);
    assert!(near, "{what}: {found:?}, not {expected:?}");
}

#[test]
fn every_order_of_axes_and_way_of_telling_gives_the_right_sign() {
    for (layout, frames) in [("NCTHW", 4), ("NTCHW", 4), ("NCHW", 1)] {
        for (tells, keys, red) in ways() {
            let dir = tempfile::tempdir().unwrap();
            for index in [0, 1] {
                let keys = format!("{keys}\nfake-index={index}");
                let model = planted(dir.path(), layout, frames, tells, &keys);
                for provider in providers() {
                    let mut classifier = load(&model, provider).unwrap();
                    let what = format!("{layout} {tells:?} {index} on {provider}");
                    assert_eq!(classifier.spec().frames, frames, "{what}");
                    // OpenVINO may compute in half floats.
                    assert_near(scores(&mut classifier), index == red, 5e-3, &what);
                }
            }
        }
    }
}

#[test]
fn bytes_and_half_floats_keep_the_order_of_axes() {
    let cpu = |model: &Path| load(model, Provider::Cpu).unwrap();
    for (layout, frames) in [("NCTHW", 4), ("NTCHW", 4), ("NCHW", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let tells = Tells::Logit { flat: false };
        let model = planted(dir.path(), layout, frames, tells, "outputs=logit\nfake-index=1");
        let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
        let bytes = import(&model, &dir.path().join("bytes"), &options).unwrap().model;
        let mut reads_bytes = cpu(&bytes);
        assert_near(scores(&mut reads_bytes), true, 1e-5, &format!("bytes, {layout}"));

        let half = dir.path().join("half.onnx");
        to_half(&model, &half, Attention::AsItIs).unwrap();
        let sidecar = |model: &Path| model.with_added_extension("modelinfo");
        std::fs::copy(sidecar(&model), sidecar(&half)).unwrap();
        assert_near(scores(&mut cpu(&half)), true, 5e-3, &format!("half floats, {layout}"));
    }
}

#[test]
fn the_pool_scores_clips_of_every_order() {
    for (layout, frames) in [("NTCHW", 3 + 2), ("NCHW", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let keys = "outputs=probability\nfake-index=1";
        let model = planted(dir.path(), layout, frames, Tells::Probability, keys);
        let classifier = load(&model, Provider::Cpu).unwrap();
        let options = PoolOptions { batch_size: 2, queue: 2, ..PoolOptions::default() };
        let pool = Pool::new(classifier, options).unwrap();
        let submitter = pool.submitter();
        let (send, scored) = std::sync::mpsc::channel();
        for fake in [FAKE, 0.4] {
            let frames = pool.spec().clip(pixels(frames, fake).view(), Vec::new).unwrap();
            let send = send.clone();
            let reply = Box::new(move |scored: gstm2sd::infer::Scored| {
                send.send(scored.result.unwrap().fake).unwrap();
            });
            let job = ClipJob { frames, audio: None, reply };
            assert!(submitter.submit(job, submitter.ticket()).is_ok());
        }
        assert_near([scored.recv().unwrap(), scored.recv().unwrap()], true, 1e-5, layout);
    }
}

/// The error for a network of these dimensions with these keys.
fn refusal(input: &[i64], output: &[i64], keys: &str) -> String {
    let engine =
        Fake::boxed(vec![tensor("clip", input)], vec![tensor("y", output)], |_, _| Ok(Vec::new()));
    let sidecar: ModelInfo = format!("[modelinfo]\n{keys}").parse().unwrap();
    match Classifier::from_engine(engine, &sidecar) {
        Ok(found) => panic!("{input:?} -> {output:?} with {keys:?} was taken: {:?}", found.spec()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_mismatch_says_what_was_found_and_which_key_to_set() {
    let (clip, two, one) = (&[-1, 3, 16, 8, 8][..], &[-1, 2][..], &[-1, 1][..]);
    for (input, output, keys, expected) in [
        // Which of two axes is the colours.
        (&[-1, 3, 3, 8, 8][..], two, "", "clip has 3 on two axes: NCTHW where"),
        (&[-1, 3, 8, 8], two, "input-layout=NCTHW", "a clip of 5 axes, as input-layout=NCTHW"),
        (clip, two, "input-layout=NCHW", "a clip of 4 axes, as input-layout=NCHW"),
        (clip, two, "input-layout=NTCHW", "3 colours where NTCHW has C"),
        (&[-1, 8, 8, 3], two, "", "3 colours where NCHW has C"),
        // What the numbers are.
        (clip, one, "", "set outputs=logit or probability"),
        (clip, &[-1], "", "set outputs=logit or probability"),
        (clip, one, "outputs=logit", "fake-index in the sidecar"),
        (clip, one, "outputs=logits", "for one number set outputs=logit or probability"),
        (clip, two, "outputs=probability\nfake-index=1", "set outputs=logits or probabilities"),
        (clip, &[-1, 3], "", "f32[N,2]"),
    ] {
        let found = refusal(input, output, keys);
        assert!(found.contains(expected), "{input:?} {output:?} {keys:?}: {found}");
        assert!(found.contains("found clip f32["), "{found}");
    }
}

#[test]
fn what_the_sidecar_leaves_out_is_the_published_contract() {
    let spec = |keys: &str, input: &[i64]| {
        let engine =
            Fake::boxed(vec![tensor("clip", input)], vec![tensor("y", &[-1, 2])], |_, _| {
                Ok(Vec::new())
            });
        let sidecar: ModelInfo = format!("[modelinfo]\n{keys}").parse().unwrap();
        Classifier::from_engine(engine, &sidecar).unwrap().spec().clone()
    };
    let plain = spec("", &[-1, 3, 16, 224, 224]);
    assert_eq!((plain.layout, plain.clip_dims()), (InputLayout::Ncthw, [3, 16, 224, 224]));
    assert_eq!(plain.answer.fake_index, FakeIndex::Zero);
    assert_eq!((plain.alignment.template, plain.alignment.align), (Template::M2SD, Align::Clip));
    assert_eq!((plain.alignment.side_px, plain.alignment.crop_scale), (224, 2.0));
    // Ambiguous without the key.
    let three = spec("input-layout=NTCHW", &[-1, 3, 3, 8, 8]);
    assert_eq!((three.frames, three.layout), (3, InputLayout::Ntchw));
    let open = spec("", &[-1, -1, 3, 8, 8]);
    assert_eq!(open.clip_dims(), [16, 3, 8, 8]);
    let gend = spec("template=gend\nalign=frame\nfake-index=1", &[-1, 3, 224, 224]);
    assert_eq!((gend.alignment.template, gend.alignment.align), (Template::GEND, Align::Frame));
    assert_eq!((gend.frames, gend.alignment.crop_scale), (1, 3.5));
    assert_eq!(spec("template=gend\ncrop-scale=3", &[-1, 3, 1, 8, 8]).alignment.crop_scale, 3.0);
}
