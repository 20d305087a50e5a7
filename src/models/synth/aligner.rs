//! The analytic aligner: always the same 68 points.

use crate::models::graph::{Axis, Graph, int, ints};

use super::scene::landmarks68;

const SIZE_PX: usize = 112;

pub(super) fn build() -> Graph {
    let mut g = Graph::new("analytic_aligner");
    let size = Axis::Size(SIZE_PX);
    let image = g.input("image", &[Axis::Any("N"), Axis::Size(3), size, size]);
    // Nothing of the picture remains but the number of pictures.
    let corner = [2, 3].into_iter().fold(image, |x, axis| g.slice(&x, axis, 0..1, 1));
    let mean = g.op("ReduceMean", &[&corner], &[ints("axes", &[1, 2, 3]), int("keepdims", 0)]);
    let zero = g.scalar(0.0);
    let zeros = g.op("Mul", &[&mean, &zero], &[]);
    let column = g.reshape(&zeros, &[-1, 1]);
    let points: Vec<f32> = landmarks68().into_iter().flatten().collect();
    let outputs = points.len();
    let points = g.floats("points", &[1, outputs], points);
    let landmarks = g.op("Add", &[&column, &points], &[]);
    g.output("landmarks", &landmarks, &[Axis::Any("N"), Axis::Size(outputs)]);
    g
}
