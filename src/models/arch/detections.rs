//! What detectors of anchors answer: boxes, classes and landmarks, a row for each anchor.

use crate::models::graph::{Axis, Edge, Graph, int};

/// Of each output, its name and the numbers of an anchor.
pub(super) const OUTPUTS: [(&str, usize); 3] = [("boxes", 4), ("classes", 2), ("landmarks", 10)];

/// A head's map `[N,anchors*values,h,w]` as rows `[N,h*w*anchors,values]`.
pub(super) fn rows(g: &mut Graph, map: &Edge, values: usize) -> Edge {
    let cells_last = g.transpose(map, &[0, 2, 3, 1]);
    g.reshape(&cells_last, &[0, -1, values as i64])
}

/// Ends the network with the rows of all levels, the finest first; classes after a softmax.
pub(super) fn add_output(g: &mut Graph, (name, values): (&str, usize), levels: &[Edge]) {
    let levels: Vec<&Edge> = levels.iter().collect();
    let mut all = g.op("Concat", &levels, &[int("axis", 1)]);
    if name == "classes" {
        all = g.op("Softmax", &[&all], &[int("axis", -1)]);
    }
    g.output(name, &all, &[Axis::Any("N"), Axis::Any("A"), Axis::Size(values)]);
}
