//! The analytic classifier: P(fake) is how red the middle of the clip is.

use crate::models::graph::{Axis, Edge, Graph, int, ints};

use super::scene::LEAST_PROBABILITY;

/// The inputs of an analytic classifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipShape {
    /// T; 1 for a frame classifier.
    pub frames: usize,
    /// S.
    pub size_px: usize,
    /// With it the network has a second input, and P(fake) is the mean of the redness and of the
    /// logistic function of that input's mean.
    pub audio: Option<Audio>,
    /// Quantised: the redness passes through 8-bit integers, as values do in a QDQ network.
    pub quantised: bool,
}

/// The second input `audio`, `[N,1,mels,frames]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Frequency bands of the spectrogram.
    pub mels: usize,
    /// Its frames.
    pub frames: usize,
}

impl Default for ClipShape {
    fn default() -> Self {
        Self { frames: 16, size_px: 224, audio: None, quantised: false }
    }
}

/// `clip` `[N,3,T,S,S]`, ImageNet-normalised RGB → `logits` `[N,2]`: the logarithms of P(fake) and
/// of P(real), so that their softmax is the probabilities themselves.
pub(super) fn build(shape: &ClipShape) -> Graph {
    let mut g = Graph::new("analytic_classifier");
    let side = Axis::Size(shape.size_px);
    let axes = [Axis::Any("N"), Axis::Size(3), Axis::Size(shape.frames), side, side];
    let clip = g.input("clip", &axes);
    let mut fake = redness(&mut g, &clip, shape.size_px as i64);
    if shape.quantised {
        fake = quantise(&mut g, &fake);
    }
    if let Some(Audio { mels, frames }) = shape.audio {
        let axes = [Axis::Any("N"), Axis::Size(1), Axis::Size(mels), Axis::Size(frames)];
        let audio = g.input("audio", &axes);
        let level = mean(&mut g, &audio, &[1, 2, 3]);
        let heard = g.op("Sigmoid", &[&level], &[]);
        let (sum, half) = (g.op("Add", &[&fake, &heard], &[]), g.scalar(0.5));
        fake = g.op("Mul", &[&sum, &half], &[]);
    }
    let (low, high) = (g.scalar(LEAST_PROBABILITY), g.scalar(1.0 - LEAST_PROBABILITY));
    let fake = g.op("Clip", &[&fake, &low, &high], &[]);
    let one = g.scalar(1.0);
    let real = g.op("Sub", &[&one, &fake], &[]);
    let [fake, real] = [fake, real].map(|p| g.op("Log", &[&p], &[]));
    let logits = g.op("Concat", &[&fake, &real], &[int("axis", 1)]);
    g.output("logits", &logits, &[Axis::Any("N"), Axis::Size(2)]);
    g
}

/// The mean red, 0..=1, of the middle half of every frame: away from the edges, where the
/// alignment mixes in what is around the face.
fn redness(g: &mut Graph, clip: &Edge, size: i64) -> Edge {
    let mut x = g.slice(clip, 1, 0..1, 1);
    for axis in [3, 4] {
        x = g.slice(&x, axis, size / 4..size - size / 4, 1);
    }
    let normalized = mean(g, &x, &[1, 2, 3, 4]);
    let (deviation, average) = (g.scalar(0.229), g.scalar(0.485));
    let scaled = g.op("Mul", &[&normalized, &deviation], &[]);
    g.op("Add", &[&scaled, &average], &[])
}

/// Rounded to a 255th and cut off at 0 and 1: the pair of nodes that a QDQ network is made of,
/// with their usual type, `uint8` from 0.
fn quantise(g: &mut Graph, x: &Edge) -> Edge {
    let step = g.scalar(1.0 / 255.0);
    let levels = g.op("QuantizeLinear", &[x, &step], &[]);
    g.op("DequantizeLinear", &[&levels, &step], &[])
}

/// Over all axes but the first, as a column.
fn mean(g: &mut Graph, x: &Edge, axes: &[i64]) -> Edge {
    let mean = g.op("ReduceMean", &[x], &[ints("axes", axes), int("keepdims", 0)]);
    g.reshape(&mean, &[-1, 1])
}
