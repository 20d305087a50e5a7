//! What aligners read and answer: a square picture, and 68 points.

use crate::models::graph::{Axis, Edge, Graph};

/// x and y of 68 points.
pub(super) const OUTPUTS: usize = 136;

/// The picture `[N,3,side_px,side_px]`; N is dynamic.
pub(super) fn add_input(g: &mut Graph, side_px: usize) -> Edge {
    let side = Axis::Size(side_px);
    g.input("image", &[Axis::Any("N"), Axis::Size(3), side, side])
}

/// The points `[N,136]`.
pub(super) fn add_output(g: &mut Graph, points: &Edge) {
    g.output("landmarks", points, &[Axis::Any("N"), Axis::Size(OUTPUTS)]);
}
